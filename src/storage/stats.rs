//! Counters of the durable layer, plain atomics for whoever exports them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Counters and gauges of one log store and its snapshot directory.
#[derive(Debug, Default)]
pub struct StorageStats {
    /// Groups made durable.
    pub flushes: AtomicU64,
    /// Time spent in all flushes, in microseconds.
    pub flush_us_sum: AtomicU64,
    /// Time of the last flush, in microseconds.
    pub flush_us_last: AtomicU64,
    /// Time of the longest flush, in microseconds.
    pub flush_us_max: AtomicU64,
    /// Entries appended since the start.
    pub appended_entries: AtomicU64,
    /// Bytes of entries appended since the start.
    pub appended_bytes: AtomicU64,
    /// Bytes of entries in the log now, purged ones that still wait for removal included.
    pub log_bytes: AtomicU64,
    /// Bytes in sled's side files, which must stay 0.
    pub blobs_bytes: AtomicU64,
    /// Snapshots made durable since the start.
    pub snapshots: AtomicU64,
    /// Bytes of the newest snapshot file.
    pub snapshot_bytes: AtomicU64,
    /// When the group that is being written began.
    writing: Mutex<Option<Instant>>,
    /// `log.slow-flush` in microseconds; 0: nobody wants to know.
    slow_flush_us: AtomicU64,
}

impl StorageStats {
    /// For how long the log has been busy with one group; none when it is idle. Grows while the
    /// disk hangs.
    pub fn writing_for(&self) -> Option<Duration> {
        self.writing.lock().map(|since| since.elapsed())
    }

    /// A flush that takes so long is logged.
    pub fn set_slow_flush(&self, slow: Duration) {
        let us = u64::try_from(slow.as_micros()).unwrap_or(u64::MAX);
        self.slow_flush_us.store(us, Ordering::Relaxed);
    }

    /// A group begins or ends to be written.
    pub(crate) fn set_writing(&self, writing: bool) {
        *self.writing.lock() = writing.then(Instant::now);
    }

    /// Counts one flush.
    pub(crate) fn count_flush(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.flushes.fetch_add(1, Ordering::Relaxed);
        self.flush_us_sum.fetch_add(us, Ordering::Relaxed);
        self.flush_us_last.store(us, Ordering::Relaxed);
        self.flush_us_max.fetch_max(us, Ordering::Relaxed);
        let slow_us = self.slow_flush_us.load(Ordering::Relaxed);
        if slow_us > 0 && us >= slow_us {
            tracing::warn!(ms = us / 1000, "log.slow-flush: the disk took long");
        }
    }

    /// Counts appended entries.
    pub(crate) fn count_append(&self, entries: u64, bytes: u64) {
        self.appended_entries.fetch_add(entries, Ordering::Relaxed);
        self.appended_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}
