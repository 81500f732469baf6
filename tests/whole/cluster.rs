//! The nodes of the simulation: real `RaftNode`s, started, killed and cut off from their power.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use statekeeper::consensus::{Consensus, PeerStatus, Role};
use statekeeper::raft::{Founding, RaftNode, RaftSettings};
use statekeeper::storage::{DataDir, LogStore, StorageError};
use statekeeper_machine::{ClusterId, MemberUuid, Name, NodeDescription, NodeId, SessionSettings};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::disk::{self, End, SyncFault};
use crate::network::{Network, Process};
use crate::random::Random;
use crate::trace;
use crate::watch::Watch;
use crate::watched_log::{DiskSpeed, WatchedLog};

/// The cluster's id.
pub(crate) const CLUSTER: ClusterId = ClusterId(0xC1);
/// A healthy cluster is founded within this.
const FOUNDING: Duration = Duration::from_secs(20);
/// A log of so many bytes is compacted: a hundred entries. A node counts them by 64 KiB.
const SNAPSHOT_LOG_BYTES: u64 = 96 * 1024;

/// The processes that run, by node.
pub(crate) type Live = Arc<Mutex<BTreeMap<u64, (Process, Arc<RaftNode>)>>>;

/// One node, running or not.
pub(crate) struct SimulatedNode {
    pub(crate) id: u64,
    start: u64,
    directory: PathBuf,
    pub(crate) speed: DiskSpeed,
    /// When it starts again.
    restart_at: Option<Instant>,
    /// It was removed from the cluster for good.
    pub(crate) removed: bool,
}

/// All nodes.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<SimulatedNode>,
    pub(crate) network: Network,
    pub(crate) live: Live,
    pub(crate) watch: Watch,
    random: Random,
    directory: TempDir,
    /// Processes that have ended and do not know it yet.
    ended: JoinSet<()>,
}

fn settings() -> RaftSettings {
    RaftSettings {
        heartbeat_interval: Duration::from_millis(100),
        election_timeout: Duration::from_secs(1),
        lease_reads: false,
        snapshot_log_bytes: SNAPSHOT_LOG_BYTES,
        bootstrap_expect: 1,
        operation_timeout: Duration::from_secs(2),
        member_timeout: Duration::from_secs(10),
        coordinator_check_timeout: Duration::from_secs(5),
        state_bytes_max: 1024 * 1024 * 1024,
        slow_apply: Duration::from_secs(1),
    }
}

/// Where a node's Raft port is.
pub(crate) fn address(node: u64) -> String {
    format!("node-{node}:7000")
}

impl Cluster {
    /// Founds a cluster of so many nodes.
    pub(crate) async fn found(count: u64, mut random: Random) -> Self {
        let network = Network::new(Random::new(random.next()));
        let mut cluster = Self {
            nodes: Vec::new(),
            network,
            live: Live::default(),
            watch: Watch::default(),
            random,
            directory: in_memory(),
            ended: JoinSet::new(),
        };
        for _ in 0..count {
            cluster.add().await;
        }
        let member = |node: &SimulatedNode| (NodeId(node.id), Name::from(address(node.id)));
        let founding = Founding {
            cluster_id: CLUSTER,
            cluster_name: Name::from("dev"),
            members: cluster.nodes.iter().map(member).collect(),
            sessions: SessionSettings { time_to_live_ms: 30_000, heartbeat_interval_ms: 5_000 },
            maps: Vec::new(),
        };
        for node in 2..=count {
            cluster.running(node).unwrap().accept_cluster(CLUSTER).await.unwrap();
        }
        let founder = cluster.running(1).unwrap();
        timeout(FOUNDING, founder.found(founding)).await.expect("Progress: not founded").unwrap();
        cluster
    }

    /// Another node, which belongs to nothing yet.
    pub(crate) async fn add(&mut self) -> u64 {
        let id = self.nodes.len() as u64 + 1;
        let directory = self.directory.path().join(format!("node-{id}-1"));
        let speed = DiskSpeed::new(Random::new(self.random.next()));
        let (start, restart_at, removed) = (0, None, false);
        self.nodes.push(SimulatedNode { id, start, directory, speed, restart_at, removed });
        self.start(id).await;
        id
    }

    /// The running process of a node.
    pub(crate) fn running(&self, node: u64) -> Option<Arc<RaftNode>> {
        self.live.lock().get(&node).map(|(_, running)| running.clone())
    }

    fn node(&mut self, id: u64) -> &mut SimulatedNode {
        self.nodes.iter_mut().find(|node| node.id == id).unwrap()
    }

    async fn start(&mut self, id: u64) {
        let watch = self.watch.clone();
        let node = self.node(id);
        node.start += 1;
        node.restart_at = None;
        let process = Process { node: id, start: node.start };
        trace::add(format!("{process:?} starts"));
        let data_dir = DataDir::open(&node.directory, Some(id));
        let data_dir = data_dir.unwrap_or_else(|error| panic!("Restart: {process:?}: {error}"));
        let speed = node.speed.clone();
        let open_log = move |data_dir: &DataDir| -> Result<Arc<dyn LogStore>, StorageError> {
            let log = data_dir.open_file_log(Arc::default())?;
            Ok(Arc::new(WatchedLog::new(log, process, speed, watch)))
        };
        let description = NodeDescription {
            node: NodeId(id),
            member: MemberUuid(u128::from(id)),
            client_host: Name::from("127.0.0.1"),
            client_port: 5701,
            raft_address: Name::from(address(id)),
            admin_address: Name::from("127.0.0.1:8700"),
            version: Name::from("0.1.0"),
        };
        let network = self.network.begin(process, &address(id));
        let data_dir = Arc::new(data_dir);
        let started =
            RaftNode::start_over(settings(), data_dir, description, network, open_log).await;
        let running = started.unwrap_or_else(|error| panic!("Restart: {process:?}: {error}"));
        self.live.lock().insert(id, (process, running));
    }

    /// Ends the process of a node; `restart` is when it comes back.
    pub(crate) fn end(&mut self, id: u64, end: End, restart: Option<Duration>) {
        let Some((process, running)) = self.live.lock().remove(&id) else { return };
        trace::add(format!("{process:?} ends: {end:?}"));
        self.watch.ended(process);
        self.network.end(process, end == End::PowerCut);
        let directory = self.directory.path().join(format!("node-{id}-{}", process.start + 1));
        let mut random = Random::new(self.random.next());
        let node = self.node(id);
        let old = std::mem::replace(&mut node.directory, directory);
        node.restart_at = restart.map(|after| Instant::now() + after);
        disk::carry_over(&old, &node.directory, end, &mut random);
        // The dead one's syncs reach nothing any more.
        disk::set_fault(&old, SyncFault::Gone { cut: true });
        self.ended.spawn(async move { running.halt().await });
    }

    /// All nodes that were not removed.
    pub(crate) fn ids(&self) -> Vec<u64> {
        self.nodes.iter().filter(|node| !node.removed).map(|node| node.id).collect()
    }

    /// A node has left the cluster for good.
    pub(crate) fn remove(&mut self, id: u64) {
        self.watch.count("removals");
        self.end(id, End::Killed, None);
        let node = self.node(id);
        (node.removed, node.restart_at) = (true, None);
    }

    /// The members that the leader names; empty while nobody leads.
    pub(crate) fn members(&self) -> Vec<Arc<RaftNode>> {
        let live = self.live.lock();
        let leads = |node: &&Arc<RaftNode>| {
            let status = node.status().borrow().clone();
            status.role == Role::Leader && status.ready
        };
        let leaders = live.values().map(|(_, node)| node).filter(leads);
        let Some(leader) = leaders.max_by_key(|node| node.status().borrow().term) else {
            return Vec::new();
        };
        let peers = leader.status().borrow().peers.clone();
        let running = |peer: &PeerStatus| live.get(&peer.node.0).map(|(_, node)| node.clone());
        peers.iter().filter_map(running).collect()
    }

    /// Whether there is a leader and all members follow it and serve.
    pub(crate) fn serves(&self) -> bool {
        let members = self.members();
        let statuses: Vec<_> = members.iter().map(|node| node.status().borrow().clone()).collect();
        let Some(first) = statuses.first() else { return false };
        statuses.iter().all(|status| {
            status.ready && status.leader == first.leader && status.term == first.term
        })
    }

    /// The directory of a node's running process, for faults of its disk.
    pub(crate) fn set_disk_fault(&mut self, id: u64, fault: SyncFault) {
        disk::set_fault(&self.node(id).directory, fault);
    }

    /// One step: asks the invariants, ends what has failed, starts what is due.
    pub(crate) async fn step(&mut self) {
        while let Some(ended) = self.ended.try_join_next() {
            ended.unwrap();
        }
        let live: Vec<_> = self.live.lock().values().cloned().collect();
        for (process, running) in live {
            self.watch.status(process, &running.status().borrow().clone());
            self.watch.applied(process, running.applied_index(), || running.state_digest());
            self.end_if_failed(process, &running);
        }
        let now = Instant::now();
        let due = |node: &&SimulatedNode| node.restart_at.is_some_and(|at| at <= now);
        let due: Vec<u64> = self.nodes.iter().filter(due).map(|node| node.id).collect();
        for id in due {
            self.start(id).await;
        }
    }

    fn end_if_failed(&mut self, process: Process, running: &RaftNode) {
        let fault = disk::fault(&self.node(process.node).directory);
        let restart = Some(Duration::from_millis(100 + self.random.below(2_000)));
        match fault {
            Some(SyncFault::Gone { cut: true }) => {
                self.watch.count("cuts-at-sync");
                self.end(process.node, End::PowerCut, restart);
            }
            gone => {
                let Some(reason) = running.failed().borrow().clone() else { return };
                // A sync that failed ends the process; its system goes on, with pages that may be
                // lost.
                let excused = matches!(gone, Some(SyncFault::Gone { cut: false }));
                assert!(excused, "Never Without A Reason: {process:?} gives up: {reason}");
                self.watch.count("failed-syncs");
                self.end(process.node, End::PowerCut, restart);
            }
        }
    }

    /// No more faults, and whoever is down starts.
    pub(crate) async fn heal(&mut self) {
        self.network.heal();
        for node in &mut self.nodes {
            node.speed.set(None);
            if disk::fault(&node.directory).is_some_and(|fault| !is_gone(fault)) {
                disk::clear_fault(&node.directory);
            }
        }
        let down: Vec<u64> = {
            let live = self.live.lock();
            let down = |node: &&SimulatedNode| !node.removed && !live.contains_key(&node.id);
            self.nodes.iter().filter(down).map(|node| node.id).collect()
        };
        for id in down {
            self.start(id).await;
        }
    }
}

fn is_gone(fault: SyncFault) -> bool {
    matches!(fault, SyncFault::Gone { .. })
}

/// A directory that no real disk slows down, where there is one.
fn in_memory() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}
