//! `Pace`: keeps snapshots from taking the disk or the line for themselves.

use std::time::{Duration, Instant};

use super::limits::SNAPSHOT_BYTES_PER_SECOND;

/// Pauses shorter than this are saved up.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// Counts bytes and says when to pause.
#[derive(Debug)]
pub(crate) struct Pace {
    begun: Instant,
    bytes: u64,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), bytes: 0 }
    }

    /// So many bytes went through; the pause to make before more.
    pub(crate) fn after(&mut self, bytes: usize) -> Option<Duration> {
        self.bytes += bytes as u64;
        let due = Duration::from_millis(self.bytes * 1000 / SNAPSHOT_BYTES_PER_SECOND);
        let pause = due.saturating_sub(self.begun.elapsed());
        (pause >= PAUSE_MIN).then_some(pause)
    }
}
