//! What nodes say of themselves over their HTTP API.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A paused node is not waited for.
const STATUS_WITHIN: Duration = Duration::from_millis(300);

/// A part of `GET /v1/cluster`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The cluster; none until there is one.
    pub cluster_id: Option<String>,
    /// The node that answers.
    pub node_id: String,
    /// What it does.
    pub role: String,
    /// Its term.
    pub term: u64,
    /// Nodes with a vote, as it knows them.
    pub voters: Vec<String>,
    /// Nodes without one.
    #[serde(default)]
    pub learners: Vec<String>,
    /// Index of the last entry applied.
    pub applied_index: u64,
    /// Index the newest snapshot ends at.
    pub snapshot_index: u64,
    /// Index of the last entry of its log.
    pub last_log_index: u64,
}

/// Who leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// Number of the node.
    pub node: usize,
    /// Under this term.
    pub term: u64,
}

/// The harness as an operator.
pub struct Admin {
    http: reqwest::Client,
}

impl Admin {
    /// Asks from an address of its own.
    pub(super) fn new(local: IpAddr) -> anyhow::Result<Self> {
        // Somebody in this process may have said so before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .local_address(local)
            .retry(reqwest::retry::never())
            .build()
            .context("an HTTP client")?;
        Ok(Self { http })
    }

    /// What a node says of itself without asking others, if it answers soon.
    pub async fn status(&self, address: SocketAddr) -> Option<Status> {
        let path = "/v1/cluster?consistency=local";
        let told = self.ask(Method::GET, address, path, None, STATUS_WITHIN).await.ok()?;
        serde_json::from_value(told).ok()
    }

    /// Whether a node serves clients.
    pub async fn is_ready(&self, address: SocketAddr) -> bool {
        let url = format!("http://{address}/readyz");
        let answer = self.http.get(url).timeout(STATUS_WITHIN).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// The text of a page, such as the metrics.
    ///
    /// # Errors
    /// There is no answer in time, or it is none.
    pub async fn text(&self, address: SocketAddr, path: &str) -> anyhow::Result<String> {
        let url = format!("http://{address}{path}");
        let answer = self.http.get(url).timeout(Duration::from_secs(2)).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// Asks something and gives its JSON back.
    ///
    /// # Errors
    /// There is no answer in time, or it is a problem, which is told.
    pub async fn ask(
        &self,
        method: Method,
        address: SocketAddr,
        path: &str,
        body: Option<Value>,
        within: Duration,
    ) -> anyhow::Result<Value> {
        let request = self.http.request(method, format!("http://{address}{path}")).timeout(within);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.with_context(|| format!("{address}{path}"))?;
        let status = answer.status();
        let text = answer.text().await.with_context(|| format!("{address}{path}"))?;
        if !status.is_success() {
            bail!("{address}{path}: {status}: {text}");
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("{address}{path}: {text}"))
    }
}
