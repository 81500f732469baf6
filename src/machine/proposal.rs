//! How a command travels: who sent it, how often, and what may have become of it.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::command::Command;
use crate::event::Event;
use crate::ids::{ClusterTime, Name, NodeId};
use crate::outcome::{Rejection, Reply};

/// The accepting node's identity for one command, so that the same command can be proposed again
/// after a change of leader and still be applied once.
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
    pub events: Vec<Event>,
}

/// Why a command or query has no outcome, and whether it may have happened.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum SubmitError {
    /// It did not happen and every node agrees on why.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// It did not happen: nothing was proposed before the deadline. Asking again is safe.
    #[error("no leader could be reached before the deadline; nothing was proposed")]
    NotProposed,
    /// It did not happen: this node or the leader is over a limit (the configuration key is named).
    #[error("refused because of {limit}")]
    Overloaded {
        /// The configuration key of the limit.
        limit: Name,
    },
    /// It did not happen: this node is shutting down.
    #[error("this node is shutting down")]
    ShuttingDown,
    /// It may have happened: the outcome was still unknown at the deadline.
    #[error("the outcome was still unknown at the deadline")]
    Unknown,
}

/// What one applied entry made known, in log order.
#[derive(Clone, Debug)]
pub struct EventBatch {
    /// The entry's log index.
    pub index: u64,
    /// This node proposed the entry and has not seen a later leader: it emits to smart clients.
    pub emitter: bool,
    /// Entries were skipped by a snapshot before this batch (which then holds no events).
    pub gap: bool,
    /// What happened.
    pub events: Vec<Event>,
}
