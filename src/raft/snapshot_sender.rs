//! Sends a snapshot file to a follower, in chunks at offsets, at a measured pace, on a connection
//! of its own.

use std::time::Duration;

use openraft::raft::SnapshotResponse;
use statekeeper_machine::NodeId;

use super::limits::SNAPSHOT_CHUNK_BYTES;
use super::link::{Link, LinkError};
use super::links::Links;
use super::message::{Purpose, Request, Response, SnapshotBegin};
use super::pace::Pace;
use super::runtime::blocking;
use super::type_config::{RaftTypes, Snapshot, Vote};

/// How long the installation may take on top of a call's deadline: so many bytes a second are read,
/// checked and turned into a state even on a slow machine.
const INSTALL_BYTES_PER_SECOND: u64 = 8 * 1024 * 1024;

/// Who gets it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SnapshotTarget<'a> {
    pub(crate) node: NodeId,
    pub(crate) address: &'a str,
}

/// Sends a snapshot and waits until it is installed. Each call has the deadline; the last one has
/// more, by the snapshot's size.
pub(crate) async fn send(
    links: &Links,
    target: SnapshotTarget<'_>,
    vote: Vote,
    snapshot: Snapshot,
    within: Duration,
) -> Result<SnapshotResponse<RaftTypes>, LinkError> {
    let link = links.get(target.node, target.address, Purpose::Snapshot, within).await?;
    let file = snapshot.snapshot;
    let bytes = file.bytes();
    let (meta, checksum) = (snapshot.meta, file.checksum());
    tracing::info!(node = %target.node, bytes, "snapshot goes to a follower");
    let begin = Request::SnapshotBegin(SnapshotBegin { vote, meta, bytes, checksum });
    expect_received(link.call(begin, within).await?, 0)?;
    // A file that cannot be read is no reason to stop replicating to others: try again, and the
    // storage says what is wrong when it is asked for it next.
    let chunks = std::sync::Arc::new(file.chunks().map_err(|_| LinkError::Lost)?);
    let mut pace = Pace::new();
    let mut offset = 0;
    while offset < bytes {
        let reader = chunks.clone();
        let read = move || reader.read(offset, SNAPSHOT_CHUNK_BYTES);
        let chunk = blocking(read).await.map_err(|_| LinkError::Lost)?;
        let chunk = chunk.map_err(|_| LinkError::Lost)?;
        let length = chunk.len();
        let request = Request::SnapshotChunk { offset, bytes: chunk.into() };
        offset += length as u64;
        expect_received(link.call(request, within).await?, offset)?;
        if let Some(pause) = pace.after(length) {
            tokio::time::sleep(pause).await;
        }
    }
    finish(&link, within + Duration::from_secs(bytes / INSTALL_BYTES_PER_SECOND)).await
}

async fn finish(link: &Link, within: Duration) -> Result<SnapshotResponse<RaftTypes>, LinkError> {
    match link.call(Request::SnapshotEnd, within).await? {
        Response::SnapshotInstalled(response) => Ok(response),
        other => Err(refused(&other)),
    }
}

fn expect_received(response: Response, expected: u64) -> Result<(), LinkError> {
    match response {
        Response::SnapshotReceived { bytes } if bytes == expected => Ok(()),
        other => Err(refused(&other)),
    }
}

fn refused(response: &Response) -> LinkError {
    if let Response::Failed(reason) = response {
        tracing::warn!(reason, "a follower does not take a snapshot");
    }
    LinkError::Lost
}
