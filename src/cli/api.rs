//! The admin API as its caller sees it: all endpoints are tried, as long as nothing can have
//! happened at the one before.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, Response, Url};
use serde_json::Value;

use super::chain;
use super::error::CliError;

/// Statuses after which another node may do better: nothing was changed here.
const ASK_ANOTHER: [u16; 3] = [421, 429, 503];
/// Larger answers are cut off by giving up: the API's lists are far smaller.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Nodes that can be asked.
#[derive(Debug)]
pub(super) struct Api {
    http: reqwest::Client,
    endpoints: Vec<Url>,
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Ask {
    /// The HTTP method.
    pub(super) method: Method,
    /// Segments of the path below `/v1`, not encoded.
    pub(super) path: Vec<String>,
    /// Pairs of the query.
    pub(super) query: Vec<(&'static str, String)>,
    /// Headers, of names and values that are text.
    pub(super) headers: Vec<(&'static str, String)>,
    /// A JSON body.
    pub(super) body: Option<Value>,
}

impl Ask {
    /// A request without query, headers and body.
    pub(super) fn new<const N: usize>(method: Method, path: [&str; N]) -> Self {
        let path = path.into_iter().map(str::to_owned).collect();
        Self { method, path, query: Vec::new(), headers: Vec::new(), body: None }
    }

    /// A read.
    pub(super) fn get<const N: usize>(path: [&str; N]) -> Self {
        Self::new(Method::GET, path)
    }

    /// With a pair in the query.
    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// With a body.
    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Method and path for people.
    pub(super) fn line(&self) -> String {
        format!("{} /v1/{}", self.method, self.path.join("/"))
    }

    fn url(&self, endpoint: &Url) -> Result<Url, CliError> {
        // These segments mean other things in every URL: they cannot be sent.
        if self.path.iter().any(|segment| matches!(segment.as_str(), "" | "." | "..")) {
            return Err(CliError::usage("a name cannot be empty, . or .."));
        }
        let mut url = endpoint.clone();
        let base = url.path_segments_mut();
        let mut segments = base.map_err(|()| CliError::usage("an endpoint must be an http URL"))?;
        segments.pop_if_empty().push("v1").extend(&self.path);
        drop(segments);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }
}

impl Api {
    /// Takes addresses such as `http://127.0.0.1:5780`; `http://` may be left out.
    pub(super) fn new(endpoints: &[String], timeout: Duration) -> Result<Self, CliError> {
        let endpoints = endpoints
            .iter()
            .map(|text| {
                let full =
                    if text.contains("://") { text.clone() } else { format!("http://{text}") };
                let url = Url::parse(&full).ok().filter(|url| url.scheme() == "http");
                url.ok_or_else(|| CliError::usage(format!("--endpoint {text}: is no http address")))
            })
            .collect::<Result<Vec<Url>, CliError>>()?;
        // A proxy of the environment is for the world outside, not for a node.
        let http = reqwest::Client::builder().no_proxy().timeout(timeout);
        // Endpoints are HTTP: the system's certificates need not be read.
        let http = http.tls_certs_only([]).build();
        let http = http.map_err(|error| CliError::usage(chain(&error)))?;
        Ok(Self { http, endpoints })
    }

    /// The same way of asking, another node.
    pub(super) fn at(&self, address: &str) -> Option<Self> {
        let endpoint = Url::parse(&format!("http://{address}")).ok()?;
        Some(Self { http: self.http.clone(), endpoints: vec![endpoint] })
    }

    /// The JSON of the first node that can answer; null for an empty answer.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Value, CliError> {
        let mut tried = Vec::new();
        let mut problem = None;
        for endpoint in &self.endpoints {
            match self.ask_one(endpoint, ask).await {
                Ok(answer) => return Ok(answer),
                Err(Attempt::Failed(why)) => tried.push(format!("{endpoint}: {why}")),
                Err(Attempt::Final(CliError::Problem { status, problem: body, why, fix }))
                    if ASK_ANOTHER.contains(&status) =>
                {
                    problem = Some(CliError::Problem { status, problem: body, why, fix });
                }
                Err(Attempt::Final(error)) => return Err(error),
            }
        }
        Err(problem.unwrap_or(CliError::Unreachable { tried }))
    }

    async fn ask_one(&self, endpoint: &Url, ask: &Ask) -> Result<Value, Attempt> {
        let mut request = self.http.request(ask.method.clone(), ask.url(endpoint)?);
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &ask.body {
            request = request.json(body);
        }
        let sent = request.send().await;
        let response = sent.map_err(|error| self.lost(endpoint, ask, &error))?;
        let status = response.status();
        let place = endpoint.as_str().to_owned();
        if !response.headers().contains_key("x-statekeeper-node") {
            let why = format!("status {status} without the header X-Statekeeper-Node");
            return Err(Attempt::Final(CliError::NotOurs { endpoint: place, why }));
        }
        let json = is_json(response.headers());
        let bytes = read(response).await.map_err(|error| self.lost(endpoint, ask, &error))?;
        let value = match serde_json::from_slice(&bytes) {
            Ok(value) => value,
            Err(_) if bytes.is_empty() && status.is_success() => Value::Null,
            Err(_) if !json => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => {
                let why = chain(&error);
                return Err(Attempt::Final(CliError::NotOurs { endpoint: place, why }));
            }
        };
        if status.is_success() {
            return Ok(value);
        }
        let (why, fix) = self.page(endpoint, &value).await;
        let status = status.as_u16();
        Err(Attempt::Final(CliError::Problem { status, problem: value, why, fix }))
    }

    /// A change that was sent may have happened; anything else can be asked elsewhere.
    fn lost(&self, endpoint: &Url, ask: &Ask, error: &reqwest::Error) -> Attempt {
        let why = chain(error);
        if ask.method == Method::GET || error.is_connect() || error.is_builder() {
            return Attempt::Failed(why);
        }
        let endpoint = endpoint.as_str().to_owned();
        Attempt::Final(CliError::OutcomeUnknown { endpoint, why })
    }

    /// Why and what to do, from the page that the problem names.
    async fn page(&self, endpoint: &Url, problem: &Value) -> (Option<String>, Option<String>) {
        let page = problem["type"].as_str().and_then(|path| endpoint.join(path).ok());
        let Some(page) = page.filter(|page| page.origin() == endpoint.origin()) else {
            return (None, None);
        };
        let Ok(response) = self.http.get(page).send().await else { return (None, None) };
        let text = response.text().await.unwrap_or_default();
        (paragraph(&text, "**Why.** "), paragraph(&text, "**What to do.** "))
    }
}

/// How asking one node ended, when it did not go well.
enum Attempt {
    /// It did not answer, and nothing can have happened.
    Failed(String),
    /// Asking others makes no sense, or must not be done.
    Final(CliError),
}

impl From<CliError> for Attempt {
    fn from(error: CliError) -> Self {
        Self::Final(error)
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await? {
        bytes.extend_from_slice(&part);
        if bytes.len() > ANSWER_BYTES_MAX {
            bytes.clear();
            break;
        }
    }
    Ok(bytes)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(reqwest::header::CONTENT_TYPE).and_then(|text| text.to_str().ok());
    media_type.is_some_and(|text| text.ends_with("json"))
}

fn paragraph(page: &str, beginning: &str) -> Option<String> {
    let text = page.split("\n\n").find_map(|paragraph| paragraph.strip_prefix(beginning))?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &[&str]) -> Option<String> {
        let endpoint = Url::parse("http://127.0.0.1:5780/").ok()?;
        let mut ask = Ask::get([]);
        ask.path = path.iter().map(|segment| (*segment).to_owned()).collect();
        Some(ask.with("limit", 1).url(&endpoint).ok()?.to_string())
    }

    #[test]
    fn names_are_encoded_and_actions_are_not() {
        let expected = "http://127.0.0.1:5780/v1/maps/a%2Fb%20%25:clear?limit=1";
        assert_eq!(url(&["maps", "a/b %:clear"]).as_deref(), Some(expected));
        for wrong in ["", ".", ".."] {
            assert_eq!(url(&["maps", wrong]), None, "{wrong}");
        }
    }

    #[test]
    fn pages_of_codes_have_paragraphs() {
        let page = "# SK0104\n\n**What.** A.\n\n**Why.** Lines\nbreak.\n\n**What to do.** C.\n";
        assert_eq!(paragraph(page, "**Why.** ").as_deref(), Some("Lines break."));
        assert_eq!(paragraph(page, "**What to do.** ").as_deref(), Some("C."));
        assert_eq!(paragraph(page, "**How.** "), None);
    }
}
