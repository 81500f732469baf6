//! A cluster of real `RaftNode`s in one process, on loopback, with real logs in temporary
//! directories. Other test programs take it in by path.
#![allow(dead_code, clippy::unwrap_used, reason = "every test program uses a part of it")]

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use statekeeper::consensus::{Consensus, Consistency, Role, Status};
use statekeeper::raft::{Founding, RaftNode, RaftSettings};
use statekeeper::storage::{DataDir, LogStore};
use statekeeper_machine::{
    Answer, Blob, Caller, ClusterId, Command, CpCommand, Lifetime, MapChange, MemberUuid, Name,
    NodeDescription, NodeId, Outcome, PutMode, Query, SessionSettings, SubmitError,
};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::line::Lines;

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One node and its directory.
pub(crate) struct TrialNode {
    pub(crate) id: NodeId,
    /// Where the others reach it: a relay, or itself.
    pub(crate) address: String,
    /// Where it listens.
    listens: Arc<Mutex<String>>,
    pub(crate) path: PathBuf,
    pub(crate) settings: RaftSettings,
    running: Option<Arc<RaftNode>>,
}

/// Nodes that know of each other.
pub(crate) struct TrialCluster {
    pub(crate) cluster_id: ClusterId,
    pub(crate) nodes: Vec<TrialNode>,
    pub(crate) lines: Lines,
    directory: TempDir,
}

/// The defaults of the configuration.
pub(crate) fn settings() -> RaftSettings {
    RaftSettings {
        heartbeat_interval: Duration::from_millis(100),
        election_timeout: Duration::from_secs(1),
        lease_reads: false,
        snapshot_log_bytes: 64 * 1024 * 1024,
        bootstrap_expect: 1,
        operation_timeout: Duration::from_secs(10),
        member_timeout: Duration::from_secs(10),
        coordinator_check_timeout: Duration::from_secs(5),
        state_bytes_max: 1024 * 1024 * 1024,
        slow_apply: Duration::from_secs(1),
    }
}

impl TrialNode {
    /// The running node.
    pub(crate) fn node(&self) -> &Arc<RaftNode> {
        self.running.as_ref().expect("the test has started it")
    }

    /// Where it stands.
    pub(crate) fn status(&self) -> Arc<Status> {
        self.node().status().borrow().clone()
    }

    /// Its directory, while it does not run.
    pub(crate) async fn data_dir(&self) -> DataDir {
        let until = Instant::now() + PATIENCE;
        loop {
            match DataDir::open(&self.path, Some(self.id.0)) {
                Ok(data_dir) if self.database_is_free() => return data_dir,
                // The last run lets go of it a moment after it has stopped, its database last of
                // all.
                Ok(_) => assert!(Instant::now() < until, "the database is still in use"),
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The threads of sled close its file after whoever dropped it has gone on.
    fn database_is_free(&self) -> bool {
        let file = std::fs::File::open(self.path.join("log/sled/db"));
        file.is_ok_and(|file| file.try_lock().is_ok()) || !self.path.join("log/sled/db").exists()
    }

    /// What its log says of what is committed, while it does not run.
    pub(crate) async fn committed_mark(&self) -> Vec<u8> {
        let log = self.data_dir().await.open_log(Arc::default()).unwrap();
        let mark = log.recovered().committed.clone();
        log.close().unwrap();
        mark.unwrap()
    }

    /// Puts the mark back to what it was before.
    pub(crate) async fn set_committed_mark(&self, mark: Vec<u8>) {
        let log = self.data_dir().await.open_log(Arc::default()).unwrap();
        log.save_committed(mark);
        log.close().unwrap();
    }

    /// Starts it, again perhaps.
    pub(crate) async fn start(&mut self) {
        let data_dir = self.data_dir().await;
        let listens = self.listens.lock().clone();
        let listener = TcpListener::bind(listens).await.unwrap();
        *self.listens.lock() = listener.local_addr().unwrap().to_string();
        let description = self.description();
        let settings = self.settings.clone();
        let node = RaftNode::start(settings, Arc::new(data_dir), description, listener).await;
        self.running = Some(node.unwrap());
    }

    /// Ends it as if the process had died.
    pub(crate) async fn kill(&mut self) {
        self.running.take().expect("it runs").halt().await;
    }

    /// Ends it in order.
    pub(crate) async fn stop(&mut self) {
        self.running.take().expect("it runs").shutdown().await;
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    fn description(&self) -> NodeDescription {
        NodeDescription {
            node: self.id,
            member: MemberUuid(u128::from(self.id.0)),
            client_host: Name::from("127.0.0.1"),
            client_port: 5701,
            raft_address: Name::from(self.address.as_str()),
            admin_address: Name::from("127.0.0.1:8700"),
            version: Name::from("0.1.0"),
        }
    }
}

impl TrialCluster {
    /// Nodes that run and belong to nothing.
    pub(crate) async fn waiting(count: u64, settings: RaftSettings) -> Self {
        log_when_asked();
        let directory = TempDir::new().unwrap();
        let lines = Lines::new();
        let mut nodes = Vec::new();
        for id in 1..=count {
            nodes.push(new_node(&directory, &lines, id, settings.clone()).await);
        }
        Self { cluster_id: ClusterId(0xC1), nodes, lines, directory }
    }

    /// A founded cluster that has a leader and lists all its members.
    pub(crate) async fn founded(count: u64, settings: RaftSettings) -> Self {
        let cluster = Self::waiting(count, settings).await;
        for node in &cluster.nodes[1..] {
            node.node().accept_cluster(cluster.cluster_id).await.unwrap();
        }
        cluster.nodes[0].node().found(cluster.founding()).await.unwrap();
        let all = usize::try_from(count).unwrap();
        let listed = |node: &TrialNode| node.node().view().borrow().members.len() == all;
        eventually("all members are listed", || cluster.nodes.iter().all(listed)).await;
        cluster
    }

    /// What the founder decides.
    pub(crate) fn founding(&self) -> Founding {
        let member = |node: &TrialNode| (node.id, Name::from(node.address.as_str()));
        Founding {
            cluster_id: self.cluster_id,
            cluster_name: Name::from("dev"),
            members: self.nodes.iter().map(member).collect(),
            sessions: SessionSettings { time_to_live_ms: 30_000, heartbeat_interval_ms: 5_000 },
            maps: Vec::new(),
        }
    }

    /// Another node, running, that belongs to nothing.
    pub(crate) async fn add_waiting(&mut self) -> usize {
        let id = self.nodes.iter().map(|node| node.id.0).max().unwrap_or(0) + 1;
        let settings = self.nodes[0].settings.clone();
        let node = new_node(&self.directory, &self.lines, id, settings).await;
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// The others reach a node at another address from now on; the old one leads nowhere.
    pub(crate) async fn move_node(&mut self, at: usize) {
        let old = std::mem::replace(
            &mut self.nodes[at].listens,
            Arc::new(Mutex::new("127.0.0.1:0".to_owned())),
        );
        *old.lock() = "127.0.0.1:1".to_owned();
        let (id, listens) = (self.nodes[at].id.0, self.nodes[at].listens.clone());
        self.nodes[at].address = self.lines.relay(id, listens).await;
    }

    /// The position of the one that leads, once there is one and it serves.
    pub(crate) async fn leader(&self) -> usize {
        let leads = |node: &TrialNode| {
            node.is_running() && {
                let status = node.status();
                status.role == Role::Leader && status.ready
            }
        };
        eventually("somebody leads", || self.nodes.iter().any(leads)).await;
        self.nodes.iter().position(leads).unwrap_or(0)
    }

    /// The position of a running node that does not lead.
    pub(crate) async fn follower(&self) -> usize {
        let leader = self.leader().await;
        let other = |(at, node): &(usize, &TrialNode)| *at != leader && node.is_running();
        self.nodes.iter().enumerate().find(other).map(|(at, _)| at).unwrap()
    }

    /// Waits until all running nodes have applied what the furthest has.
    pub(crate) async fn settled(&self) {
        let applied = || {
            let running = self.nodes.iter().filter(|node| node.is_running());
            running.map(|node| node.status().applied_index).collect::<Vec<_>>()
        };
        let same = || applied().windows(2).all(|pair| pair[0] == pair[1]);
        eventually("all have applied the same", same).await;
    }
}

async fn new_node(
    directory: &TempDir,
    lines: &Lines,
    id: u64,
    settings: RaftSettings,
) -> TrialNode {
    let path = directory.path().join(format!("node-{id}"));
    let listens = Arc::new(Mutex::new("127.0.0.1:0".to_owned()));
    let address = lines.relay(id, listens.clone()).await;
    let mut node = TrialNode { id: NodeId(id), address, listens, path, settings, running: None };
    node.start().await;
    node
}

/// Shows the nodes' logs beside a failure when `RUST_LOG` says which.
fn log_when_asked() {
    if std::env::var_os("RUST_LOG").is_some() {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        // The first test of the process sets it for all.
        drop(tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init());
    }
}

/// Waits for a condition; fails with its name.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Fails when something takes too long.
pub(crate) async fn within<T>(limit: Duration, what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => panic!("not within {limit:?}: {what}"),
    }
}

/// A value that a client might store.
pub(crate) fn blob(text: &str) -> Blob {
    Blob::new(raw(text)).unwrap()
}

fn raw(text: &str) -> Bytes {
    let mut bytes = vec![0, 0, 0, 0, 0xff, 0xff, 0xff, 0xf5];
    bytes.extend_from_slice(text.as_bytes());
    bytes.into()
}

/// `map.put`.
pub(crate) fn put(map: &str, key: &str, value: &str) -> Command {
    let change = MapChange::Put {
        key: blob(key),
        value: blob(value),
        ttl: Lifetime::Default,
        max_idle: Lifetime::Default,
        mode: PutMode::Set,
    };
    Command::Map { map: Name::from(map), caller: Caller::default(), change }
}

/// Draws the next thread id: each application counts.
pub(crate) fn count() -> Command {
    Command::Cp(CpCommand::GenerateThreadId { group: Name::from("default") })
}

/// What a key holds, linearizably.
pub(crate) async fn get(
    node: &RaftNode,
    map: &str,
    key: &str,
) -> Result<Option<Blob>, SubmitError> {
    let query = Query::MapGet { map: Name::from(map), key: blob(key) };
    match node.read(query, Consistency::Linearizable).await? {
        Answer::Value(value) => Ok(value),
        other => panic!("an answer of another kind: {other:?}"),
    }
}

/// How many records a map has here, whoever leads.
pub(crate) async fn local_size(node: &RaftNode, map: &str) -> u64 {
    let query = Query::MapSize { map: Name::from(map) };
    match node.read(query, Consistency::Local).await {
        Ok(Answer::Count(count)) => count,
        other => panic!("an answer of another kind: {other:?}"),
    }
}

/// Puts a value, which must work.
pub(crate) async fn put_now(node: &RaftNode, map: &str, key: &str, value: &str) {
    assert_eq!(node.submit(put(map, key, value)).await, Ok(Outcome::Done));
}
