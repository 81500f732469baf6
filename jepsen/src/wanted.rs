//! `run` on the command line: what each argument stands for, and what is usual.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use statekeeper_jepsen::cluster::disk::FileSystem;
use statekeeper_jepsen::play::{ClientKind, Wanted};

/// What a run is made of.
#[derive(Args)]
pub(crate) struct RunArguments {
    /// What clients do: register, map-entry, map-whole, set-full, counter, lock, lock-reentrant,
    /// lock-session, ids, events, ttl, mix-openlookeng, discovery-record, seed-directory.
    #[arg(long, short)]
    workload: String,
    /// What breaks: none, a fault (kill, halves, power ...), a class (network, process, disk,
    /// clock, cluster), several with commas, or all.
    #[arg(long, short, default_value = "none")]
    nemesis: String,
    /// Voters.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    nodes: u8,
    /// Length of the main phase, such as 120s or 10m.
    #[arg(long, short, default_value = "60s", value_parser = time)]
    time: Duration,
    /// Everything random comes from it; drawn and told if it is not given.
    #[arg(long, short)]
    seed: Option<u64>,
    /// Through which client: native, http, java or python.
    #[arg(long, short, default_value = "native")]
    client: ClientKind,
    /// A line of statekeeper.properties for each node, as key=value; several times.
    #[arg(long = "set", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// File system of disks that lose power or room: ext4 or xfs.
    #[arg(long, default_value = "ext4")]
    file_system: FileSystem,
    /// The server; that of the same build if it is not given.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// The server that the nodes begin with, for the fault upgrade.
    #[arg(long)]
    upgrade_from: Option<PathBuf>,
    /// Where runs are kept.
    #[arg(long, default_value = "store")]
    store: PathBuf,
}

impl RunArguments {
    /// What is wanted.
    pub(crate) fn wanted(self) -> anyhow::Result<Wanted> {
        let absolute =
            |path: PathBuf| std::path::absolute(&path).with_context(|| path.display().to_string());
        Ok(Wanted {
            workload: self.workload,
            nemesis: self.nemesis,
            nodes: self.nodes.into(),
            time: self.time,
            seed: self.seed.unwrap_or_else(rand::random),
            client: self.client,
            settings: self.settings,
            file_system: self.file_system,
            binary: self.binary.map(absolute).transpose()?,
            old_binary: self.upgrade_from.map(absolute).transpose()?,
            commit: commit(),
            store: absolute(self.store)?,
        })
    }
}

/// Seconds without a unit, since plans tell them so.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(text).map_err(|error| format!("{text:?}: {error}; write 120s or 10m"))
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
        None => Err(format!("{text:?} has no =; write key=value")),
    }
}

/// The commit of the checkout we are in, marked if there is more in it; empty outside of one.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(said)
    };
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return String::new() };
    let changed = ["status", "--porcelain", "--untracked-files=no"];
    match git(&changed) {
        Some(changes) if changes.is_empty() => commit,
        Some(_) | None => format!("{commit}-changed"),
    }
}
