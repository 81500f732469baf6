//! Through the admin API: everything it offers of maps, sets and locks with linearizable answers.
//!
//! A write tells less here than in the client protocol: what was there before is not told, so the
//! answer has no `result` where the models would like one. A compare-and-set is a read of the
//! record's version and a write on condition of it, repeated while others come between.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::hazelcast::value::encode;
use super::{Client, Effect, Failure, Op, Outcome, answer, counter};

const NOT_FOUND: &str = "SK0104";
const DIFFERS: &str = "SK0105";
/// The most that a page of a list holds; more than one page is not one moment.
const PAGE_MAX: &str = "1000";
const DEFAULT_GROUP: &str = "default";

/// One logical process on the admin API of one node.
pub struct HttpClient {
    http: reqwest::Client,
    address: SocketAddr,
}

/// A record, and what its version is called.
struct Record {
    value: Value,
    etag: String,
}

impl HttpClient {
    /// A client of one node, from one of this machine's addresses if it is given. It connects with
    /// its first operation.
    ///
    /// # Errors
    /// The HTTP library cannot be set up.
    pub fn new(address: SocketAddr, local: Option<IpAddr>) -> anyhow::Result<Self> {
        // Somebody in this process may have said so before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .local_address(local)
            // What the harness does not see repeated it could not judge.
            .retry(reqwest::retry::never())
            .build()
            .context("an HTTP client")?;
        Ok(Self { http, address })
    }

    async fn perform(&mut self, op: &Op, within: Duration) -> Outcome {
        if op.object == "counter" {
            return counter::perform(self, op, within).await;
        }
        let deadline = Instant::now() + within;
        let told = match op.object.as_str() {
            "map" => self.on_map(op, deadline).await,
            "set" => self.on_set(op, deadline).await,
            "lock" => self.on_lock(op, deadline).await,
            other => Err(Failure::NotSent(format!("no {other} over HTTP"))),
        };
        told.unwrap_or_else(|failure| failure.outcome(Effect::of(&op.object, &op.f)))
    }

    async fn on_map(&self, op: &Op, deadline: Instant) -> Result<Outcome, Failure> {
        match op.f.as_str() {
            "get" | "read" => {
                let record = self.record(op, deadline).await?;
                Ok(answer::ok(op, record.map_or(Value::Null, |record| record.value)))
            }
            "contains" => {
                let record = self.record(op, deadline).await?;
                Ok(answer::ok(op, json!(record.is_some())))
            }
            "set" | "write" | "put" => {
                self.write(op, answer::value(op), None, deadline).await?;
                Ok(answer::silent())
            }
            "put-if-absent" => {
                let told = self.write(op, answer::value(op), Some(Guard::Absent), deadline).await?;
                // The record that was in the way is not told.
                Ok(if told { answer::ok(op, Value::Null) } else { answer::silent() })
            }
            "replace" => {
                let told =
                    self.write(op, answer::value(op), Some(Guard::Present), deadline).await?;
                Ok(if told { answer::silent() } else { answer::ok(op, Value::Null) })
            }
            "replace-if" | "cas" => {
                let Some((old, new)) = answer::pair(op) else {
                    return Err(Failure::NotSent("the value must be two values".to_owned()));
                };
                let done = self.compare_and_set(op, old, new, deadline).await?;
                Ok(answer::ok(op, json!(done)))
            }
            "remove-if" => {
                let old = answer::value(op);
                let done = self.compare_and_set(op, old, &Value::Null, deadline).await?;
                Ok(answer::ok(op, json!(done)))
            }
            "remove" | "delete" => {
                let there = self.remove(op, None, deadline).await?;
                Ok(if there { answer::silent() } else { answer::ok(op, Value::Null) })
            }
            "clear" => {
                let url = self.url(&["v1", "maps", &format!("{}:clear", op.name)])?;
                match self.send(self.http.request(Method::POST, url), deadline).await {
                    Err(failure) if is(&failure, NOT_FOUND) => {}
                    told => drop(told?),
                }
                Ok(answer::silent())
            }
            "size" | "is-empty" => {
                let url = self.url(&["v1", "maps", &op.name])?;
                let size = match self.json(self.http.get(url), deadline).await {
                    Err(failure) if is(&failure, NOT_FOUND) => 0,
                    map => map?["records"].as_u64().ok_or_else(|| lacks("records"))?,
                };
                let told = if op.f == "size" { json!(size) } else { json!(size == 0) };
                Ok(answer::ok(op, told))
            }
            "keys" | "entries" => {
                let items = self.page(&["v1", "maps", &op.name, "entries"], deadline).await?;
                let mut entries = Map::new();
                let mut keys = Vec::new();
                for item in items {
                    let key = item["key"]["value"].clone();
                    entries.insert(answer::key_text(&key), item["value"]["value"].clone());
                    keys.push(key);
                }
                let told = if op.f == "keys" { Value::Array(keys) } else { entries.into() };
                Ok(answer::ok(op, told))
            }
            other => Err(Failure::NotSent(format!("no {other} of a map over HTTP"))),
        }
    }

    async fn on_set(&self, op: &Op, deadline: Instant) -> Result<Outcome, Failure> {
        let items = match self.page(&["v1", "sets", &op.name, "items"], deadline).await {
            Err(failure) if is(&failure, NOT_FOUND) => Vec::new(),
            items => items?,
        };
        let items: Vec<Value> = items.into_iter().map(|item| item["value"].clone()).collect();
        match op.f.as_str() {
            "read" => Ok(answer::ok(op, Value::Array(items))),
            "size" => Ok(answer::ok(op, json!(items.len()))),
            "is-empty" => Ok(answer::ok(op, json!(items.is_empty()))),
            "contains" => Ok(answer::ok(op, json!(items.contains(answer::value(op))))),
            other => Err(Failure::NotSent(format!("no {other} of a set over HTTP"))),
        }
    }

    async fn on_lock(&self, op: &Op, deadline: Instant) -> Result<Outcome, Failure> {
        let locks = self.page(&["v1", "locks"], deadline).await?;
        let lock = locks
            .into_iter()
            .find(|lock| lock["name"] == op.name.as_str() && lock["group"] == DEFAULT_GROUP)
            .unwrap_or_default();
        let fence = match lock["fence"].as_str() {
            None => 0,
            Some(fence) => fence.parse::<i64>().map_err(|_| lacks("a fence that is a number"))?,
        };
        match op.f.as_str() {
            "is-locked" => Ok(answer::ok(op, json!(fence != 0))),
            "get-fence" => Ok(answer::ok(op, json!(fence))),
            "lock-count" => {
                Ok(answer::ok(op, json!(lock["hold_count"].as_u64().unwrap_or_default())))
            }
            other => Err(Failure::NotSent(format!("no {other} of a lock over HTTP"))),
        }
    }

    async fn compare_and_set(
        &self,
        op: &Op,
        old: &Value,
        new: &Value,
        deadline: Instant,
    ) -> Result<bool, Failure> {
        loop {
            if Instant::now() >= deadline {
                return Err(Failure::NotSent("others came between every time".to_owned()));
            }
            let record = self.record_before_write(op, deadline).await?;
            let present = record.as_ref().map_or(&Value::Null, |record| &record.value);
            if present != old {
                return Ok(false);
            }
            let guard = match &record {
                None => Guard::Absent,
                Some(record) => Guard::Version(record.etag.clone()),
            };
            let done = match (new, &record) {
                (Value::Null, None) => true,
                (Value::Null, Some(record)) => {
                    self.remove(op, Some(&record.etag), deadline).await?
                }
                (new, _) => self.write(op, new, Some(guard), deadline).await?,
            };
            if done {
                return Ok(true);
            }
        }
    }

    /// Until the write is sent, nothing has happened.
    async fn record_before_write(
        &self,
        op: &Op,
        deadline: Instant,
    ) -> Result<Option<Record>, Failure> {
        self.record(op, deadline).await.map_err(|failure| match failure {
            outside @ Failure::OutsideProtocol(_) => outside,
            other => Failure::NotSent(format!("the read before it: {other}")),
        })
    }

    async fn record(&self, op: &Op, deadline: Instant) -> Result<Option<Record>, Failure> {
        let request = self.http.get(self.entry(op)?);
        let response = match self.send(request, deadline).await {
            Err(failure) if is(&failure, NOT_FOUND) => return Ok(None),
            response => response?,
        };
        let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
        let etag = etag.ok_or_else(|| lacks("an ETag"))?.to_owned();
        let body = self.body(response, deadline).await?;
        Ok(Some(Record { value: body["value"]["value"].clone(), etag }))
    }

    /// Writes a record; false when the guard does not hold.
    async fn write(
        &self,
        op: &Op,
        value: &Value,
        guard: Option<Guard>,
        deadline: Instant,
    ) -> Result<bool, Failure> {
        encode(value)?;
        let mut body = json!({ "value": value });
        if let Some(ttl) = op.ttl {
            body["ttl_ms"] = ttl.into();
        }
        let request = self.http.put(self.entry(op)?).json(&body);
        let request = match guard {
            None => request,
            Some(Guard::Absent) => request.header(IF_NONE_MATCH, "*"),
            Some(Guard::Present) => request.header(IF_MATCH, "*"),
            Some(Guard::Version(etag)) => request.header(IF_MATCH, etag),
        };
        match self.send(request, deadline).await {
            Ok(_) => Ok(true),
            Err(failure) if is(&failure, DIFFERS) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Removes a record; false when there is none, or not this version.
    async fn remove(
        &self,
        op: &Op,
        etag: Option<&str>,
        deadline: Instant,
    ) -> Result<bool, Failure> {
        let request = self.http.delete(self.entry(op)?);
        let request = match etag {
            None => request,
            Some(etag) => request.header(IF_MATCH, etag),
        };
        match self.send(request, deadline).await {
            Ok(_) => Ok(true),
            Err(failure) if is(&failure, NOT_FOUND) || is(&failure, DIFFERS) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// A list that fits on one page, so that it is of one moment.
    async fn page(&self, path: &[&str], deadline: Instant) -> Result<Vec<Value>, Failure> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().append_pair("limit", PAGE_MAX);
        let mut page = match self.json(self.http.get(url), deadline).await {
            Err(failure) if is(&failure, NOT_FOUND) => return Ok(Vec::new()),
            page => page?,
        };
        if !page["next_cursor"].is_null() {
            return Err(Failure::NotSent("more than one page is not one moment".to_owned()));
        }
        match page["items"].take() {
            Value::Array(items) => Ok(items),
            _ => Err(lacks("items")),
        }
    }

    async fn json(&self, request: RequestBuilder, deadline: Instant) -> Result<Value, Failure> {
        let response = self.send(request, deadline).await?;
        self.body(response, deadline).await
    }

    async fn body(&self, response: reqwest::Response, deadline: Instant) -> Result<Value, Failure> {
        let bytes = tokio::time::timeout_at(deadline, response.bytes()).await;
        let bytes = bytes.map_err(|_| Failure::TimedOut)?.map_err(|error| lost(&error))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::OutsideProtocol(format!("a body that is no JSON: {error}")))
    }

    /// Sends a request; an answer that is no success becomes the problem it tells.
    async fn send(
        &self,
        request: RequestBuilder,
        deadline: Instant,
    ) -> Result<reqwest::Response, Failure> {
        let response = tokio::time::timeout_at(deadline, request.send())
            .await
            .map_err(|_| Failure::TimedOut)?
            .map_err(|error| lost(&error))?;
        let status = response.status();
        if status == StatusCode::OK || status == StatusCode::NO_CONTENT {
            return Ok(response);
        }
        let problem = self.body(response, deadline).await?;
        let told = |field: &str| problem[field].as_str().unwrap_or_default().to_owned();
        match told("code") {
            code if code.is_empty() => Err(Failure::OutsideProtocol(format!("status {status}"))),
            code => Err(Failure::Problem { code, message: told("detail") }),
        }
    }

    fn entry(&self, op: &Op) -> Result<Url, Failure> {
        let key = match answer::key(op) {
            Value::String(text) => text.clone(),
            // Only strings are written as they are.
            other => format!("base64:{}", URL_SAFE_NO_PAD.encode(encode(other)?.as_bytes())),
        };
        self.url(&["v1", "maps", &op.name, "entries", &key])
    }

    fn url(&self, path: &[&str]) -> Result<Url, Failure> {
        let wrong = |_| Failure::NotSent(format!("no URL of {path:?}"));
        let mut url = Url::parse(&format!("http://{}", self.address))
            .map_err(|error| Failure::NotSent(error.to_string()))?;
        url.path_segments_mut().map_err(wrong)?.extend(path);
        Ok(url)
    }
}

/// On what a write depends.
enum Guard {
    Absent,
    Present,
    Version(String),
}

fn is(failure: &Failure, wanted: &str) -> bool {
    matches!(failure, Failure::Problem { code, .. } if code == wanted)
}

fn lacks(what: &str) -> Failure {
    Failure::OutsideProtocol(format!("an answer without {what}"))
}

fn lost(error: &reqwest::Error) -> Failure {
    let text = format!("{error:?}");
    if error.is_connect() || error.is_builder() {
        Failure::NotSent(text)
    } else {
        Failure::ConnectionLost(text)
    }
}

impl Client for HttpClient {
    fn call<'a>(&'a mut self, op: &'a Op, within: Duration) -> BoxFuture<'a, Outcome> {
        self.perform(op, within).boxed()
    }

    fn node(&self) -> Option<String> {
        Some(self.address.to_string())
    }
}
