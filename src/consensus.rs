//! The port between those who ask (server, admin, coordinator) and Raft.
//!
//! Invariant: every error answers one question, *did it happen?* Nobody behind this port names a
//! socket, a message of the client protocol or an HTTP status; nobody before it names openraft.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use statekeeper_machine::{
    Answer, ClientUuid, ClusterInfo, ClusterView, Command, EventBatch, MemberUuid, Name,
    NodeDescription, NodeId, Outcome, Query, SubmitError,
};
use thiserror::Error;
use tokio::sync::{mpsc, watch};

/// How far behind the leader a learner may be when it becomes a voter: what is more than a moment
/// of a busy cluster would make it a voter that cannot help a majority.
pub const PROMOTION_LAG_ENTRIES_MAX: u64 = 1_000;

/// A future of the port.
pub type PortFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// How a query may be answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// By a leader's read index (or lease, `raft.reads`).
    #[default]
    Linearizable,
    /// From this node's state as it is.
    Local,
}

/// What a node does in Raft.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It has no cluster yet.
    #[default]
    Waiting,
    /// It follows without a vote.
    Learner,
    /// It follows.
    Follower,
    /// It asks for votes.
    Candidate,
    /// It leads.
    Leader,
}

/// One node as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// The node.
    pub node: NodeId,
    /// The last log index known to be on its disk; known to leaders only.
    pub matched_index: Option<u64>,
    /// Since its last answer; known to leaders only.
    pub silent_for: Option<Duration>,
    /// Whether it may vote.
    pub voter: bool,
    /// Its addresses, when it has described itself.
    pub description: Option<NodeDescription>,
}

/// This node's place in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// This node.
    pub node: NodeId,
    /// What clients call it.
    pub member: MemberUuid,
    /// The cluster, once known.
    pub cluster: Option<ClusterInfo>,
    /// What this node does.
    pub role: Role,
    /// Who leads, as far as this node knows.
    pub leader: Option<NodeId>,
    /// Since the last sign of the leader; zero on the leader, unknown without one.
    pub leader_silent_for: Option<Duration>,
    /// Raft's term.
    pub term: u64,
    /// Index of the last entry in the log.
    pub last_log_index: u64,
    /// Index of the last entry known to be committed.
    pub committed_index: u64,
    /// Index of the last entry applied here.
    pub applied_index: u64,
    /// Index the newest snapshot ends at.
    pub snapshot_index: u64,
    /// Voters and learners, in order of their ids.
    pub peers: Vec<PeerStatus>,
    /// No leader has been heard of for two election time-outs.
    pub isolated: bool,
    /// Serves: applied up to the leader when it joined, leader known, not draining.
    pub ready: bool,
    /// Accounted bytes of the state.
    pub state_bytes: u64,
    /// Set when the node stops because it may not go on; the reason for `livez`.
    pub failure: Option<Arc<str>>,
}

/// A coordinator and whether it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoordinatorReport {
    /// Key of its record: the coordinator's host.
    pub host: Name,
    /// Value of its record: its HTTP port.
    pub port: u16,
    /// It has answered within `coordinator.check-timeout`.
    pub up: bool,
}

/// A change of Raft's membership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MembershipChange {
    /// Adds a node as learner.
    AddLearner {
        /// Its id.
        node: NodeId,
        /// `host:port` of its Raft port.
        raft_address: Name,
    },
    /// Makes a learner a voter.
    Promote {
        /// The learner.
        node: NodeId,
    },
    /// Removes a voter or learner.
    Remove {
        /// The node.
        node: NodeId,
    },
    /// Hands leadership to a voter.
    TransferLeader {
        /// The voter.
        to: NodeId,
    },
}

/// Why a membership change was not made.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum MembershipError {
    /// A rule forbids it.
    #[error("refused: {rule}")]
    Refused {
        /// The rule, with what would make it right.
        rule: String,
    },
    /// Not done, or not known to be done.
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

/// Everything the rest of a node asks of Raft.
pub trait Consensus: Send + Sync + 'static {
    /// Gets a command applied once and answers with its outcome; waits of the state (locks) are
    /// waited for. Sends again under the same origin when the leader changes. A command that can
    /// wait without end has no deadline while it waits in the state and a leader is known.
    ///
    /// Commands enter the log in the order of the calls, as long as the leader stays the same and
    /// does not lose touch with its majority: the command is queued by the call itself, not by the
    /// first poll of the future. Dropping the future gives up the answer, not the command.
    fn submit(&self, command: Command) -> PortFuture<Result<Outcome, SubmitError>>;

    /// Answers a query. Dropping the future gives up.
    fn read(
        &self,
        query: Query,
        consistency: Consistency,
    ) -> PortFuture<Result<Answer, SubmitError>>;

    /// Where this node stands; changes at most a few times a second under load.
    fn status(&self) -> watch::Receiver<Arc<Status>>;

    /// What clients of this node are shown: the state's view, or this node's own table when it is
    /// cut off.
    fn view(&self) -> watch::Receiver<Arc<ClusterView>>;

    /// Events from now on, in log order; published before the answer of the command that caused
    /// them. A subscriber that falls `capacity` batches behind is dropped: its channel closes.
    fn subscribe(&self, capacity: usize) -> mpsc::Receiver<Arc<EventBatch>>;

    /// A client's first connection to this node opened, or its last one closed.
    fn client_presence(&self, client: ClientUuid, connected: bool);

    /// What this node knows of the coordinator beside it; the leader keeps exactly one live record
    /// in the map `discovery-service` from what all nodes say. Told again with every check.
    fn coordinator_seen(&self, report: CoordinatorReport);

    /// Changes the membership, one change at a time.
    fn change_membership(
        &self,
        change: MembershipChange,
    ) -> PortFuture<Result<(), MembershipError>>;
}
