//! `Origins`: what each node's commands were answered, so that a command sent again is applied
//! once.
//!
//! Invariant: of each node one start count is current; of that start, every sequence at or above
//! `answered_below` that was applied is here with its reply. Of a call that waits this is `Waiting`
//! for ever: its lock keeps the answer, and this row keeps a late copy from being applied after
//! that.

use std::collections::BTreeMap;

use crate::accounting::{ROW_BYTES, reply_bytes};
use crate::ids::NodeId;
use crate::limits;
use crate::outcome::{Outcome, Rejection, Reply};
use crate::proposal::Origin;

/// What is known of one node's commands.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeOrigins {
    pub(crate) start: u64,
    pub(crate) answered_below: u64,
    pub(crate) replies: BTreeMap<u64, Reply>,
}

/// Remembered replies by node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    pub(crate) nodes: BTreeMap<NodeId, NodeOrigins>,
    bytes: u64,
}

impl Origins {
    /// Accounted bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What `bytes` must say.
    pub(crate) fn recount(&self) -> u64 {
        let replies = |node: &NodeOrigins| node.replies.values().map(reply_bytes).sum::<u64>();
        self.nodes.values().map(|node| ROW_BYTES + replies(node)).sum()
    }

    /// Counts bytes again, after a restore.
    pub(crate) fn rebuild(&mut self) {
        self.bytes = self.recount();
    }

    // req: R-13
    /// What a command with this origin must be answered without applying it.
    pub(crate) fn recall(&self, origin: &Origin) -> Option<Reply> {
        let node = self.nodes.get(&origin.node)?;
        if origin.start > node.start {
            return None;
        }
        if origin.start < node.start || origin.sequence < node.answered_below {
            return Some(Err(Rejection::StaleOrigin));
        }
        node.replies.get(&origin.sequence).cloned()
    }

    /// The remembered reply, if there is one; of a call that waits only its lock can tell.
    pub(crate) fn reply_of(&self, origin: &Origin) -> Option<&Reply> {
        let node = self.nodes.get(&origin.node).filter(|node| node.start == origin.start)?;
        node.replies.get(&origin.sequence).filter(|reply| **reply != Ok(Outcome::Waiting))
    }

    /// Takes note of a command that is about to be applied: a new start ends the old one's memory,
    /// and what the node has answered is forgotten.
    pub(crate) fn begin(&mut self, origin: &Origin) {
        let node = self.nodes.entry(origin.node).or_insert_with(|| {
            self.bytes += ROW_BYTES;
            NodeOrigins { start: origin.start, ..NodeOrigins::default() }
        });
        if origin.start > node.start {
            self.bytes -= node.replies.values().map(reply_bytes).sum::<u64>();
            *node = NodeOrigins { start: origin.start, ..NodeOrigins::default() };
        }
        // A node that claims more than the sequence it sends would refuse its own command.
        let answered_below = origin.answered_below.min(origin.sequence);
        node.answered_below = node.answered_below.max(answered_below);
        while let Some(first) = node.replies.first_entry()
            && *first.key() < node.answered_below
        {
            self.bytes -= reply_bytes(&first.remove());
        }
    }

    /// Remembers a reply.
    pub(crate) fn remember(&mut self, origin: &Origin, reply: &Reply) {
        let Some(node) = self.nodes.get_mut(&origin.node) else { return };
        if node.replies.len() >= limits::ORIGIN_REPLIES_MAX
            && let Some((oldest, forgotten)) = node.replies.pop_first()
        {
            self.bytes -= reply_bytes(&forgotten);
            node.answered_below = node.answered_below.max(oldest + 1);
        }
        if origin.sequence >= node.answered_below {
            self.bytes += reply_bytes(reply);
            if let Some(old) = node.replies.insert(origin.sequence, reply.clone()) {
                self.bytes -= reply_bytes(&old);
            }
        }
    }

    /// Forgets a node.
    pub(crate) fn forget(&mut self, node: NodeId) {
        if let Some(node) = self.nodes.remove(&node) {
            let replies: u64 = node.replies.values().map(reply_bytes).sum();
            self.bytes -= ROW_BYTES + replies;
        }
    }
}
