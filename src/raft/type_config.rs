//! Our types in openraft's words.

use std::fmt;

use openraft::alias::{EntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf, VoteOf};
use serde::{Deserialize, Serialize};
use statekeeper_machine::{LogEntry, Name, Reply};

use super::runtime::NodeRuntime;
use super::state_machine::StateMachine;
use crate::storage::SnapshotFile;

openraft::declare_raft_types!(
    /// Log entries, answers and peers of this cluster. The leader id stays openraft's "advanced"
    /// one: two leaders of one term are ordered, not illegal.
    pub(crate) RaftTypes: D = Stamped, R = Option<Reply>, Node = Peer, AsyncRuntime = NodeRuntime
);

/// A handle of the running group.
pub(crate) type RaftGroup = openraft::Raft<RaftTypes, StateMachine>;
/// A leadership: term and node.
pub(crate) type Leadership = openraft::alias::LeaderIdOf<RaftTypes>;
/// Leader and index of an entry.
pub(crate) type LogId = LogIdOf<RaftTypes>;
/// A promise to a candidate or leader.
pub(crate) type Vote = VoteOf<RaftTypes>;
/// One entry of the log.
pub(crate) type Entry = EntryOf<RaftTypes>;
/// Voters and learners, with the entry that said so.
pub(crate) type StoredMembership = StoredMembershipOf<RaftTypes>;
/// What a snapshot covers.
pub(crate) type SnapshotMeta = SnapshotMetaOf<RaftTypes>;
/// A snapshot and its file.
pub(crate) type Snapshot = SnapshotOf<RaftTypes, SnapshotFile>;

/// A log entry as the leader stamped it. openraft prints entries; values must not be in there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Stamped(pub(crate) LogEntry);

impl fmt::Display for Stamped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proposed by {} at {}", self.0.proposer, self.0.at)
    }
}

/// A member of the group as the others reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Peer {
    /// `host:port` of its Raft port.
    pub(crate) raft_address: Name,
}
