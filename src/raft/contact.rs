//! `Contact`: when this node last had a sign of the leader.
//!
//! openraft keeps naming a leader that has gone silent until somebody campaigns; clients must be
//! steered away, and a leader's absence be counted, from the silence itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Signs of the leader, counted by the monotonic clock.
#[derive(Debug)]
pub(crate) struct Contact {
    started: Instant,
    /// Milliseconds after the start, plus one; zero for never.
    last_ms: AtomicU64,
}

impl Contact {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), last_ms: AtomicU64::new(0) }
    }

    /// There was a sign just now.
    pub(crate) fn sign(&self) {
        self.sign_before(Duration::ZERO);
    }

    /// There was a sign so long ago.
    pub(crate) fn sign_before(&self, ago: Duration) {
        let at = self.started.elapsed().saturating_sub(ago);
        let ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX - 1);
        self.last_ms.fetch_max(ms + 1, Ordering::Relaxed);
    }

    /// Since the last sign; `None` when there was none in this run.
    pub(crate) fn silent_for(&self) -> Option<Duration> {
        let last_ms = self.last_ms.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.started.elapsed().saturating_sub(Duration::from_millis(last_ms)))
    }

    /// Since the last sign, or since the start of this run.
    pub(crate) fn waiting_for(&self) -> Duration {
        self.silent_for().unwrap_or_else(|| self.started.elapsed())
    }
}
