//! The port `LogStore`: what the Raft log needs from a disk, in our own words.
//!
//! Everything is opaque bytes here; openraft's types are known to the adapter alone. Writes are
//! queued in call order and answered by a notice once durable; nobody waits inside a call. What a
//! store keeps besides the entries (vote, committed mark, purge mark, snapshot pointer) travels in
//! the same queue, because Raft needs one order over all of it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::error::StorageError;
use super::stats::StorageStats;

/// Called exactly once, on the writer's thread, when the write is durable or has failed.
/// Notices are called in the order in which the writes were queued.
pub type Notice = Box<dyn FnOnce(Result<(), StorageError>) + Send>;

/// One log entry in its durable form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedEntry {
    /// The log index.
    pub index: u64,
    /// The entry's bytes, opaque to the store.
    pub bytes: Bytes,
}

/// How far the log is purged: an index, and the log id in its encoded form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeMark {
    /// All entries up to and including this index are gone.
    pub index: u64,
    /// The log id at that index, opaque to the store.
    pub log_id: Vec<u8>,
}

/// What a store found when it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredState {
    /// The purge mark, if the log was ever purged.
    pub purged: Option<PurgeMark>,
    /// The indexes of the entries present, `start..end`; empty when there are none.
    pub entries: Range<u64>,
    /// The last saved vote.
    pub vote: Option<Vec<u8>>,
    /// The last saved committed mark.
    pub committed: Option<Vec<u8>>,
    /// The last saved snapshot pointer.
    pub snapshot_pointer: Option<Vec<u8>>,
}

/// A durable Raft log.
///
/// All `&self` methods that write only queue. `read` may touch the disk and blocks.
pub trait LogStore: Send + Sync + 'static {
    /// What was found at the opening; it does not follow later writes.
    fn recovered(&self) -> &StoredState;

    /// Appends entries; the first one follows the last entry of the log.
    fn append(&self, entries: Vec<EncodedEntry>, notice: Notice);

    /// Removes every entry after `last_kept`; `None` removes all.
    fn truncate_after(&self, last_kept: Option<u64>, notice: Notice);

    /// Forgets every entry up to the mark. The caller has made the covering snapshot durable.
    fn purge(&self, mark: PurgeMark, notice: Notice);

    /// Saves the vote.
    fn save_vote(&self, vote: Vec<u8>, notice: Notice);

    /// Remembers the committed mark; it becomes durable with the next group that is synced.
    fn save_committed(&self, committed: Vec<u8>);

    /// Saves the pointer to the newest snapshot file.
    fn save_snapshot_pointer(&self, pointer: Vec<u8>, notice: Notice);

    /// Reads the entries of a range that have been made durable, in order and without a hole, up
    /// to about `bytes_max` (at least one entry if there is any). Entries before the first one
    /// present are left out. Blocks on the disk. A log that is cut at either end meanwhile may give
    /// an error or entries of two logs: the caller, who cuts it, knows and reads again.
    fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<EncodedEntry>, StorageError>;

    /// The counters of this store.
    fn stats(&self) -> &Arc<StorageStats>;

    /// Makes everything queued durable, writes an exact mark and stops the writer. Blocks. Later
    /// writes are answered with an error.
    fn close(&self) -> Result<(), StorageError>;
}
