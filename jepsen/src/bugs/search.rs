//! Looks for a bug with the run of its row, in a process of its own: a run takes one to itself.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::{Bug, build};
use crate::report::{Verdict, stored_runs};

/// What a run says of a bug that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// A violation was reported.
    Found,
    /// The run counts, and reported none: the harness is blind to this bug.
    Missed,
    /// The run does not count: a fault did not take hold, too little traffic, a checker gave up.
    Undecided,
}

impl Sighting {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Missed => "missed",
            Self::Undecided => "undecided",
        }
    }

    fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Invalid => Self::Found,
            Verdict::Valid => Self::Missed,
            _ => Self::Undecided,
        }
    }
}

/// A bug, what the run said, and how long it took to say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What the run said.
    pub sighting: Sighting,
    /// Of the run with its judgement: building does not count.
    pub took: Duration,
    /// Why, as the run tells it.
    pub reasons: Vec<String>,
}

/// Builds a bug and looks for it with `harness`, the program that has the verb `run`. The run is
/// kept beside the program that was built.
///
/// # Errors
/// When it does not build, or there is no verdict: the harness failed, which is no finding.
pub fn find(bug: &Bug, root: &Path, target_dir: &Path, harness: &Path) -> anyhow::Result<Finding> {
    let program = build(bug, root, target_dir)?;
    let store = program.with_file_name("store");
    if store.exists() {
        fs::remove_dir_all(&store).with_context(|| format!("cannot remove {}", store.display()))?;
    }
    look(bug, &program, &store, harness)
}

/// The exit code is not asked: that of a harness that failed says nothing of the server.
fn look(bug: &Bug, program: &Path, store: &Path, harness: &Path) -> anyhow::Result<Finding> {
    let mut run = Command::new(harness);
    run.args(bug.arguments()).arg("--binary").arg(program).arg("--store").arg(store);
    let begun = Instant::now();
    let output = run.output().with_context(|| format!("cannot run {run:?}"))?;
    let took = begun.elapsed();
    let stored = if store.is_dir() { stored_runs(store)?.runs } else { Vec::new() };
    match stored.into_iter().filter_map(|run| run.results).next() {
        Some(results) => {
            let sighting = Sighting::of(results.verdict);
            Ok(Finding { sighting, took, reasons: results.reasons })
        }
        None => bail!("{run:?}: {}", String::from_utf8_lossy(&output.stderr).trim_end()),
    }
}
