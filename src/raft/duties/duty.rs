//! One thing a leader does by itself.

use statekeeper_machine::{ClientUuid, Command, NodeId};

use crate::consensus::MembershipChange;

/// Something to do now; its result goes back with the id.
#[derive(Clone, Debug)]
pub(crate) struct Duty {
    /// Names it when its result is told.
    pub(crate) id: DutyId,
    /// What to do.
    pub(crate) deed: Deed,
}

/// What to do.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// Get this into the log, without an origin.
    Propose(Command),
    /// Change Raft's membership.
    ChangeMembership(MembershipChange),
}

/// Which duty; of each one at most one is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DutyId {
    /// End what is due.
    Expire,
    /// One batch of reads.
    Touches(u64),
    /// A node is described, listed, unlisted or forgotten: one of these at a time.
    Node(NodeId),
    /// A client's map locks are released.
    MapLocks(ClientUuid),
    /// A learner becomes a voter.
    Promotion,
    /// The record in the discovery map.
    CoordinatorRecord,
}
