//! `profile` on the command line: plays the runs of a named set, each in a process of its own.

use std::fmt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use statekeeper_jepsen::play::{Cell, profile};
use statekeeper_jepsen::report::Verdict;

use crate::wanted::time;

/// Healing, last questions and judgement of a run may take so long beside its main phase.
const BESIDE: Duration = Duration::from_secs(240);
const LOOK: Duration = Duration::from_millis(100);

/// Which runs.
#[derive(Args)]
pub(crate) struct ProfileArguments {
    /// smoke, ci, change or night.
    name: String,
    /// Leave out so many runs, to go on where an earlier sitting ended.
    #[arg(long, default_value_t = 0)]
    skip: usize,
    /// Begin no run after so long, such as 6h; when all are through before, they begin anew with
    /// other seeds. Without it each run is played once.
    #[arg(long = "for", value_parser = time)]
    within: Option<Duration>,
    /// The server; that of the same build if it is not given.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where runs are kept.
    #[arg(long, default_value = "store")]
    store: PathBuf,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// With a verdict.
    Judged(Verdict),
    /// The harness failed, or did not end: nothing is known of the server.
    Failed,
}

impl Ended {
    /// One that does not count, and may be repeated.
    fn counts(self) -> bool {
        !matches!(self, Self::Failed | Self::Judged(Verdict::Rejected | Verdict::Malformed))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Judged(verdict) => formatter.write_str(verdict.name()),
            Self::Failed => formatter.write_str("the harness failed"),
        }
    }
}

impl ProfileArguments {
    /// Plays them; what went wrong is told again at the end. The exit code is 0 if every run is
    /// valid, and 1 otherwise.
    pub(crate) fn play(self) -> anyhow::Result<ExitCode> {
        let begun = Instant::now();
        let goes_on = || self.within.is_none_or(|within| begun.elapsed() < within);
        let mut played = 0;
        let mut wrong = Vec::new();
        'rounds: for round in 0.. {
            let cells = profile(&self.name, round)?;
            let skipped = if round == 0 { self.skip } else { 0 };
            for (number, cell) in cells.iter().enumerate().skip(skipped) {
                if !goes_on() {
                    break 'rounds;
                }
                println!("run {} of {}", number + 1, cells.len());
                let ended = self.play_cell(*cell)?;
                played += 1;
                if ended != Ended::Judged(Verdict::Valid) {
                    wrong.push(format!("{ended}: {}", cell.arguments().join(" ")));
                }
            }
            if self.within.is_none() {
                break;
            }
        }
        println!("{played} runs in {} s, {} not valid", begun.elapsed().as_secs(), wrong.len());
        for line in &wrong {
            println!("  {line}");
        }
        Ok(if wrong.is_empty() && played > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// A run that does not count says nothing: it has a second chance.
    fn play_cell(&self, cell: Cell) -> anyhow::Result<Ended> {
        let ended = self.play_once(cell)?;
        if ended.counts() {
            return Ok(ended);
        }
        println!("  {ended}: once more");
        self.play_once(cell)
    }

    fn play_once(&self, cell: Cell) -> anyhow::Result<Ended> {
        let harness = std::env::current_exe().context("the harness's own path")?;
        let mut run = Command::new(harness);
        run.args(cell.arguments()).arg("--store").arg(&self.store);
        if let Some(binary) = &self.binary {
            run.arg("--binary").arg(binary);
        }
        let mut child = run.spawn().with_context(|| format!("cannot run {run:?}"))?;
        let ends = Instant::now() + Duration::from_secs(cell.time_s) + BESIDE;
        let ended = wait_until(&mut child, ends)?;
        if ended.is_none() {
            println!("  it did not end in time, and was ended");
            // Its nodes and namespaces end with it.
            child.kill().context("ending a run")?;
            child.wait().context("waiting for a run that was ended")?;
        }
        Ok(ended.unwrap_or(Ended::Failed))
    }
}

/// None: it is still at work then.
fn wait_until(child: &mut Child, ends: Instant) -> anyhow::Result<Option<Ended>> {
    loop {
        if let Some(status) = child.try_wait().context("waiting for a run")? {
            let judged = status.code().and_then(|code| {
                Verdict::ALL.into_iter().find(|verdict| i32::from(verdict.exit_code()) == code)
            });
            return Ok(Some(judged.map_or(Ended::Failed, Ended::Judged)));
        }
        if Instant::now() >= ends {
            return Ok(None);
        }
        sleep(LOOK);
    }
}
