//! `Roster`: what Raft knows of the other nodes: where they live, and, on a leader, what they have
//! on their disks.
//!
//! The latter is read when a node connects or is connected to: a log that ends before what its node
//! has acknowledged was lost, and a majority that counts on it would be none. The last second
//! before a crash is not covered when the leader is gone as well.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use openraft::async_runtime::WatchReceiver;
use parking_lot::Mutex;
use statekeeper_machine::{Name, NodeId};

use super::type_config::{LogId, RaftGroup, Vote};

/// The others, as Raft knows them.
#[derive(Default)]
pub(crate) struct Roster {
    raft: OnceLock<RaftGroup>,
    believed: Mutex<Believed>,
}

/// By node, the process whose log was found whole.
///
/// It is asked once. What a process says of its log is old when it arrives, and what it has
/// acknowledged meanwhile may be known already; but it acknowledges nothing before it was asked,
/// and a log does not shrink under a process that runs.
#[derive(Default)]
struct Believed(BTreeMap<NodeId, u64>);

impl Believed {
    /// What was lost, as `lost` finds, unless this process has been found whole.
    fn judge(
        &mut self,
        node: NodeId,
        incarnation: u64,
        lost: impl FnOnce() -> Option<u64>,
    ) -> Option<u64> {
        if self.0.get(&node) == Some(&incarnation) {
            return None;
        }
        let lost = lost();
        if lost.is_none() {
            self.0.insert(node, incarnation);
        }
        lost
    }
}

impl Roster {
    /// From now on there is something to know.
    pub(crate) fn follow(&self, raft: RaftGroup) {
        // Set once, at the start; a second time would be the same handle.
        drop(self.raft.set(raft));
    }

    /// Where a node lives, by the newest membership. openraft goes on with the address that a node
    /// had when replication to it began.
    pub(crate) fn address(&self, node: NodeId) -> Option<Name> {
        let metrics = self.raft.get()?.server_metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.get_node(&node.0).map(|peer| peer.raft_address.clone())
    }

    /// The highest acknowledged index, if a process of a node that begins with such a newest entry
    /// has lost it.
    ///
    /// A node that has voted for a later leader may have cut its log by that leader's order: then
    /// it is this node whose knowledge is old.
    pub(crate) fn lost(
        &self,
        node: NodeId,
        incarnation: u64,
        last: Option<LogId>,
        vote: Option<Vote>,
    ) -> Option<u64> {
        self.believed.lock().judge(node, incarnation, || self.lacks(node, last, vote))
    }

    fn lacks(&self, node: NodeId, last: Option<LogId>, vote: Option<Vote>) -> Option<u64> {
        let metrics = self.raft.get()?.metrics().borrow_watched().clone();
        let replication: BTreeMap<_, _> = metrics.replication?;
        let known: LogId = (*replication.get(&node.0)?)?;
        if vote.is_some_and(|vote| vote.leader_id() > metrics.vote.leader_id()) {
            return None;
        }
        (last < Some(known)).then_some(known.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_was_found_whole_is_not_accused_by_what_it_acknowledged_since() {
        let (mut believed, node) = (Believed::default(), NodeId(7));
        assert_eq!(believed.judge(node, 1, || None), None);
        // Its hello was on the way while its answer to an append arrived by another connection.
        assert_eq!(believed.judge(node, 1, || Some(20)), None);
        // Another process on the same data, with less than the one before.
        assert_eq!(believed.judge(node, 2, || Some(20)), Some(20));
        assert_eq!(believed.judge(node, 2, || Some(20)), Some(20));
        assert_eq!(believed.judge(node, 3, || None), None);
        assert_eq!(believed.judge(NodeId(8), 3, || Some(5)), Some(5));
    }
}
