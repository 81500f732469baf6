//! Arguments of the harness.
//!
//! Exit codes keep verdicts, failures of the harness and wrong arguments apart: 0 to 4 are those of
//! verdicts, 64 says that the arguments are wrong, 70 that the harness failed.

mod probing;
mod profiles;
mod seeded;
mod wanted;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use profiles::ProfileArguments;
use seeded::BugsVerb;
use statekeeper_jepsen::play::{self, Wanted};
use statekeeper_jepsen::report::{RunPlan, Verdict};
use statekeeper_jepsen::{check, cluster, report};
use wanted::RunArguments;

/// Proof by fault injection that nothing acknowledged is ever lost.
#[derive(Parser)]
#[command(name = "statekeeper-jepsen")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start a cluster, let clients work, break things, and judge what the clients saw. The exit
    /// code tells the verdict: 0 valid, 1 invalid, 2 unknown, 3 malformed, 4 rejected.
    Run(RunArguments),
    /// Try whether this machine offers what runs need: root, devices, file systems, clients.
    Probe,
    /// Play a named set of runs: smoke while one works, ci in the test command, change before a
    /// change of the server lands, night for hours. The exit code is 0 if every run is valid.
    Profile(ProfileArguments),
    /// Make the run of a folder again, with everything that was drawn.
    Replay {
        /// The folder of the run.
        run: PathBuf,
        /// So many times; real processes do not repeat exactly.
        #[arg(long, default_value_t = 1)]
        times: u32,
    },
    /// Judge histories from their files again; the worst verdict is the exit code: 0 valid,
    /// 1 invalid, 2 unknown, 3 malformed.
    Check {
        /// Files of one JSON object a line, or folders of runs.
        #[arg(required = true)]
        histories: Vec<PathBuf>,
    },
    /// Show the runs of a store in a browser.
    Serve {
        /// Where the runs are.
        #[arg(long, default_value = "store")]
        store: PathBuf,
        /// Where to listen; loopback only.
        #[arg(long, default_value = "127.0.0.1:8090")]
        address: SocketAddr,
    },
    /// Sum up the runs of a store as a page of Markdown.
    Summary {
        /// Where the runs are.
        #[arg(long, default_value = "store")]
        store: PathBuf,
        /// The heading of the page.
        #[arg(long, default_value = "Runs of the harness")]
        title: String,
    },
    /// The bugs that are planted to see whether a run finds them.
    Bugs {
        #[command(subcommand)]
        verb: BugsVerb,
    },
}

/// `EX_USAGE` of sysexits.h.
const WRONG_ARGUMENTS: u8 = 64;
/// `EX_SOFTWARE`.
const HARNESS_FAILED: u8 = 70;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let asked_for_help = !error.use_stderr();
            // Nobody is left to tell that it cannot be told.
            let _ = error.print();
            return if asked_for_help { ExitCode::SUCCESS } else { WRONG_ARGUMENTS.into() };
        }
    };
    match arguments.verb.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("the harness failed: {error:?}");
            HARNESS_FAILED.into()
        }
    }
}

impl Verb {
    fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Run(arguments) => play_all(&[arguments.wanted()?]),
            Self::Probe => {
                // Before there is a second thread, and so that its mounts are nobody else's.
                cluster::disk::private_mounts()?;
                probing::run()
            }
            Self::Profile(arguments) => arguments.play(),
            Self::Replay { run, times } => {
                let wanted = Wanted::of_plan(&RunPlan::load(&run)?)?;
                play_all(&vec![wanted; times as usize])
            }
            Self::Check { histories } => check_all(&histories),
            Self::Serve { store, address } => {
                let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
                runtime.block_on(report::serve(&store, address))?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Summary { store, title } => {
                println!("{}", report::summary(&store)?.markdown(&title));
                Ok(ExitCode::SUCCESS)
            }
            Self::Bugs { verb } => verb.run(),
        }
    }
}

/// One line of JSON a file, on standard output.
fn check_all(histories: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let budget = check::Budget::default();
    let mut worst = check::Verdict::Valid;
    for path in histories {
        let path = if path.is_dir() { &path.join("history.jsonl") } else { path };
        let judgement = check::judge_file(path, &budget);
        println!("{}", serde_json::to_string(&judgement).context("a judgement as JSON")?);
        worst = worst.max(judgement.verdict);
    }
    Ok(ExitCode::from(worst.exit_code()))
}

/// Plays runs one after the other; the worst verdict is the exit code.
fn play_all(runs: &[Wanted]) -> anyhow::Result<ExitCode> {
    // Before there is a second thread: all of them share it.
    cluster::disk::private_mounts()?;
    let mut worst = Verdict::Valid;
    for wanted in runs {
        let played = play::play(wanted)?;
        let results = &played.results;
        let figures = &results.figures;
        println!(
            "{} {}: {}, {} operations, {} ok, {} of unknown outcome, {:.1} s",
            played.plan.cell(),
            wanted.seed,
            results.verdict.name(),
            figures.operations,
            figures.ok,
            figures.info,
            results.duration_s
        );
        for fault in &results.faults {
            println!("  {} x {}: {}", fault.took_hold, fault.kind, fault.proof);
        }
        for reason in &results.reasons {
            println!("  {reason}");
        }
        println!("  {}", played.folder.join("index.html").display());
        if results.verdict.severity() > worst.severity() {
            worst = results.verdict;
        }
    }
    Ok(ExitCode::from(worst.exit_code()))
}
