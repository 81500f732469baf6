//! A node's admin API without the node: a sequencer behind it, a socket before it.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use parking_lot::Mutex;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use statekeeper::admin::{
    self, AdminContext, AdminLimits, AttemptRow, ClientRow, DiscoveryReport, MetricKind, NodeInfo,
    SeedReport, SeedRow, StorageRow,
};
use statekeeper::consensus::Consensus;
use statekeeper_machine::{
    Blob, Caller, ClientUuid, ClusterTime, Command, CpCommand, InvocationUid, Lifetime,
    LockEndpoint, MapChange, Name, ObjectCommand, Outcome, PutMode, SessionId, SetChange, ThreadId,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::sequencer::{Sequencer, node};

/// Cluster time of all tests: 2024-02-29T00:00:00Z.
pub(crate) const NOW: ClusterTime = ClusterTime(1_709_164_800_000);
/// `limits.value-bytes-max` of the servers here.
pub(crate) const VALUE_BYTES_MAX: u64 = 100_000;

/// A server that ends with its test.
pub(crate) struct Server {
    pub(crate) sequencer: Arc<Sequencer>,
    pub(crate) address: String,
    pub(crate) failure: Arc<Mutex<Option<String>>>,
    http: reqwest::Client,
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status and code of a problem.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], self.status);
        (self.status, body["code"].as_str().unwrap().to_owned())
    }
}

impl Server {
    /// A single node that leads a cluster named `test`.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// The same with another context.
    pub(crate) async fn start_with(change: impl FnOnce(&mut AdminContext)) -> Self {
        let sequencer = Sequencer::leading(node(1), "test", Vec::new(), NOW);
        let failure = Arc::new(Mutex::new(None));
        let mut context = context(sequencer.clone(), failure.clone());
        change(&mut context);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let task = tokio::spawn(admin::serve(listener, context, stop.clone()));
        // Several tests of one process come by here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        Self { sequencer, address, failure, http, stop, task }
    }

    /// A request to a path that is already encoded.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    /// The JSON of a path that answers 200.
    pub(crate) async fn read(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PUT, path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PATCH, path).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path)).await
    }

    /// Applies a command.
    pub(crate) async fn apply(&self, command: Command) -> Outcome {
        self.sequencer.submit(command).await.unwrap()
    }

    /// Puts a string under a string.
    pub(crate) async fn put_text(&self, map: &str, key: &str, value: &str) {
        let change = MapChange::Put {
            key: Blob::string(key),
            value: Blob::string(value),
            ttl: Lifetime::Default,
            max_idle: Lifetime::Default,
            mode: PutMode::Set,
        };
        let command = Command::Map { map: map.into(), caller: Caller::default(), change };
        self.apply(command).await;
    }

    /// A CP session of a client with this number.
    pub(crate) async fn session(&self, client: u128) -> SessionId {
        let outcome = self
            .apply(Command::Cp(CpCommand::CreateSession {
                group: "default".into(),
                endpoint_name: format!("hz.client_{client}").into(),
                client: ClientUuid(client),
            }))
            .await;
        let Outcome::Session { session, .. } = outcome else { panic!("{outcome:?}") };
        session
    }

    /// The command by which thread 1 of a session asks for a lock.
    pub(crate) fn lock(name: &str, session: SessionId, timeout_ms: u64) -> Command {
        Command::Cp(CpCommand::Lock {
            group: "default".into(),
            name: name.into(),
            endpoint: LockEndpoint { session, thread: ThreadId(1) },
            uid: InvocationUid(session.0.unsigned_abs().into()),
            timeout_ms: Some(timeout_ms),
        })
    }

    /// One of everything: map `m`, set `s`, generator `g`, lock `l` of session 1.
    pub(crate) async fn fill(&self) {
        self.put_text("m", "k", "v").await;
        self.apply(Command::Set {
            set: "s".into(),
            change: SetChange::AddAll(vec![Blob::string("i")]),
        })
        .await;
        self.apply(Command::NewIdBatch { generator: "g".into(), size: 10 }).await;
        let objects = vec![(Name::from("hz:impl:mapService"), Name::from("m"))];
        self.apply(Command::Object(ObjectCommand::Create { objects, client: ClientUuid(1) })).await;
        let session = self.session(1).await;
        self.apply(Self::lock("l", session, 0)).await;
    }

    /// Stops as a node does, and waits for the end.
    pub(crate) async fn stop(self) -> std::io::Result<()> {
        self.stop.cancel();
        let Self { task, http, .. } = self;
        // Connections that are kept for the next request end with their owner.
        drop(http);
        task.await.unwrap()
    }
}

/// Sends a request and reads the answer whole.
pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

/// The value of a string entry.
pub(crate) fn text_body(text: &str) -> Value {
    json!({ "value": text })
}

fn context(sequencer: Arc<Sequencer>, failure: Arc<Mutex<Option<String>>>) -> AdminContext {
    AdminContext {
        consensus: sequencer,
        info: NodeInfo {
            version: "0.1.0".into(),
            cluster_name: "test".into(),
            started_at: UNIX_EPOCH + Duration::from_millis(NOW.0),
            base64_values: false,
            peer_silence_max: Duration::from_secs(1),
            loopback_only: true,
        },
        limits: AdminLimits {
            name_bytes_max: 64,
            key_bytes_max: 256,
            value_bytes_max: VALUE_BYTES_MAX,
            request_bytes_max: 2 * VALUE_BYTES_MAX,
            state_bytes_max: 1 << 30,
            request_timeout: Duration::from_secs(30),
        },
        clients: Arc::new(|| vec![client_row()]),
        seeds: Arc::new(|| Box::pin(std::future::ready(Ok(seed_report())))),
        discovery: Arc::new(discovery_report),
        storage: Arc::new(|| StorageRow { flushes: 3, bytes: Some(77), ..StorageRow::default() }),
        metrics: Arc::new(|metrics| {
            metrics.single("extra_total", MetricKind::Counter, "From the node.", 5_u64);
        }),
        liveness: Arc::new(move || failure.lock().clone().map_or(Ok(()), Err)),
    }
}

fn client_row() -> ClientRow {
    ClientRow {
        client: ClientUuid(7),
        name: "hz.client_1".into(),
        language: "JVM".into(),
        version: "5.1".into(),
        address: "127.0.0.1:40000".to_owned(),
        labels: vec!["a".into()],
        connected_for: Duration::from_secs(3),
        silent_for: Duration::from_millis(20),
        listeners: 2,
        in_flight: 1,
        buffered_bytes: 0,
    }
}

fn seed_report() -> SeedReport {
    SeedReport {
        directory: Some("/opt/hetu/seedstore/test".to_owned()),
        lock_holder: None,
        seeds: vec![
            SeedRow {
                location: "10.0.0.1:5701".to_owned(),
                timestamp_ms: 1_709_164_800_000,
                own: true,
            },
            SeedRow { location: "10.0.0.2:5701".to_owned(), timestamp_ms: -1, own: false },
        ],
    }
}

fn discovery_report() -> DiscoveryReport {
    DiscoveryReport {
        mode: "tcp-ip",
        waiting_for: None,
        attempts: vec![AttemptRow {
            address: "10.0.0.2:5701".to_owned(),
            tried_for: Duration::from_millis(900),
            result: "connection refused".to_owned(),
            answered: false,
        }],
    }
}
