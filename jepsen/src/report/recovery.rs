//! `recovery`: how long after a fault, and after its end, a write succeeds again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::figures::{Quantiles, rounded};
use super::operations::{Fault, end_of, faults, milliseconds, operations, seconds};
use crate::history::{EntryType, History};

/// What followed each fault, by its kind.
pub type Recovery = BTreeMap<String, Vec<RecoverySample>>;

/// What followed one fault. A write counts that was begun after the instant: an answer may have
/// been on its way before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecoverySample {
    /// Seconds from the start of the run to that of the fault.
    pub at_s: f64,
    /// Whether it was done to the leader.
    pub leader: bool,
    /// Milliseconds from its start to the next acknowledged write; none: there was none.
    pub from_start_ms: Option<f64>,
    /// Milliseconds from its stop to the next acknowledged write; none: it had no stop, or no
    /// write was acknowledged any more.
    pub from_heal_ms: Option<f64>,
    /// The longest time without an acknowledged write between start and stop, milliseconds.
    pub longest_gap_ms: f64,
    /// It had a stop, and no write was acknowledged afterwards.
    pub never_healed: bool,
}

/// Quantiles of one kind of fault over many samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecoveryFigures {
    /// Faults.
    pub count: u64,
    /// From the start to the next acknowledged write.
    pub from_start: Option<Quantiles>,
    /// The same for faults of the leader alone.
    pub from_start_leader: Option<Quantiles>,
    /// From the stop to the next acknowledged write.
    pub from_heal: Option<Quantiles>,
    /// The longest time without an acknowledged write during the fault.
    pub longest_gap: Option<Quantiles>,
    /// Faults after whose stop no write was acknowledged.
    pub never_healed: u64,
}

impl RecoveryFigures {
    /// Figures of some samples.
    pub fn of<'a>(samples: impl IntoIterator<Item = &'a RecoverySample>) -> Self {
        let samples: Vec<&RecoverySample> = samples.into_iter().collect();
        let of = |pick: &dyn Fn(&RecoverySample) -> Option<f64>| {
            Quantiles::of(samples.iter().filter_map(|sample| pick(sample)).collect())
        };
        Self {
            count: samples.len() as u64,
            from_start: of(&|sample| sample.from_start_ms),
            from_start_leader: of(&|sample| sample.from_start_ms.filter(|_| sample.leader)),
            from_heal: of(&|sample| sample.from_heal_ms),
            longest_gap: of(&|sample| Some(sample.longest_gap_ms)),
            never_healed: samples.iter().filter(|sample| sample.never_healed).count() as u64,
        }
    }
}

/// Looks up the next acknowledged write after each start and each stop of a fault.
pub fn recovery(history: &History) -> Recovery {
    let writes = Writes::of(history);
    let end = end_of(history);
    let mut found = Recovery::new();
    for fault in faults(history).iter().filter(|fault| !fault.instant) {
        found.entry(fault.kind.clone()).or_default().push(writes.after(fault, end));
    }
    found
}

/// Acknowledged writes.
struct Writes {
    /// By invocation: when it was invoked, and the earliest completion of it and all later ones.
    by_invocation: Vec<(u64, u64)>,
    /// When they were acknowledged, in order.
    acknowledged: Vec<u64>,
}

impl Writes {
    fn of(history: &History) -> Self {
        let operations = operations(history);
        let ok = operations.iter().filter(|operation| operation.ending() == EntryType::Ok);
        let mut by_invocation: Vec<(u64, u64)> = ok
            .filter(|operation| operation.is_write())
            .filter_map(|operation| Some((operation.invoke.time, operation.completion?.time)))
            .collect();
        let mut acknowledged: Vec<u64> = by_invocation.iter().map(|(_, end)| *end).collect();
        acknowledged.sort_unstable();
        let mut earliest = u64::MAX;
        for (_, end) in by_invocation.iter_mut().rev() {
            earliest = earliest.min(*end);
            *end = earliest;
        }
        Self { by_invocation, acknowledged }
    }

    fn after(&self, fault: &Fault, end: u64) -> RecoverySample {
        let ms = |nanoseconds| rounded(milliseconds(nanoseconds));
        let from_start = self.next(fault.start);
        let from_heal = fault.stop.and_then(|stop| self.next(stop));
        RecoverySample {
            at_s: rounded(seconds(fault.start)),
            leader: fault.hits_leader,
            from_start_ms: from_start.map(ms),
            from_heal_ms: from_heal.map(ms),
            longest_gap_ms: ms(self.longest_gap(fault.start, fault.stop.unwrap_or(end))),
            never_healed: fault.stop.is_some() && from_heal.is_none(),
        }
    }

    /// From the instant to the first acknowledgement of a write that was begun after it.
    fn next(&self, instant: u64) -> Option<u64> {
        let at = self.by_invocation.partition_point(|(invoked, _)| *invoked < instant);
        self.by_invocation.get(at).map(|(_, end)| end.saturating_sub(instant))
    }

    fn longest_gap(&self, start: u64, stop: u64) -> u64 {
        let from = self.acknowledged.partition_point(|time| *time <= start);
        let inside = self.acknowledged[from..].iter().take_while(|time| **time < stop);
        let mut last = start;
        let mut longest = 0;
        for time in inside.chain([&stop]) {
            longest = longest.max(time.saturating_sub(last));
            last = *time;
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{Story, run_with_a_kill};

    #[test]
    fn a_killed_leader_costs_the_time_to_the_next_write() {
        let found = recovery(&run_with_a_kill());
        let sample = &found["kill"][0];
        assert!(sample.leader && sample.at_s == 10.0);
        assert_eq!(sample.from_start_ms, Some(1_201.0));
        assert_eq!(sample.from_heal_ms, Some(3.0));
        assert_eq!(sample.longest_gap_ms, 1_201.0);
    }

    #[test]
    fn a_write_begun_before_the_fault_does_not_count() {
        let mut story = Story::new("register");
        story.at(10).invoke(1, "write");
        story.at(11).fault("kill", "start", &["n1"], true);
        story.at(12).end(1, EntryType::Ok, "write");
        story.at(15).operation(2, "read", EntryType::Ok, 1);
        story.at(20).operation(1, "write", EntryType::Info, 300);
        story.at(400).operation(3, "write", EntryType::Ok, 11);
        let found = recovery(&story.told());
        assert_eq!(found["kill"][0].from_start_ms, Some(400.0));
    }

    #[test]
    fn the_earliest_answer_counts_not_that_of_the_earliest_call() {
        let mut story = Story::new("register");
        story.at(10).fault("pause", "start", &["n1"], false);
        story.at(11).invoke(1, "write");
        story.at(12).operation(2, "write", EntryType::Ok, 3);
        story.at(500).end(1, EntryType::Ok, "write");
        assert_eq!(recovery(&story.told())["pause"][0].from_start_ms, Some(5.0));
    }

    #[test]
    fn no_write_after_the_stop_is_told_and_not_left_out() {
        let mut story = Story::new("register");
        story.at(10).fault("pause", "start", &["n1"], false);
        story.at(100).fault("pause", "stop", &["n1"], false);
        story.at(200).operation(2, "write", EntryType::Fail, 3);
        let found = recovery(&story.told());
        let figures = RecoveryFigures::of(&found["pause"]);
        assert_eq!((figures.count, figures.never_healed), (1, 1));
        assert_eq!((figures.from_start, figures.from_heal), (None, None));
        assert_eq!(figures.longest_gap.unwrap().max_ms, 90.0);
    }

    #[test]
    fn faults_of_the_leader_have_figures_of_their_own() {
        let sample = |leader, ms| RecoverySample {
            leader,
            from_start_ms: Some(ms),
            ..RecoverySample::default()
        };
        let figures = RecoveryFigures::of(&[sample(true, 900.0), sample(false, 4.0)]);
        assert_eq!(figures.from_start_leader.unwrap().p50_ms, 900.0);
        assert_eq!(figures.from_start.unwrap().p50_ms, 4.0);
    }
}
