//! Watches the disk under the data directory: room that runs short, and writes that hang.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::consensus::{Consensus, Role};
use crate::raft::RaftNode;
use crate::storage::StorageStats;

/// How often the disk is looked at. A disk that fills at 1 GB/s is seen before the default of
/// `storage.disk-free-min` is used up.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a look waits for the system; a disk that hangs answers nobody.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(200);

/// What is watched.
pub(super) struct DiskWatch {
    pub(super) raft: Arc<RaftNode>,
    pub(super) stats: Arc<StorageStats>,
    pub(super) data_dir: PathBuf,
    /// `storage.disk-free-min`.
    pub(super) free_bytes_min: u64,
    /// `raft.disk-stall-step-down`.
    pub(super) stall_max: Duration,
}

impl DiskWatch {
    /// Looks until the token ends.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut room = Room { free_bytes_min: self.free_bytes_min, is_short: false };
        let mut asked: Option<JoinHandle<Result<u64, Errno>>> = None;
        let mut has_stepped_down = false;
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => {}
            }
            // One question at a time, however long the disk takes to answer.
            let answer = asked.get_or_insert_with(|| {
                let path = self.data_dir.clone();
                tokio::task::spawn_blocking(move || free_bytes(&path))
            });
            if let Ok(answered) = tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
                asked = None;
                match answered {
                    Ok(Ok(free)) => self.judge(&mut room, free),
                    Ok(Err(error)) => tracing::warn!(%error, "free space cannot be asked"),
                    Err(_) => return,
                }
            }
            let hangs = self.stats.writing_for().is_some_and(|busy| busy >= self.stall_max);
            if hangs && !has_stepped_down && self.raft.status().borrow().role == Role::Leader {
                tracing::warn!("raft.disk-stall-step-down: a write of the log hangs");
                self.raft.step_down().await;
            }
            has_stepped_down = hangs;
        }
    }

    fn judge(&self, room: &mut Room, free: u64) {
        let Some(is_short) = room.judge(free) else { return };
        self.raft.set_disk_short(is_short);
        if is_short {
            let (path, min) = (self.data_dir.display(), self.free_bytes_min);
            tracing::warn!(%path, free, min, "storage.disk-free-min: new data is refused");
        } else {
            tracing::info!(free, "there is room on the disk again");
        }
    }
}

/// Bytes that the process may still write.
pub fn free_bytes(path: &Path) -> Result<u64, Errno> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Whether there is room, with a tenth between short and enough, so that it does not flap.
struct Room {
    free_bytes_min: u64,
    is_short: bool,
}

impl Room {
    /// What changes with so many bytes free.
    fn judge(&mut self, free: u64) -> Option<bool> {
        let enough = self.free_bytes_min.saturating_add(self.free_bytes_min / 10);
        let is_short = if self.is_short { free < enough } else { free < self.free_bytes_min };
        let changes = is_short != self.is_short;
        self.is_short = is_short;
        changes.then_some(is_short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_short_below_the_minimum_until_a_tenth_above_it() {
        let mut room = Room { free_bytes_min: 1000, is_short: false };
        let judged = [1000, 999, 1000, 1099, 1100, 999].map(|free| room.judge(free));
        assert_eq!(judged, [None, Some(true), None, None, Some(false), Some(true)]);
    }

    #[test]
    fn a_minimum_of_nothing_is_never_reached() {
        assert_eq!(Room { free_bytes_min: 0, is_short: false }.judge(0), None);
    }

    #[test]
    fn the_system_knows_the_free_bytes() {
        assert!(free_bytes(Path::new("/")).is_ok());
        assert!(free_bytes(Path::new("/no/such/folder")).is_err());
    }
}
