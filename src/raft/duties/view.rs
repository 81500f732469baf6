//! What a leader sees at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use statekeeper_machine::{ClusterTime, Machine, NodeId};

/// The applied state, the clocks and the peers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DutyView<'a> {
    /// The state as applied on the leader.
    pub(crate) machine: &'a Machine,
    /// The monotonic clock.
    pub(crate) now: Instant,
    /// What the leader would stamp an entry with now.
    pub(crate) cluster_now: ClusterTime,
    /// Voters, of both configurations while the membership changes.
    pub(crate) voters: &'a BTreeSet<NodeId>,
    /// Learners.
    pub(crate) learners: &'a BTreeSet<NodeId>,
    /// What Raft knows of the others.
    pub(crate) peers: &'a BTreeMap<NodeId, PeerSight>,
    /// A change of the membership is under way, whoever asked for it.
    pub(crate) membership_changing: bool,
}

/// One peer, as replication sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PeerSight {
    /// Since its last answer; `None`: it never answered this leader.
    pub(crate) silent_for: Option<Duration>,
    /// Entries of the leader's log that it does not have yet; `None`: not known.
    pub(crate) lag_entries: Option<u64>,
}

impl DutyView<'_> {
    /// Whether Raft counts this node in.
    pub(crate) fn is_member(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.learners.contains(&node)
    }
}
