//! What keeps a node from starting, founding or joining.

use std::sync::Arc;

use statekeeper_machine::SubmitError;
use thiserror::Error;

use crate::storage::StorageError;

/// Why a node cannot take part in Raft.
#[derive(Clone, Debug, Error)]
pub enum RaftError {
    /// The data directory, log or snapshot.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The timers contradict each other.
    #[error("raft settings are refused: {reason}")]
    Settings {
        /// What does not fit.
        reason: String,
    },
    /// openraft stopped.
    #[error("raft stopped: {reason}")]
    Stopped {
        /// Why.
        reason: Arc<str>,
    },
    /// A small file of the data directory.
    #[error("could not {action} {path}")]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: String,
        /// The operating system's answer.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The listener of the Raft port does not work.
    #[error("the raft port does not listen")]
    Listener(#[source] Arc<std::io::Error>),
    /// The directory holds another cluster's data.
    #[error("node {node} is no part of the founding it was told to do")]
    NotAMember {
        /// This node.
        node: u64,
    },
    /// The first command did not get through.
    #[error("the founding could not be written to the log")]
    Founding(#[source] SubmitError),
    /// A node that knows the cluster said no.
    #[error("the cluster refuses this node: {reason}")]
    JoinRefused {
        /// Its words.
        reason: String,
    },
}
