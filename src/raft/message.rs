//! What nodes say to each other on the Raft port.
//!
//! A connection begins with a `Hello` and its answer; then requests with numbers go one way and
//! responses with those numbers come back, in any order. The order of the variants is part of the
//! wire format; a change of it raises `VERSION`.

use bytes::Bytes;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};
use statekeeper_machine::{
    ClientUuid, ClusterId, Command, Name, NodeDescription, NodeId, Origin, Touch,
};
use thiserror::Error;

use super::type_config::{LogId, RaftTypes, SnapshotMeta, Vote};
use crate::consensus::{CoordinatorReport, MembershipChange, MembershipError};

/// The opening bytes: what else might connect here does not send them.
pub(crate) const MAGIC: [u8; 4] = *b"SKRF";
/// Raised with every change of what a message holds.
pub(crate) const VERSION: u16 = 2;

/// What a connection is for. Each purpose has connections of its own, so that no heartbeat waits
/// behind a large value and no append behind a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// Heartbeats, votes, leader transfer.
    Heartbeat,
    /// Log entries.
    Replication,
    /// A snapshot.
    Snapshot,
    /// Commands on their way to the leader.
    Forward,
    /// Read indexes, reports, membership, joining.
    Control,
}

/// Who connects, to whom, and what the newest entry in its log is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u16,
    pub(crate) cluster: ClusterId,
    pub(crate) from: NodeId,
    /// Drawn when its process began, so that what it says can be told from what was said before.
    pub(crate) incarnation: u64,
    /// `None`: whoever lives there; then only questions about joining are answered.
    pub(crate) to: Option<NodeId>,
    pub(crate) last_log_id: Option<LogId>,
    pub(crate) vote: Option<Vote>,
    pub(crate) purpose: Purpose,
}

/// The answer to a hello.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum HelloAnswer {
    /// Go on.
    Welcome(Welcome),
    /// The connection closes.
    Refused(HelloRefusal),
}

/// Who answers, and the newest entry in its log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Welcome {
    pub(crate) node: NodeId,
    /// As in a hello.
    pub(crate) incarnation: u64,
    pub(crate) last_log_id: Option<LogId>,
    pub(crate) vote: Option<Vote>,
}

/// Why a hello is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
pub(crate) enum HelloRefusal {
    /// Not our protocol, or another version of it.
    #[error("it speaks version {ours} of the raft protocol")]
    Version {
        /// The version of who refuses.
        ours: u16,
    },
    /// It has no cluster yet.
    #[error("it belongs to no cluster yet")]
    NoCluster,
    /// It belongs to another cluster.
    #[error("it belongs to cluster {ours}")]
    OtherCluster {
        /// The cluster of who refuses.
        ours: ClusterId,
    },
    /// Another node lives there.
    #[error("node {ours} lives at this address")]
    OtherNode {
        /// The node that lives there.
        ours: NodeId,
    },
    /// Who connects has lost entries it had acknowledged.
    #[error(
        "this node had acknowledged log index {acknowledged} and has lost it: set its data \
         directory aside and let it join again, empty, under a new node id"
    )]
    LogLost {
        /// The highest index that is remembered.
        acknowledged: u64,
    },
}

/// A numbered request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Numbered<T> {
    pub(crate) number: u64,
    pub(crate) body: T,
}

/// What one node asks of another.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    Append(AppendEntriesRequest<RaftTypes>),
    Vote(VoteRequest<RaftTypes>),
    PreVote(VoteRequest<RaftTypes>),
    TransferLeader(TransferLeaderRequest<RaftTypes>),
    SnapshotBegin(SnapshotBegin),
    SnapshotChunk { offset: u64, bytes: Bytes },
    SnapshotEnd,
    Propose(Vec<Forwarded>),
    ReadIndex,
    Report(Box<NodeReport>),
    ChangeMembership(MembershipChange),
    Join(JoinRequest),
}

/// The answer to a request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Response {
    Append(AppendEntriesResponse<RaftTypes>),
    Vote(VoteResponse<RaftTypes>),
    TransferLeader(TransferLeaderResponse<RaftTypes>),
    /// Bytes of the snapshot that have come.
    SnapshotReceived {
        bytes: u64,
    },
    SnapshotInstalled(SnapshotResponse<RaftTypes>),
    /// All commands of the batch are applied on the leader, except these.
    Proposed(Vec<Refused>),
    ReadIndex {
        index: u64,
    },
    Heard,
    MembershipChanged(Result<(), MembershipError>),
    Join(JoinAnswer),
    /// It does not lead; who does, as far as it knows.
    NotLeader(LeaderHint),
    /// It could not be done; nobody is told why but the log.
    Failed(String),
}

/// A snapshot is about to come.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SnapshotBegin {
    pub(crate) vote: Vote,
    pub(crate) meta: SnapshotMeta,
    pub(crate) bytes: u64,
    pub(crate) checksum: u32,
}

/// A command on its way to the leader.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Forwarded {
    pub(crate) origin: Origin,
    pub(crate) command: Command,
}

/// A command of a batch that was not applied, by its sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) sequence: u64,
    pub(crate) refusal: Refusal,
}

/// Why a command was not applied by this attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
pub(crate) enum Refusal {
    /// Surely not proposed: this node does not lead, or has no lease at the moment.
    #[error("the node cannot propose now")]
    NotNow,
    /// Surely not proposed: a limit is reached.
    #[error("refused because of {limit}")]
    Overloaded {
        /// The configuration key.
        limit: Name,
    },
    /// Perhaps proposed, perhaps still to be applied.
    #[error("the entry may or may not be applied")]
    Unknown,
}

/// Who leads, as far as a node knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaderHint {
    pub(crate) leader: Option<NodeId>,
    pub(crate) raft_address: Option<Name>,
}

/// What a node says of itself to the leader, about once a second and at changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NodeReport {
    pub(crate) description: NodeDescription,
    /// Clients with a connection there that hold or wait for map locks.
    pub(crate) clients_here: Vec<ClientUuid>,
    pub(crate) coordinator: Option<CoordinatorReport>,
    /// This run of the node has seen the coordinator up.
    pub(crate) coordinator_was_up: bool,
    /// Reads since the last report.
    pub(crate) touches: Vec<Touch>,
}

/// A node asks to be a learner.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct JoinRequest {
    pub(crate) node: NodeId,
    pub(crate) raft_address: Name,
}

/// The answer to a node that asks to be a learner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum JoinAnswer {
    /// It is in the membership.
    Joined,
    /// Not now; it may ask again.
    Later(String),
    /// Never like this.
    Refused(String),
}
