//! `Roster`: what Raft knows of the other nodes: where they live, and, on a leader, what they have
//! on their disks.
//!
//! The latter is read when a node connects or is connected to: a log that ends before what its node
//! has acknowledged was lost, and a majority that counts on it would be none. The last second
//! before a crash is not covered when the leader is gone as well.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use openraft::async_runtime::WatchReceiver;
use statekeeper_machine::{Name, NodeId};

use super::type_config::{LogId, RaftGroup, Vote};

/// The others, as Raft knows them.
#[derive(Default)]
pub(crate) struct Roster {
    raft: OnceLock<RaftGroup>,
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

    /// The highest acknowledged index, if a node with such a newest entry has lost it.
    ///
    /// A node that has voted for a later leader may have cut its log by that leader's order: then
    /// it is this node whose knowledge is old.
    pub(crate) fn lost(
        &self,
        node: NodeId,
        last: Option<LogId>,
        vote: Option<Vote>,
    ) -> Option<u64> {
        let metrics = self.raft.get()?.metrics().borrow_watched().clone();
        let replication: BTreeMap<_, _> = metrics.replication?;
        let known: LogId = (*replication.get(&node.0)?)?;
        if vote.is_some_and(|vote| vote.leader_id() > metrics.vote.leader_id()) {
            return None;
        }
        (last < Some(known)).then_some(known.index)
    }
}
