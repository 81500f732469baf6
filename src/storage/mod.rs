//! Everything durable: the Raft log, the vote, snapshots and the identity of the data directory.
//!
//! Invariant: what a notice has called durable is found again after any crash, or the node refuses
//! to start and names the damaged file. The only module that names sled. Not here: what entries
//! and snapshots mean (machine), and when to write them (raft).

mod adapter;
mod error;
mod file_frames;
mod file_log;
mod format;
mod founding;
mod identity;
mod limits;
mod log_store;
mod mark;
mod medium;
mod queued_log;
mod sealed;
mod sled_log;
mod sled_scan;
mod snapshot_format;
mod snapshot_store;
mod stats;
mod tail;
#[cfg(test)]
mod tests;

pub use adapter::{LogStoreAdapter, LogStoreReader};
pub use error::{Damage, Place, StorageError};
pub use file_log::FileLog;
pub use founding::{FoundingRecord, RecordedMember};
pub use identity::{DataDir, DataDirLook, FoundingPromise, Identity};
pub use log_store::{EncodedEntry, LogStore, Notice, PurgeMark, StoredState};
pub use sled_log::SledLog;
pub use snapshot_store::{
    SnapshotChunks, SnapshotFile, SnapshotHeader, SnapshotReader, SnapshotReceiver, SnapshotStore,
    SnapshotWriter,
};
pub use stats::StorageStats;

/// A named point at which a test may kill the process or inject a failure; nothing in a build
/// without the feature `failpoints`.
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        fail::fail_point!($name);
    };
}
use failpoint;
