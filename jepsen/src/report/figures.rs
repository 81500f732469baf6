//! `figures`: what a history amounts to in numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::operations::{Fault, Operation, end_of, faults, operations, seconds};
use crate::history::{EntryType, History};

/// Operations of a run, counted and timed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Operations that were begun.
    pub operations: u64,
    /// Those that happened.
    pub ok: u64,
    /// Those that did not.
    pub fail: u64,
    /// Those of which nobody knows.
    pub info: u64,
    /// What listeners got.
    pub events: u64,
    /// Seconds from the first line to the last.
    pub duration_s: f64,
    /// Operations that were begun, each second.
    pub operations_per_s: f64,
    /// Operations that happened, each second without a fault; none: there was no such second.
    pub ok_per_s_quiet: Option<f64>,
    /// Operations that happened, each second under at least one fault; none: no such second.
    pub ok_per_s_faulted: Option<f64>,
    /// By operation.
    pub by_kind: BTreeMap<String, KindFigures>,
}

/// One kind of operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KindFigures {
    /// Operations that happened.
    pub ok: u64,
    /// Those that did not.
    pub fail: u64,
    /// Those of which nobody knows.
    pub info: u64,
    /// From invocation to completion, of those that happened.
    pub latency: Option<Quantiles>,
}

/// Quantiles, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Half are at most this.
    pub p50_ms: f64,
    /// 95 of 100 are at most this.
    pub p95_ms: f64,
    /// 99 of 100 are at most this.
    pub p99_ms: f64,
    /// All are at most this.
    pub max_ms: f64,
}

impl Quantiles {
    /// Quantiles of some milliseconds, in any order; of none there are none.
    pub fn of(mut samples: Vec<f64>) -> Option<Self> {
        samples.sort_by(f64::total_cmp);
        Some(Self {
            p50_ms: rounded(quantile(&samples, 0.5)?),
            p95_ms: rounded(quantile(&samples, 0.95)?),
            p99_ms: rounded(quantile(&samples, 0.99)?),
            max_ms: rounded(quantile(&samples, 1.0)?),
        })
    }
}

/// The smallest sample that at least this share of the sorted samples does not exceed.
pub(super) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// Three digits after the point: what people read, and what a file gives back unchanged.
pub(super) fn rounded(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}

/// Counts and times the operations of a history.
pub fn figures(history: &History) -> Figures {
    let mut operations = operations(history);
    // A note of our own that a client's session may end, no call.
    operations.retain(|operation| operation.invoke.f != "expire");
    let mut figures = Figures {
        operations: operations.len() as u64,
        events: history.entries.iter().filter(|line| line.kind == EntryType::Event).count() as u64,
        duration_s: rounded(seconds(end_of(history))),
        ..Figures::default()
    };
    let mut latencies: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for operation in &operations {
        let kind = figures.by_kind.entry(operation.invoke.f.clone()).or_default();
        match operation.ending() {
            EntryType::Ok => {
                (figures.ok, kind.ok) = (figures.ok + 1, kind.ok + 1);
                latencies.entry(&operation.invoke.f).or_default().extend(operation.latency_ms());
            }
            EntryType::Fail => (figures.fail, kind.fail) = (figures.fail + 1, kind.fail + 1),
            _ => (figures.info, kind.info) = (figures.info + 1, kind.info + 1),
        }
    }
    for (kind, samples) in latencies {
        if let Some(figures) = figures.by_kind.get_mut(kind) {
            figures.latency = Quantiles::of(samples);
        }
    }
    if figures.duration_s > 0.0 {
        figures.operations_per_s = rounded(figures.operations as f64 / figures.duration_s);
    }
    let end = end_of(history);
    let under = covered(&faults(history), end);
    (figures.ok_per_s_quiet, figures.ok_per_s_faulted) = rates(&operations, &under, end);
    figures
}

/// The times under at least one fault, apart from each other and in order.
fn covered(faults: &[Fault], end: u64) -> Vec<(u64, u64)> {
    let mut covered: Vec<(u64, u64)> = Vec::new();
    for fault in faults.iter().filter(|fault| !fault.instant) {
        let stop = fault.stop.unwrap_or(end);
        match covered.last_mut() {
            Some(last) if fault.start <= last.1 => last.1 = last.1.max(stop),
            _ => covered.push((fault.start, stop)),
        }
    }
    covered
}

/// Operations that happened, each second outside and inside the covered times.
fn rates(
    operations: &[Operation<'_>],
    covered: &[(u64, u64)],
    end: u64,
) -> (Option<f64>, Option<f64>) {
    let inside = |time: u64| {
        let before = covered.partition_point(|(start, _)| *start <= time);
        before.checked_sub(1).is_some_and(|at| time < covered[at].1)
    };
    let happened = operations.iter().filter(|operation| operation.ending() == EntryType::Ok);
    let times = happened.filter_map(|operation| operation.completion).map(|line| line.time);
    let (faulted, quiet): (Vec<u64>, Vec<u64>) = times.partition(|time| inside(*time));
    let faulted_time: u64 = covered.iter().map(|(start, stop)| stop.saturating_sub(*start)).sum();
    let rate = |count: usize, time: u64| (time > 0).then(|| rounded(count as f64 / seconds(time)));
    (rate(quiet.len(), end.saturating_sub(faulted_time)), rate(faulted.len(), faulted_time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{Story, run_with_a_kill};

    #[test]
    fn quantiles_are_samples_and_the_last_is_the_greatest() {
        let samples: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        let found = Quantiles::of(samples).unwrap();
        let expected = Quantiles { p50_ms: 100.0, p95_ms: 190.0, p99_ms: 198.0, max_ms: 200.0 };
        assert_eq!(found, expected);
        let five = Quantiles::of(vec![5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!((five.p50_ms, five.p95_ms, five.p99_ms), (3.0, 5.0, 5.0));
        assert_eq!(Quantiles::of(vec![7.0]).unwrap().p99_ms, 7.0);
        assert_eq!(Quantiles::of(Vec::new()), None);
    }

    #[test]
    fn operations_are_counted_by_kind_and_ending() {
        let mut story = Story::new("register");
        story.at(0).operation(1, "write", EntryType::Ok, 4);
        story.at(10).operation(1, "write", EntryType::Fail, 900);
        story.at(1_000).operation(1, "read", EntryType::Ok, 2);
        story.at(1_990).invoke(1, "write");
        story.at(2_000).line(crate::history::Entry::new(
            crate::history::Process::Client(9),
            EntryType::Event,
            "added",
        ));
        let found = figures(&story.told());
        assert_eq!((found.operations, found.ok, found.fail, found.info), (4, 2, 1, 1));
        assert_eq!((found.events, found.duration_s, found.operations_per_s), (1, 2.0, 2.0));
        let writes = &found.by_kind["write"];
        assert_eq!((writes.ok, writes.fail, writes.info), (1, 1, 1));
        assert_eq!(writes.latency.unwrap().max_ms, 4.0, "a refusal has no latency that counts");
        assert_eq!((found.ok_per_s_quiet, found.ok_per_s_faulted), (Some(1.0), None));
    }

    #[test]
    fn rates_under_faults_and_without_are_told_apart() {
        let found = figures(&run_with_a_kill());
        let quiet = found.ok_per_s_quiet.unwrap();
        let faulted = found.ok_per_s_faulted.unwrap();
        assert!((quiet - 100.0).abs() < 1.0, "{quiet}");
        assert!((faulted - 76.0).abs() < 1.0, "{faulted}");
    }

    #[test]
    fn overlapping_faults_cover_their_time_once() {
        let mut story = Story::new("register");
        story.at(0).fault("kill", "start", &["n1"], false);
        story.at(100).fault("pause", "start", &["n2"], false);
        story.at(200).fault("kill", "stop", &["n1"], false);
        story.at(300).fault("pause", "stop", &["n2"], false);
        story.at(400).fault("kill", "start", &["n1"], false);
        let ms = |ms: u64| ms * 1_000_000;
        let found = covered(&faults(&story.told()), ms(500));
        assert_eq!(found, [(0, ms(300)), (ms(400), ms(500))]);
    }

    #[test]
    fn figures_survive_their_file() {
        let figures = figures(&run_with_a_kill());
        let text = serde_json::to_string(&figures).unwrap();
        assert_eq!(serde_json::from_str::<Figures>(&text).unwrap(), figures);
    }
}
