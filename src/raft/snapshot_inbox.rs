//! `SnapshotInbox`: a snapshot on its way in, over one connection.
//!
//! A chunk is written where the last one ended or the transfer is over. Nothing is installed before
//! length, checksum and every block are checked.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::message::{Response, SnapshotBegin};
use super::runtime;
use super::type_config::{RaftGroup, Snapshot};
use crate::storage::{SnapshotReceiver, SnapshotStore, StorageError};

/// At most one snapshot on its way.
#[derive(Debug, Default)]
pub(crate) struct SnapshotInbox {
    transfer: Mutex<Option<Transfer>>,
}

#[derive(Debug)]
struct Transfer {
    begin: SnapshotBegin,
    receiver: SnapshotReceiver,
}

impl SnapshotInbox {
    /// Begins a transfer; one that was under way on this connection is given up.
    pub(crate) async fn begin(
        self: Arc<Self>,
        snapshots: Arc<SnapshotStore>,
        begin: SnapshotBegin,
    ) -> Response {
        tracing::info!(bytes = begin.bytes, "snapshot comes from the leader");
        let open = move || snapshots.receiver();
        match blocking(open).await {
            Ok(receiver) => {
                *self.transfer.lock() = Some(Transfer { begin, receiver });
                Response::SnapshotReceived { bytes: 0 }
            }
            Err(reason) => Response::Failed(reason),
        }
    }

    /// Writes the next chunk.
    pub(crate) async fn chunk(self: Arc<Self>, offset: u64, bytes: Bytes) -> Response {
        let Some(mut transfer) = self.transfer.lock().take() else { return nothing() };
        let write = move || {
            transfer.receiver.write_chunk(offset, &bytes)?;
            Ok(transfer)
        };
        match blocking(write).await {
            Ok(transfer) => {
                let bytes = transfer.receiver.received();
                *self.transfer.lock() = Some(transfer);
                Response::SnapshotReceived { bytes }
            }
            Err(reason) => Response::Failed(reason),
        }
    }

    /// Checks the whole and installs it.
    pub(crate) async fn end(self: Arc<Self>, raft: &RaftGroup) -> Response {
        let Some(Transfer { begin, receiver }) = self.transfer.lock().take() else {
            return nothing();
        };
        let finish = move || {
            let file = receiver.finish(begin.bytes, begin.checksum)?;
            Ok((begin, file))
        };
        let (SnapshotBegin { vote, meta, .. }, file) = match blocking(finish).await {
            Ok(finished) => finished,
            Err(reason) => return Response::Failed(reason),
        };
        match postcard::to_stdvec(&meta) {
            Ok(encoded) if encoded == file.header().meta => {}
            Ok(_) | Err(_) => {
                return Response::Failed("the snapshot is not the one announced".to_owned());
            }
        }
        match raft.install_full_snapshot(vote, Snapshot { meta, snapshot: file }).await {
            Ok(response) => Response::SnapshotInstalled(response),
            Err(error) => Response::Failed(error.to_string()),
        }
    }
}

fn nothing() -> Response {
    Response::Failed("no snapshot is on its way".to_owned())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, String> {
    match runtime::blocking(work).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}
