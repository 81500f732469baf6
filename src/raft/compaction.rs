//! Compaction: bounds the log by bytes.
//!
//! A snapshot is built when the applied log since the last one exceeds `raft.snapshot-log-bytes`.
//! Only when it is durable the log before it goes, except for a part kept for followers that lag a
//! little: a snapshot for each of them would cost more.

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use tokio_util::sync::CancellationToken;

use super::applied::AppliedState;
use super::type_config::RaftGroup;

/// How often to look; the log can outgrow its bound by what is applied meanwhile.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// The part of the bound that is kept for laggards.
const KEPT_PART: u64 = 4;

/// The task that compacts.
pub(crate) struct Compaction {
    pub(crate) raft: RaftGroup,
    pub(crate) applied: Arc<AppliedState>,
    pub(crate) log_bytes_max: u64,
}

impl Compaction {
    /// Compacts until the token ends.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut asked_at = None;
        let mut purge_asked = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => {}
            }
            let (snapshot, purged_index) = {
                let metrics = self.raft.metrics().borrow_watched().clone();
                (metrics.snapshot.map(|id| id.index), metrics.purged.map(|id| id.index))
            };
            let snapshot_index = snapshot.unwrap_or(0);
            // One request for each snapshot: it is under way until the metrics show a newer one.
            let asked = asked_at == Some(snapshot);
            if !asked && self.applied.log_bytes_after(snapshot_index) > self.log_bytes_max {
                tracing::info!(
                    applied = self.applied.index(),
                    "the log is long, a snapshot is due"
                );
                asked_at = Some(snapshot);
                if self.raft.trigger().snapshot().await.is_err() {
                    return;
                }
            }
            let kept = self.log_bytes_max / KEPT_PART;
            let upto = self.applied.index_bytes_before(snapshot_index, kept);
            // openraft puts a purge off while it sends a follower what is to go, for ever where
            // that follower is dead. It looks again only when it is asked for more than before.
            let Some(upto) = upto.filter(|upto| Some(*upto) > purged_index) else { continue };
            let upto = upto.max(purge_asked + 1).min(snapshot_index);
            purge_asked = upto;
            if self.raft.trigger().purge_log(upto).await.is_err() {
                return;
            }
            self.applied.forget_size(upto);
        }
    }
}
