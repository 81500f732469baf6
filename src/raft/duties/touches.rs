//! `Touches`: reads of keys whose idle time or read count matters, on their way into the log.
//!
//! Invariant: a read that was collected is in a batch that was handed out before any later
//! `Expire`, or was dropped at the limit and counted. A batch that was refused is collected again;
//! one without a result may have been applied and is let go.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use statekeeper_machine::{Blob, ClusterCommand, Name, Touch};

use super::duty::DutyId;
use super::round::Round;

/// A read waits at most this long for others to share its entry.
const WAIT_MAX: Duration = Duration::from_millis(200);
/// Rows of one entry: applied in well under a millisecond.
const BATCH_ROWS_MAX: usize = 1_000;
/// Bytes of one entry, so that long keys do not hold up what is behind them.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Keys collected here: all of the largest built-in map that counts reads. One more is dropped,
/// which may end its record early or rank it too low for eviction, and loses no write.
const KEYS_MAX: usize = 10_000;
/// Bytes of keys and names collected here.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// Batches without a result, above which only `Expire` calls for more: the log is slow, and reads
/// of the same keys merge meanwhile.
const BATCHES_UNDER_WAY_MAX: usize = 4;
/// Batches are kept for this long to be collected again.
const KEPT: Duration = Duration::from_secs(5);
/// Rest after a refused batch.
const REST: Duration = Duration::from_millis(100);

/// Collected reads.
#[derive(Debug, Default)]
pub(super) struct Touches {
    waiting: BTreeMap<(Name, Blob), Row>,
    waiting_bytes: usize,
    waiting_since: Option<Instant>,
    under_way: BTreeMap<u64, Batch>,
    /// Never starts anew, so that a late result of an earlier term finds nothing.
    next_batch: u64,
    resting_until: Option<Instant>,
    dropped: u64,
}

#[derive(Debug)]
struct Row {
    at: statekeeper_machine::ClusterTime,
    reads: u32,
}

#[derive(Debug)]
struct Batch {
    left_at: Instant,
    touches: Vec<Touch>,
}

impl Touches {
    /// Forgets all reads of an earlier term.
    pub(super) fn forget(&mut self) {
        *self = Self { next_batch: self.next_batch, dropped: self.dropped, ..Self::default() };
    }

    /// Merges reads with those of the same keys.
    pub(super) fn collect(&mut self, now: Instant, touches: Vec<Touch>) {
        for Touch { map, key, at, reads } in touches {
            let bytes = map.len() + key.len();
            let key = (map, key);
            if let Some(row) = self.waiting.get_mut(&key) {
                row.at = row.at.max(at);
                row.reads = row.reads.saturating_add(reads);
            } else if self.waiting.len() < KEYS_MAX && self.waiting_bytes + bytes <= BYTES_MAX {
                self.waiting_bytes += bytes;
                self.waiting.insert((key.0, key.1.detached()), Row { at, reads });
            } else {
                self.dropped = self.dropped.saturating_add(u64::from(reads));
            }
        }
        if !self.waiting.is_empty() {
            self.waiting_since.get_or_insert(now);
        }
    }

    /// Reads dropped at the limit.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes in the result of a batch.
    pub(super) fn done(&mut self, now: Instant, batch: u64, applied: bool) {
        let Some(batch) = self.under_way.remove(&batch) else { return };
        if !applied {
            self.resting_until = Some(now + REST);
            self.collect(now, batch.touches);
        }
    }

    /// When a batch is due.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let due = self.waiting_since? + WAIT_MAX;
        Some(self.resting_until.map_or(due, |until| until.max(due)))
    }

    /// Hands out batches that are full, or all when the oldest read has waited for long enough.
    pub(super) fn flush_due(&mut self, round: &mut Round<'_>) {
        let now = round.view.now;
        self.under_way.retain(|_, batch| now.saturating_duration_since(batch.left_at) < KEPT);
        let full = self.waiting.len() >= BATCH_ROWS_MAX || self.waiting_bytes >= BATCH_BYTES_MAX;
        let due = self.waiting_since.is_some_and(|since| since + WAIT_MAX <= now);
        if (full || due) && self.under_way.len() < BATCHES_UNDER_WAY_MAX {
            self.flush_all(round);
        }
    }

    /// Hands out everything; answers whether nothing is left here.
    pub(super) fn flush_all(&mut self, round: &mut Round<'_>) -> bool {
        if self.resting_until.is_some_and(|until| until > round.view.now) {
            return self.waiting.is_empty();
        }
        self.resting_until = None;
        self.waiting_since = None;
        self.waiting_bytes = 0;
        let mut rows = std::mem::take(&mut self.waiting).into_iter().peekable();
        while rows.peek().is_some() {
            let mut bytes = 0;
            let mut touches = Vec::new();
            while touches.len() < BATCH_ROWS_MAX
                && bytes < BATCH_BYTES_MAX
                && let Some(((map, key), Row { at, reads })) = rows.next()
            {
                if round.view.machine.wants_touches(&map) {
                    bytes += map.len() + key.len();
                    touches.push(Touch { map, key, at, reads });
                }
            }
            if !touches.is_empty() {
                self.hand_out(round, touches);
            }
        }
        true
    }

    fn hand_out(&mut self, round: &mut Round<'_>, touches: Vec<Touch>) {
        let number = self.next_batch;
        self.next_batch += 1;
        let batch = Batch { left_at: round.view.now, touches: touches.clone() };
        self.under_way.insert(number, batch);
        round.propose(DutyId::Touches(number), ClusterCommand::Touch { touches });
    }
}

#[cfg(test)]
mod tests {
    use super::super::duty::{Deed, Duty, DutyId};
    use super::super::trial::Trial;
    use statekeeper_machine::{ClusterCommand, Command, Eviction, MapSettings, Touch};

    fn counted() -> MapSettings {
        MapSettings { max_entries: 100_000, eviction: Eviction::Lfu, ..MapSettings::default() }
    }

    fn rows(duty: &Duty) -> Option<&Vec<Touch>> {
        match &duty.deed {
            Deed::Propose(Command::Cluster(ClusterCommand::Touch { touches })) => Some(touches),
            _ => None,
        }
    }

    fn batches(trial: &Trial) -> Vec<Vec<Touch>> {
        trial.handed.iter().filter_map(|(_, duty)| rows(duty)).cloned().collect()
    }

    #[test]
    fn reads_of_one_key_become_one_row_with_the_latest_time_and_the_sum() {
        let mut trial = Trial::new(1);
        trial.configure("m", counted());
        trial.put("m", "k", 0);
        for _ in 0..3 {
            trial.pass_ms(10);
            trial.read("m", "k");
        }
        let last = trial.cluster_now();
        trial.run_ms(150);
        assert_eq!(batches(&trial).len(), 0, "they wait for others");
        trial.run_ms(100);
        let batches = batches(&trial);
        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].len(), 1);
        assert_eq!((batches[0][0].at, batches[0][0].reads), (last, 3));
        assert_eq!(trial.hits("m", "k"), 3);
    }

    #[test]
    fn a_full_batch_does_not_wait() {
        let mut trial = Trial::new(1);
        trial.configure("m", counted());
        for n in 0..2_500 {
            trial.read("m", &format!("k{n}"));
        }
        trial.tick();
        let sizes: Vec<usize> = batches(&trial).iter().map(Vec::len).collect();
        assert_eq!(sizes, [1_000, 1_000, 500]);
    }

    #[test]
    fn reads_of_maps_that_do_not_count_them_are_left_out() {
        let mut trial = Trial::new(1);
        trial.put("plain", "k", 0);
        trial.read("plain", "k");
        trial.run_ms(400);
        assert_eq!(trial.handed_out(), 0);
    }

    #[test]
    fn a_refused_batch_is_sent_again_and_counts_once() {
        let mut trial = Trial::new(1);
        trial.configure("m", counted());
        trial.put("m", "k", 0);
        trial.read("m", "k");
        trial.refuse = true;
        trial.run_ms(300);
        assert_eq!(trial.hits("m", "k"), 0);
        trial.refuse = false;
        trial.run_ms(500);
        assert_eq!(trial.hits("m", "k"), 1);
        trial.run_ms(500);
        assert_eq!(trial.hits("m", "k"), 1);
    }

    #[test]
    fn a_slow_log_bounds_what_is_under_way() {
        let mut trial = Trial::new(1);
        trial.configure("m", counted());
        trial.hold_results = true;
        for _ in 0..20 {
            trial.read("m", "k");
            trial.run_ms(210);
        }
        assert_eq!(batches(&trial).len(), super::BATCHES_UNDER_WAY_MAX);
    }

    #[test]
    fn keys_over_the_limit_are_dropped_and_counted() {
        let mut trial = Trial::new(1);
        trial.configure("m", counted());
        for n in 0..super::KEYS_MAX + 7 {
            trial.read("m", &format!("k{n}"));
        }
        assert_eq!(trial.duties.touches_dropped(), 7);
        trial.tick();
        assert_eq!(batches(&trial).iter().map(Vec::len).sum::<usize>(), super::KEYS_MAX);
    }

    #[test]
    fn a_late_result_of_an_earlier_term_changes_nothing() {
        let mut trial = Trial::new(1);
        trial.configure("m", counted());
        trial.put("m", "k", 0);
        trial.hold_results = true;
        trial.read("m", "k");
        trial.run_ms(300);
        let id = trial.handed[0].1.id;
        assert_eq!(id, DutyId::Touches(0));
        trial.take_office();
        trial.hold_results = false;
        trial.duties.done(trial.now, id, false);
        trial.run_ms(500);
        assert_eq!(batches(&trial).len(), 1, "reads of the earlier term are not sent again");
    }
}
