//! What differs between the two logs: how bytes come to lie on a disk and are found again.
//!
//! The queue, the groups, the mark and the order of notices are the same for both and live in
//! `queued_log`. All methods block; the writing ones are called by one thread at a time.

use std::ops::Range;
use std::path::Path;

use super::error::StorageError;
use super::log_store::{EncodedEntry, PurgeMark};
use super::mark::MarkedEntry;

/// A value that is kept beside the entries and replaced whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meta {
    /// The vote.
    Vote,
    /// The committed mark.
    Committed,
    /// The pointer to the newest snapshot file.
    SnapshotPointer,
}

/// What a medium found when it was opened, after it has read and checked every record.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) purged: Option<PurgeMark>,
    pub(super) entries: Range<u64>,
    /// The highest count of changes that any value carries.
    pub(super) changes: u64,
    pub(super) vote: Option<Vec<u8>>,
    pub(super) committed: Option<Vec<u8>>,
    pub(super) snapshot_pointer: Option<Vec<u8>>,
    /// The last entry.
    pub(super) last: Option<MarkedEntry>,
    /// The entry at the index that the caller asked about, if it is there.
    pub(super) marked: Option<MarkedEntry>,
}

impl Found {
    /// The index after the last one that the log ever reached.
    pub(super) fn next_index(&self) -> u64 {
        let purged = self.purged.as_ref().map_or(0, |mark| mark.index + 1);
        if self.entries.is_empty() { purged } else { self.entries.end }
    }

    /// Whether nothing was ever written.
    pub(super) fn is_new(&self) -> bool {
        self.purged.is_none() && self.entries.is_empty() && self.vote.is_none()
    }
}

/// A durable place for a log.
pub(super) trait LogMedium: Send + Sync + 'static {
    /// The directory, for messages.
    fn path(&self) -> &Path;

    /// Writes entries that follow the last one.
    fn append(&self, entries: &[EncodedEntry]) -> Result<(), StorageError>;

    /// Removes entries from the end.
    fn truncate_after(&self, last_kept: Option<u64>) -> Result<(), StorageError>;

    /// Writes the purge mark, with the count of changes; removes nothing yet.
    fn mark_purged(&self, change: u64, mark: &PurgeMark) -> Result<(), StorageError>;

    /// Removes a step's worth of what lies under the purge mark. True: more is left.
    fn remove_purged(&self) -> Result<bool, StorageError>;

    /// Replaces a value, with the count of changes.
    fn put(&self, meta: Meta, change: u64, value: &[u8]) -> Result<(), StorageError>;

    /// Makes everything written so far durable.
    fn sync(&self) -> Result<(), StorageError>;

    /// Called about once a second while there is work, after a mark was written.
    fn inspect(&self) -> Result<(), StorageError>;

    /// See `LogStore::read`.
    fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<EncodedEntry>, StorageError>;
}
