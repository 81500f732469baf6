//! Arguments of the harness.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use statekeeper_jepsen::{check, report};

/// Proof by fault injection that nothing acknowledged is ever lost.
#[derive(Parser)]
#[command(name = "statekeeper-jepsen")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
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
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().verb {
        Verb::Check { histories } => check_all(&histories),
        Verb::Serve { store, address } => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(report::serve(&store, address))?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Summary { store, title } => {
            println!("{}", report::summary(&store)?.markdown(&title));
            Ok(ExitCode::SUCCESS)
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
