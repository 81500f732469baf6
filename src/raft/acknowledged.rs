//! `Acknowledged`: what this leader knows its followers to have on their disks.
//!
//! It is read when a node connects or is connected to: a log that ends before what its node has
//! acknowledged was lost, and a majority that counts on it would be none. The last second before a
//! crash is not covered when the leader is gone as well.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use openraft::async_runtime::WatchReceiver;
use statekeeper_machine::NodeId;

use super::type_config::{LogId, RaftGroup, Vote};

/// The acknowledgements of the others, while this node leads.
#[derive(Default)]
pub(crate) struct Acknowledged {
    raft: OnceLock<RaftGroup>,
}

impl Acknowledged {
    /// From now on there is something to know.
    pub(crate) fn follow(&self, raft: RaftGroup) {
        // Set once, at the start; a second time would be the same handle.
        drop(self.raft.set(raft));
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
