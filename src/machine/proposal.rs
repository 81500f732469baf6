//! How a command travels: who sent it, how often, and what may have become of it.

use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::ids::{ClusterTime, NodeId};
use crate::outcome::Reply;

/// The accepting node's identity for one command, so that the same command can be proposed again after
/// a change of leader and still be applied once.
///
/// The machine keeps the reply of every sequence at or above `answered_below`, forgets those below,
/// refuses a sequence below it and every start count older than the newest it has seen of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The node that accepted the call.
    pub node: NodeId,
    /// How often that node's data directory was started.
    pub start: u64,
    /// Grows by one with every command of this start.
    pub sequence: u64,
    /// Every sequence below this one has been answered and will not be sent again.
    pub answered_below: u64,
}

/// One entry of the replicated log, as the leader stamped it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogEntry {
    /// Cluster time at the proposal; the machine takes the later of this and its own time.
    pub at: ClusterTime,
    /// The leader that proposed it; events of this entry are emitted by that node.
    pub proposer: NodeId,
    /// Absent for commands leaders propose for themselves, which may be applied twice without harm.
    pub origin: Option<Origin>,
    /// What to do.
    pub command: Command,
}

/// What one applied entry produced.
#[derive(Debug)]
pub struct Applied {
    /// The answer for whoever proposed it.
    pub reply: Reply,
    /// What listeners, waiting calls and the node itself must learn, in order.
    pub events: Vec<crate::event::Event>,
}
