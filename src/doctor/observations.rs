//! What was seen, as plain values: the whole input of the judgement.

use super::address::AddressFound;
use super::finding::Finding;
use super::seeds::{LockFound, SeedLook};
use crate::node::{PortState, Process};
use statekeeper_machine::{ClusterId, NodeId};
use std::path::PathBuf;
use std::time::Duration;

/// Everything that was looked at.
#[derive(Clone, Debug)]
pub struct Observations {
    /// `state-store.cluster`.
    pub cluster_name: String,
    /// `raft.bootstrap-expect`.
    pub expect: u16,
    /// `host:port` as this node advertises it to clients and other nodes.
    pub own_address: String,
    /// Warnings of the configuration; its errors end the matter before.
    pub configuration: Vec<Finding>,
    /// The data directory.
    pub data: DataFound,
    /// The ports.
    pub ports: Vec<PortFound>,
    /// The node of this configuration, if it runs.
    pub node: NodeState,
    /// The seed directory, with discovery through one.
    pub seeds: Option<SeedsFound>,
    /// The multicast group, with discovery through it.
    pub multicast: Option<MulticastFound>,
    /// All addresses of the configuration, the seed directory or the group, this node's among them.
    pub addresses: Vec<AddressFound>,
    /// The coordinator beside this node.
    pub coordinator: Option<CoordinatorFound>,
}

/// The data directory.
#[derive(Clone, Debug)]
pub struct DataFound {
    /// `storage.data-dir`.
    pub path: PathBuf,
    /// What is there.
    pub state: DataState,
    /// Room on its disk.
    pub free_bytes: Option<u64>,
    /// `storage.disk-free-min`.
    pub free_bytes_min: u64,
    /// `node.id`, when configured.
    pub configured_node: Option<NodeId>,
}

/// What is at the place of the data directory.
#[derive(Clone, Debug)]
pub enum DataState {
    /// Nothing, and it can be made.
    Absent,
    /// It cannot be used: why.
    Refused(String),
    /// A directory.
    There {
        /// The node that lives there.
        node: Option<NodeId>,
        /// Its cluster.
        cluster_id: Option<ClusterId>,
        /// A process uses it; `Some(None)` where the system does not tell which.
        holder: Option<Option<Process>>,
    },
}

/// One port of the node.
#[derive(Clone, Debug)]
pub struct PortFound {
    /// The key that sets it.
    pub key: &'static str,
    /// The port.
    pub port: u16,
    /// What it is.
    pub state: PortState,
}

/// What is known of the node of this configuration.
#[derive(Clone, Debug)]
pub enum NodeState {
    /// Nobody listens on its admin port.
    Down {
        /// Where it would answer.
        address: String,
    },
    /// Somebody listens there and does not answer as a node: why.
    Mute {
        /// Where.
        address: String,
        /// What came instead.
        why: String,
    },
    /// It answers.
    Up(Box<NodeUp>),
}

/// A node that answers.
#[derive(Clone, Debug, Default)]
pub struct NodeUp {
    /// Where its admin API answers.
    pub address: String,
    /// Its id, as it writes it.
    pub node_id: String,
    /// The name of its cluster.
    pub cluster_name: String,
    /// Its cluster, once it has one.
    pub cluster_id: Option<String>,
    /// Leader, follower, and so on.
    pub role: String,
    /// Whether it serves clients.
    pub ready: bool,
    /// Who leads, as far as it knows.
    pub leader: Option<String>,
    /// Whether it has heard nothing of a leader for two election time-outs.
    pub isolated: bool,
    /// The quorum in words, by the leader where it could be asked.
    pub summary: String,
    /// How many more voters may fail, where the leader could be asked.
    pub quorum_margin: Option<i64>,
    /// How many voters there are.
    pub voters: usize,
    /// What the node waits for before it has a cluster.
    pub waiting_for: Option<String>,
    /// What it asks to be looked at.
    pub alarms: Vec<AlarmFound>,
}

/// An alarm of the admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmFound {
    /// Its name.
    pub name: String,
    /// What it means and what to do.
    pub detail: String,
}

/// The seed directory.
#[derive(Clone, Debug)]
pub struct SeedsFound {
    /// The folder of the cluster.
    pub directory: String,
    /// What is there.
    pub state: SeedsState,
}

/// What is at the place of the seed directory.
#[derive(Clone, Debug)]
pub enum SeedsState {
    /// Nothing, and it can be made.
    Absent,
    /// It cannot be used: a finished finding.
    Refused(Finding),
    /// It can be read.
    There {
        /// What it holds.
        look: Box<SeedLook>,
        /// Why it cannot be written, if so.
        unwritable: Option<Finding>,
        /// The lock after it was watched for longer than it lives: held all the time by one holder
        /// if this is `LockFound::Held`.
        lock: LockFound,
    },
}

/// The multicast group.
#[derive(Clone, Debug)]
pub struct MulticastFound {
    /// Group, port and interface in words.
    pub group: String,
    /// How long was listened.
    pub listened: Duration,
    /// Who was heard, or why nobody could be.
    pub heard: Result<Vec<String>, String>,
}

/// The coordinator beside this node.
#[derive(Clone, Debug)]
pub struct CoordinatorFound {
    /// Its base URI.
    pub uri: String,
    /// How long its answer took, or why there was none.
    pub answered: Result<Duration, String>,
}
