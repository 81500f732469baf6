//! Tests of the whole: openraft's suite, kill and reopen, damage, snapshots. All on real files.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod damage;
mod durability;
mod snapshots;
mod store_suite;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;

use super::{EncodedEntry, FileLog, LogStore, Notice, SledLog, StorageError, StorageStats};

/// Opens one of the two logs.
pub(super) type Open = fn(&Path) -> Result<Arc<dyn LogStore>, StorageError>;

/// Both logs, by name.
pub(super) const LOGS: [(&str, Open); 2] = [("sled", open_sled), ("file", open_file)];

pub(super) fn open_sled(path: &Path) -> Result<Arc<dyn LogStore>, StorageError> {
    Ok(Arc::new(SledLog::open(path, Arc::new(StorageStats::default()))?))
}

pub(super) fn open_file(path: &Path) -> Result<Arc<dyn LogStore>, StorageError> {
    Ok(Arc::new(FileLog::open(path, Arc::new(StorageStats::default()))?))
}

/// An entry whose content tells its index.
pub(super) fn entry(index: u64, bytes: usize) -> EncodedEntry {
    let mut content = index.to_le_bytes().to_vec();
    let rest = (8..bytes.max(8)).map(|position| (position as u64 ^ index.wrapping_mul(31)) as u8);
    content.extend(rest);
    EncodedEntry { index, bytes: Bytes::from(content) }
}

/// Queues a write and waits until it is durable.
pub(super) fn durable(write: impl FnOnce(Notice)) -> Result<(), StorageError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    write(Box::new(move |result| sender.send(result).unwrap()));
    receiver.recv().unwrap()
}

/// Reads everything there is.
pub(super) fn all(log: &dyn LogStore) -> Result<Vec<EncodedEntry>, StorageError> {
    log.read(0..u64::MAX, usize::MAX)
}
