//! `summary`: what many runs prove together, and which goals that reaches.
//!
//! Only runs that are valid or invalid count. Others are listed with their reasons: a run that
//! proves nothing is told, and never added up.

mod goals;
mod sheet;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::markup::short_commit;
use super::recovery::{RecoveryFigures, RecoverySample};
use super::run::{RunPlan, RunResults, StoredRun, Verdict, read_json, stored_runs, write_json};

pub use goals::{GoalRow, GoalState};

/// The file of what is measured by other means than runs.
const MEASURED: &str = "measured.json";

/// What a store amounts to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Of runs that count.
    pub all: Sum,
    /// By workload and nemesis.
    pub cells: BTreeMap<String, Sum>,
    /// By kind of client.
    pub clients: BTreeMap<String, Sum>,
    /// By number of nodes.
    pub sizes: BTreeMap<u32, Sum>,
    /// By commit.
    pub commits: BTreeMap<String, Sum>,
    /// Recovery by kind of fault.
    pub recovery: BTreeMap<String, RecoveryFigures>,
    /// Runs with violations: run and reasons.
    pub violations: Vec<Told>,
    /// Runs that do not count: run and reasons.
    pub uncounted: Vec<Told>,
    /// Folders that cannot be read.
    pub unreadable: Vec<String>,
    /// Runs without results.
    pub without_results: Vec<String>,
    /// The goals and what was reached.
    pub goals: Vec<GoalRow>,
}

/// A run that is told of by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Cell and name.
    pub run: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why.
    pub reasons: Vec<String>,
    /// The commit of the server.
    pub commit: String,
}

/// Runs, added up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sum {
    /// Runs that count.
    pub runs: u64,
    /// Runs that do not.
    pub uncounted: u64,
    /// Hours of runs that count.
    pub hours: f64,
    /// Operations that were judged.
    pub operations: u64,
    /// Of these, those that happened.
    pub ok: u64,
    /// Of these, those of unknown outcome.
    pub info: u64,
    /// Faults by kind; only those with the proof that they took hold.
    pub faults: BTreeMap<String, u64>,
    /// Power cuts.
    pub power_cuts: u64,
    /// Runs with a violation.
    pub invalid: u64,
    /// Commits of the servers.
    pub commits: BTreeSet<String>,
}

impl Sum {
    fn add(&mut self, plan: &RunPlan, results: &RunResults) {
        self.commits.insert(short_commit(&plan.commit).to_owned());
        if !counts(results.verdict) {
            self.uncounted += 1;
            return;
        }
        self.runs += 1;
        self.hours += results.duration_s / 3_600.0;
        self.operations += results.figures.operations;
        self.ok += results.figures.ok;
        self.info += results.figures.info;
        self.power_cuts += results.power_cuts;
        self.invalid += u64::from(results.verdict == Verdict::Invalid);
        for tally in &results.faults {
            *self.faults.entry(tally.kind.clone()).or_default() += tally.took_hold;
        }
    }

    /// All kinds of faults together.
    pub fn fault_count(&self) -> u64 {
        self.faults.values().sum()
    }
}

/// A figure that no run gives: bugs found again, golden histories, seeds of the simulation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The goal: `G8` …
    pub goal: String,
    /// What is measured.
    pub what: String,
    /// What is wanted.
    pub wanted: String,
    /// What was reached.
    pub reached: String,
    /// Whether that is enough.
    pub met: bool,
    /// The commit it was measured on.
    pub commit: String,
}

/// Notes a figure in the store, in place of an earlier one of the same goal and name.
///
/// # Errors
/// The file cannot be read or written.
pub fn note_measured(store: &Path, measured: Measured) -> anyhow::Result<()> {
    let mut all = measured_in(store)?;
    all.retain(|old| (&old.goal, &old.what) != (&measured.goal, &measured.what));
    all.push(measured);
    write_json(&store.join(MEASURED), &all)
}

fn measured_in(store: &Path) -> anyhow::Result<Vec<Measured>> {
    let path = store.join(MEASURED);
    if path.is_file() { read_json(&path) } else { Ok(Vec::new()) }
}

/// Adds up a store.
///
/// # Errors
/// The store cannot be listed. A run that cannot be read is told of in the summary.
pub fn summary(store: &Path) -> anyhow::Result<Summary> {
    let stored = stored_runs(store)?;
    let mut summary = Summary { unreadable: stored.unreadable, ..Summary::default() };
    let mut samples: BTreeMap<&str, Vec<&RecoverySample>> = BTreeMap::new();
    for run in &stored.runs {
        let Some(results) = &run.results else {
            summary.without_results.push(format!("{}/{}", run.cell, run.name));
            continue;
        };
        summary.add(run, results);
        if counts(results.verdict) {
            for (kind, of_run) in &results.recovery {
                samples.entry(kind).or_default().extend(of_run);
            }
        }
    }
    summary.recovery = samples
        .into_iter()
        .map(|(kind, samples)| (kind.to_owned(), RecoveryFigures::of(samples)))
        .collect();
    summary.goals = goals::goals(&summary, &stored.runs, &measured_in(store)?);
    Ok(summary)
}

impl Summary {
    fn add(&mut self, run: &StoredRun, results: &RunResults) {
        let plan = &run.plan;
        self.all.add(plan, results);
        for sum in [
            self.cells.entry(format!("{} × {}", plan.workload, plan.nemesis)).or_default(),
            self.clients.entry(plan.client.clone()).or_default(),
            self.sizes.entry(plan.nodes).or_default(),
            self.commits.entry(short_commit(&plan.commit).to_owned()).or_default(),
        ] {
            sum.add(plan, results);
        }
        let told = Told {
            run: format!("{}/{}", run.cell, run.name),
            verdict: results.verdict,
            reasons: results.reasons.clone(),
            commit: short_commit(&plan.commit).to_owned(),
        };
        match results.verdict {
            Verdict::Valid => {}
            Verdict::Invalid => self.violations.push(told),
            Verdict::Unknown | Verdict::Malformed | Verdict::Rejected => self.uncounted.push(told),
        }
    }

    /// The summary as a page in Markdown.
    pub fn markdown(&self, title: &str) -> String {
        sheet::markdown(title, &sheet::blocks(self))
    }

    /// The summary as a page of its own.
    pub fn html(&self, title: &str) -> String {
        sheet::html(title, &sheet::blocks(self))
    }
}

/// Whether a run proves something.
fn counts(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Valid | Verdict::Invalid)
}
