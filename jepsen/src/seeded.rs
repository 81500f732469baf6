//! `bugs` on the command line: the check of the checkers.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail, ensure};
use clap::Subcommand;
use statekeeper_jepsen::bugs::{self, Bug, Sighting};

/// What is done with the seeded bugs. All of it in a checkout, from any folder of it.
#[derive(Subcommand)]
pub(crate) enum BugsVerb {
    /// One line a bug: number, name, and the run that finds it.
    List,
    /// Tell which patches do not apply to the checkout as it lies there.
    Check,
    /// Build the server with each bug and play its run, as root; the exit code is 1 if a bug was
    /// not found.
    Find {
        /// Which bugs; all if none is given.
        numbers: Vec<u32>,
        /// Only so many of those, the quickest to find first.
        #[arg(long)]
        quickest: Option<usize>,
        /// What cargo builds in, and where the runs are kept.
        #[arg(long)]
        target_dir: Option<PathBuf>,
    },
}

impl BugsVerb {
    /// Does it.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List => {
                for bug in bugs::table() {
                    println!("{:2} {}: {}", bug.number, bug.name, bug.command());
                }
                Ok(ExitCode::SUCCESS)
            }
            Self::Check => {
                bugs::check_all_apply(&checkout()?)?;
                println!("all {} patches apply", bugs::table().len());
                Ok(ExitCode::SUCCESS)
            }
            Self::Find { numbers, quickest, target_dir } => {
                let root = checkout()?;
                let target_dir = target_dir.unwrap_or_else(|| root.join("target/seeded-bugs"));
                let target_dir =
                    std::path::absolute(&target_dir).context("the target directory")?;
                find_all(&chosen(&numbers, quickest)?, &root, &target_dir)
            }
        }
    }
}

fn chosen(numbers: &[u32], quickest: Option<usize>) -> anyhow::Result<Vec<Bug>> {
    let mut chosen = bugs::table();
    for number in numbers {
        ensure!(chosen.iter().any(|bug| bug.number == *number), "there is no bug {number}");
    }
    chosen.retain(|bug| numbers.is_empty() || numbers.contains(&bug.number));
    if let Some(count) = quickest {
        chosen = bugs::quickest(chosen, count);
    }
    Ok(chosen)
}

fn find_all(chosen: &[Bug], root: &Path, target_dir: &Path) -> anyhow::Result<ExitCode> {
    let harness = std::env::current_exe().context("the harness's own path")?;
    let mut code = ExitCode::SUCCESS;
    for bug in chosen {
        let finding = bugs::find(bug, root, target_dir, &harness)?;
        let (word, took) = (finding.sighting.name(), finding.took.as_secs());
        println!("{:2} {}: {word} after {took} s", bug.number, bug.name);
        for reason in &finding.reasons {
            println!("   {reason}");
        }
        if finding.sighting != Sighting::Found {
            code = ExitCode::from(1);
        }
    }
    Ok(code)
}

/// The root of the checkout that we are called in.
fn checkout() -> anyhow::Result<PathBuf> {
    let mut git = Command::new("git");
    let output = git.args(["rev-parse", "--show-toplevel"]).output().context("cannot run git")?;
    if !output.status.success() {
        bail!("not in a checkout: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    let root = String::from_utf8(output.stdout).context("the checkout's path")?;
    Ok(PathBuf::from(root.trim_end()))
}
