//! `Failure`: why this node may not go on, said once.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The first reason counts.
#[derive(Debug)]
pub(crate) struct Failure {
    reason: watch::Sender<Option<Arc<str>>>,
    /// Ended by an orderly stop, after which Raft is expected to have stopped.
    stopping: CancellationToken,
}

impl Failure {
    pub(crate) fn new(stopping: CancellationToken) -> Self {
        Self { reason: watch::Sender::new(None), stopping }
    }

    /// Fires with the reason.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.reason.subscribe()
    }

    /// Something has ended that must not end by itself.
    pub(crate) fn raised(&self, error: &str) {
        if self.stopping.is_cancelled() {
            return;
        }
        self.reason.send_if_modified(|reason| {
            let first = reason.is_none();
            if first {
                tracing::error!(error, "this node must not go on");
                *reason = Some(Arc::from(error));
            }
            first
        });
    }
}
