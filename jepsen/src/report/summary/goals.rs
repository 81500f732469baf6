//! The goals G1 to G13, each as figures of the runs of a store.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Measured, Sum, Summary, counts};
use crate::report::figures::quantile;
use crate::report::markup::{count, duration};
use crate::report::recovery::RecoverySample;
use crate::report::run::{RunResults, StoredRun, Verdict};

/// Goals that no run can tell of, and what would.
const ELSEWHERE: [(&str, &str, &str); 5] = [
    ("G8", "seeded bugs found", "≥ 20, each within 10 min"),
    ("G9", "false alarms against a correct reference", "0 in 1,000 runs"),
    ("G10", "golden histories and random small ones", "all right, 0 differences in 10,000"),
    ("G11", "seeds of the simulation", "10,000 fast and 200 whole per change"),
    ("G13", "rolling upgrade from the last release under load", "once"),
];
/// Faults after which no majority is left: a write is not expected before the heal.
const WITHOUT_MAJORITY: [&str; 3] = ["all", "majority", "quorum"];

/// One figure of a goal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoalRow {
    /// `G1` to `G13`.
    pub goal: String,
    /// What is measured.
    pub what: String,
    /// What is wanted.
    pub wanted: String,
    /// What was reached.
    pub reached: String,
    /// Whether that is enough.
    pub state: GoalState,
    /// The commits it was measured on.
    pub commits: BTreeSet<String>,
}

/// Whether a goal is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GoalState {
    /// It is.
    Met,
    /// It is not.
    Missed,
    /// There is no figure.
    NotMeasured,
}

impl GoalState {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::NotMeasured => "not measured",
        }
    }
}

/// All rows, in the order of the goals.
pub(super) fn goals(summary: &Summary, runs: &[StoredRun], measured: &[Measured]) -> Vec<GoalRow> {
    let counted: Vec<(&StoredRun, &RunResults)> = runs
        .iter()
        .filter_map(|run| Some((run, run.results.as_ref()?)))
        .filter(|(_, results)| counts(results.verdict))
        .collect();
    let mut rows = vec![cells(summary, &counted)];
    rows.extend(gate(summary));
    rows.extend(traffic(summary, &counted));
    rows.extend(unknown_outcomes(summary, &counted));
    rows.extend(recovery(summary, &counted));
    rows.push(availability(summary, &counted));
    rows.push(durability(summary, &counted));
    rows.extend(clients(summary));
    rows.extend(sizes(summary));
    for (goal, what, wanted) in ELSEWHERE {
        if !measured.iter().any(|row| row.goal == goal) {
            rows.push(GoalRow {
                goal: goal.into(),
                what: what.into(),
                wanted: wanted.into(),
                reached: "–".into(),
                state: GoalState::NotMeasured,
                commits: BTreeSet::new(),
            });
        }
    }
    rows.extend(measured.iter().map(|row| GoalRow {
        goal: row.goal.clone(),
        what: row.what.clone(),
        wanted: row.wanted.clone(),
        reached: row.reached.clone(),
        state: if row.met { GoalState::Met } else { GoalState::Missed },
        commits: BTreeSet::from([super::short_commit(&row.commit).to_owned()]),
    }));
    // Stable, so that the figures of one goal keep their order.
    rows.sort_by_key(|row| row.goal.trim_start_matches('G').parse().unwrap_or(u32::MAX));
    rows
}

/// A row whose figure there is: none means that it was not measured.
fn row(
    sum: &Sum,
    goal: &str,
    what: &str,
    wanted: &str,
    reached: Option<(String, bool)>,
) -> GoalRow {
    let (reached, state) = match reached {
        None => ("–".into(), GoalState::NotMeasured),
        Some((reached, true)) => (reached, GoalState::Met),
        Some((reached, false)) => (reached, GoalState::Missed),
    };
    let commits = match state {
        GoalState::NotMeasured => BTreeSet::new(),
        GoalState::Met | GoalState::Missed => sum.commits.clone(),
    };
    let (goal, what, wanted) = (goal.into(), what.into(), wanted.into());
    GoalRow { goal, what, wanted, reached, state, commits }
}

fn cells(summary: &Summary, counted: &[(&StoredRun, &RunResults)]) -> GoalRow {
    let workloads: BTreeSet<&str> =
        counted.iter().map(|(run, _)| run.plan.workload.as_str()).collect();
    let nemeses: BTreeSet<&str> =
        counted.iter().map(|(run, _)| run.plan.nemesis.as_str()).collect();
    let full = |workload: &&str, nemesis: &&str| {
        let runs = counted
            .iter()
            .filter(|(run, _)| run.plan.workload == **workload && run.plan.nemesis == **nemesis);
        runs.filter(|(run, _)| run.plan.time_s >= 120).count() >= 3
    };
    let reached = workloads
        .iter()
        .flat_map(|workload| nemeses.iter().map(move |nemesis| (workload, nemesis)))
        .filter(|(workload, nemesis)| full(workload, nemesis))
        .count();
    let all = workloads.len() * nemeses.len();
    row(
        &summary.all,
        "G1",
        "cells with 3 runs of 120 s, of the workloads and faults that were run",
        "all",
        (all > 0).then(|| (format!("{reached} of {all}"), reached == all)),
    )
}

fn gate(summary: &Summary) -> Vec<GoalRow> {
    let all = &summary.all;
    let any = all.runs > 0;
    let at_least = |what: &str, wanted: &str, reached: u64, least: u64| {
        let figure = any.then(|| (count(reached), reached >= least));
        row(all, "G2", what, wanted, figure)
    };
    let rarest = all.faults.iter().min_by_key(|(_, times)| **times);
    let unknown =
        summary.uncounted.iter().filter(|told| told.verdict == Verdict::Unknown).count() as u64;
    vec![
        row(
            all,
            "G2",
            "hours of cluster time",
            "≥ 100",
            any.then(|| (format!("{:.2}", all.hours), all.hours >= 100.0)),
        ),
        at_least("checked operations", "≥ 100,000,000", all.operations, 100_000_000),
        at_least("faults that took hold", "≥ 5,000", all.fault_count(), 5_000),
        row(
            all,
            "G2",
            "faults of the rarest kind",
            "≥ 200",
            rarest.map(|(kind, times)| (format!("{} ({kind})", count(*times)), *times >= 200)),
        ),
        at_least("power cuts", "≥ 1,000", all.power_cuts, 1_000),
        row(
            all,
            "G2",
            "runs with violations, runs of unknown verdict",
            "0, 0",
            (any || unknown > 0)
                .then(|| (format!("{}, {unknown}", all.invalid), all.invalid == 0 && unknown == 0)),
        ),
    ]
}

fn traffic(summary: &Summary, counted: &[(&StoredRun, &RunResults)]) -> Vec<GoalRow> {
    let least = |of: fn(&RunResults) -> Option<f64>| {
        counted.iter().filter_map(|(_, results)| of(results)).min_by(f64::total_cmp)
    };
    let rate =
        |least: Option<f64>, wanted: f64| least.map(|rate| (format!("{rate:.0}"), rate >= wanted));
    let rarest = counted
        .iter()
        .flat_map(|(_, results)| &results.figures.by_kind)
        .map(|(kind, figures)| (figures.ok, kind))
        .min();
    let quiet = least(|results| results.figures.ok_per_s_quiet);
    let faulted = least(|results| results.figures.ok_per_s_faulted);
    let all = &summary.all;
    vec![
        row(all, "G3", "ok each second without faults, worst run", "≥ 1,000", rate(quiet, 1e3)),
        row(all, "G3", "ok each second under faults, worst run", "≥ 200", rate(faulted, 200.0)),
        row(
            all,
            "G3",
            "ok of the rarest kind of operation, worst run",
            "≥ 100",
            rarest.map(|(ok, kind)| (format!("{} ({kind})", count(ok)), ok >= 100)),
        ),
    ]
}

fn unknown_outcomes(summary: &Summary, counted: &[(&StoredRun, &RunResults)]) -> Vec<GoalRow> {
    let share = |results: &RunResults| {
        let figures = &results.figures;
        (figures.operations > 0).then(|| figures.info as f64 / figures.operations as f64)
    };
    let worst = counted.iter().filter_map(|(_, results)| share(results)).max_by(f64::total_cmp);
    let checking = counted
        .iter()
        .filter(|(_, results)| results.duration_s > 0.0)
        .filter_map(|(_, results)| {
            let seconds: f64 =
                results.checkers.values().filter_map(|value| value.get("seconds")?.as_f64()).sum();
            (seconds > 0.0).then(|| seconds / results.duration_s)
        })
        .max_by(f64::total_cmp);
    let percent = |share: Option<f64>, most: f64| {
        share.map(|share| (format!("{:.2} %", 100.0 * share), share <= most))
    };
    let all = &summary.all;
    vec![
        row(all, "G4", "unknown outcomes, worst run", "≤ 5 %", percent(worst, 0.05)),
        row(all, "G4", "time of checking, worst run", "≤ 10 %", percent(checking, 0.1)),
    ]
}

fn recovery(summary: &Summary, counted: &[(&StoredRun, &RunResults)]) -> Vec<GoalRow> {
    let samples: Vec<(&String, &RecoverySample)> = counted
        .iter()
        .flat_map(|(_, results)| &results.recovery)
        .flat_map(|(kind, samples)| samples.iter().map(move |sample| (kind, sample)))
        .collect();
    let keeps_majority =
        |kind: &str| !kind.split(['-', '_', ' ']).any(|word| WITHOUT_MAJORITY.contains(&word));
    let mut starts: Vec<f64> = samples
        .iter()
        .filter(|(kind, sample)| sample.leader && keeps_majority(kind))
        .filter_map(|(_, sample)| sample.from_start_ms)
        .collect();
    starts.sort_by(f64::total_cmp);
    let mut heals: Vec<f64> =
        samples.iter().filter_map(|(_, sample)| sample.from_heal_ms).collect();
    heals.sort_by(f64::total_cmp);
    let never = samples.iter().filter(|(_, sample)| sample.never_healed).count();
    let reached = |sorted: &[f64], share: f64, most: f64| {
        let figure = quantile(sorted, share)?;
        let times = count(sorted.len() as u64);
        Some((format!("{} of {times} faults", duration(figure)), figure <= most))
    };
    let all = &summary.all;
    let start = "write after a fault of the leader that leaves a majority";
    vec![
        row(all, "G5", &format!("{start}, longest"), "≤ 3 s", reached(&starts, 1.0, 3e3)),
        row(all, "G5", &format!("{start}, p99"), "≤ 1.5 s", reached(&starts, 0.99, 1.5e3)),
        row(all, "G5", "write after a heal, longest", "≤ 10 s", reached(&heals, 1.0, 1e4)),
        row(
            all,
            "G5",
            "heals after which no write succeeded",
            "0",
            (!samples.is_empty()).then(|| (count(never as u64), never == 0)),
        ),
    ]
}

fn availability(summary: &Summary, counted: &[(&StoredRun, &RunResults)]) -> GoalRow {
    let least = counted
        .iter()
        .filter_map(|(_, results)| results.checkers.get("available")?.get("share")?.as_f64())
        .min_by(f64::total_cmp);
    row(
        &summary.all,
        "G6",
        "ok while a majority is healthy, worst run",
        "≥ 99 %",
        least.map(|share| (format!("{:.2} %", 100.0 * share), share >= 0.99)),
    )
}

fn durability(summary: &Summary, counted: &[(&StoredRun, &RunResults)]) -> GoalRow {
    let with_cuts = || counted.iter().filter(|(_, results)| results.power_cuts > 0);
    let wrong = with_cuts().filter(|(_, results)| results.verdict == Verdict::Invalid).count();
    let figure = format!(
        "{wrong} of {} runs, {} cuts",
        count(with_cuts().count() as u64),
        count(summary.all.power_cuts)
    );
    row(
        &summary.all,
        "G7",
        "runs with power cuts and violations",
        "0",
        (summary.all.power_cuts > 0).then_some((figure, wrong == 0)),
    )
}

fn clients(summary: &Summary) -> Vec<GoalRow> {
    ["java", "python"]
        .into_iter()
        .map(|client| {
            let sum = summary.clients.get(client).cloned().unwrap_or_default();
            let reached = (sum.runs > 0).then(|| (format!("{:.2}", sum.hours), sum.hours >= 10.0));
            row(&sum, "G12", &format!("hours by the {client} client"), "≥ 10", reached)
        })
        .collect()
}

fn sizes(summary: &Summary) -> Vec<GoalRow> {
    [1, 3, 5]
        .into_iter()
        .map(|size| {
            let sum = summary.sizes.get(&size).cloned().unwrap_or_default();
            let reached = (sum.runs > 0).then(|| (count(sum.runs), true));
            row(&sum, "G13", &format!("runs with {size} nodes"), "some", reached)
        })
        .collect()
}
