//! The mark file: what the log must at least hold when it is opened again.
//!
//! sled drops a damaged tail without a word, and a flipped bit in acknowledged entries looks just
//! like a torn write of unacknowledged ones. The mark lies outside the log and remembers the vote
//! (synced with every change) and the last durable entry (at most a second old, exact after a clean
//! stop). It also counts the changes of all that is kept beside the entries (vote, purge mark,
//! committed mark, snapshot pointer), for which the same holds. It is lowered before the log is
//! truncated and raised after the log is durable, so an honest log is never behind it.

use std::path::{Path, PathBuf};

use super::error::{Damage, Place, StorageError};
use super::sealed::{Fields, Seal, put_string};

const SEAL: Seal = Seal { magic: *b"SKMARK\r\n", version: 1 };

/// The content of the mark file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// How often a value beside the entries was replaced; the log keeps each one's count with it.
    pub(super) changes: u64,
    /// The last vote.
    pub(super) vote: Vec<u8>,
    /// The last entry known to be durable.
    pub(super) last: Option<MarkedEntry>,
}

/// An entry by index and content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MarkedEntry {
    pub(super) index: u64,
    /// CRC32C of the encoded entry.
    pub(super) crc: u32,
}

/// The file.
#[derive(Debug, Clone)]
pub(super) struct MarkFile {
    path: PathBuf,
}

impl MarkFile {
    /// The mark of the log in this directory.
    pub(super) fn beside(directory: &Path) -> Self {
        Self { path: directory.join("mark") }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it; `None` if it was never written.
    pub(super) fn read(&self) -> Result<Option<Mark>, StorageError> {
        let Some(body) = SEAL.read(&self.path)? else { return Ok(None) };
        let undecodable = || StorageError::damaged(&self.path, Place::File, Damage::Undecodable);
        parse(&body).map(Some).ok_or_else(undecodable)
    }

    /// Replaces it, durably.
    pub(super) fn write(&self, mark: &Mark) -> Result<(), StorageError> {
        let mut body = Vec::with_capacity(32 + mark.vote.len());
        body.extend_from_slice(&mark.changes.to_le_bytes());
        put_string(&mut body, &mark.vote);
        if let Some(last) = &mark.last {
            body.extend_from_slice(&last.index.to_le_bytes());
            body.extend_from_slice(&last.crc.to_le_bytes());
        }
        SEAL.replace(&self.path, &body)
    }
}

// req: R-10
fn parse(body: &[u8]) -> Option<Mark> {
    let mut fields = Fields::new(body);
    let changes = fields.u64()?;
    let vote = fields.string()?.to_vec();
    let mut last = None;
    if !fields.is_empty() {
        last = Some(MarkedEntry { index: fields.u64()?, crc: fields.u32()? });
    }
    fields.is_empty().then_some(Mark { changes, vote, last })
}
