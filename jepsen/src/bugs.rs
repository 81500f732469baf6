//! The seeded bugs: each a patch that plants one mistake, and the run that is to find it.
//!
//! A harness that finds nothing says something only if it would have found what was there. The
//! patches lie in `jepsen/bugs/`, so the server does not carry its own bugs; `table.json` beside
//! them says what each breaks and which run finds it. Invariant: every patch applies to the working
//! tree as it is. A bug is built in a copy of the tree: nothing here writes into the tree itself.

mod dependencies;
mod page;
mod search;
mod tree;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

pub use page::{page_part, renew_page};
pub use search::{Finding, Sighting, find};

/// Where patches and table lie, from the root of the repository.
pub const FOLDER: &str = "jepsen/bugs";

const TABLE: &str = include_str!("../bugs/table.json");

/// One seeded bug and the run that is to find it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bug {
    /// Its place in the table, from 1.
    pub number: u32,
    /// What is wrong, in a few words.
    pub name: String,
    /// The patch's file name in `jepsen/bugs/`.
    pub patch: String,
    /// The promise that no longer holds.
    pub breaks: String,
    /// The workload that notices.
    pub workload: String,
    /// The faults under which it does.
    pub nemesis: String,
    /// Nodes of the cluster.
    pub nodes: u32,
    /// How long the run may take, in seconds; what is not found by then counts as missed.
    pub time_s: u64,
    /// The seed of the run.
    pub seed: u64,
    /// Which client asks: `native`, `http`, `java`, `python`.
    pub client: String,
    /// Properties of the server that differ from the harness's own.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Seconds of the run until it was found, when last measured.
    pub found_after_s: Option<u64>,
    /// The tests of the repository that notice it as well.
    pub also_found_by: String,
}

impl Bug {
    /// What the harness is called with to find it; the server and where the run is kept are not
    /// among it.
    pub fn arguments(&self) -> Vec<String> {
        let Self { workload, nemesis, nodes, time_s, seed, client, .. } = self;
        let mut words = format!(
            "run --workload {workload} --nemesis {nemesis} --nodes {nodes} --time {time_s}s \
             --seed {seed}"
        );
        if client != "native" {
            words.push_str(" --client ");
            words.push_str(client);
        }
        let mut arguments: Vec<String> = words.split(' ').map(ToOwned::to_owned).collect();
        for (key, value) in &self.options {
            arguments.extend(["--set".to_owned(), format!("{key}={value}")]);
        }
        arguments
    }

    /// The whole command line.
    pub fn command(&self) -> String {
        format!("statekeeper-jepsen {} --binary PROGRAM", self.arguments().join(" "))
    }

    /// The name of its patch without the ending; also of what is built of it.
    pub fn label(&self) -> &str {
        self.patch.strip_suffix(".patch").unwrap_or(&self.patch)
    }
}

/// All bugs in order of their numbers.
///
/// # Panics
/// When the table does not decode; a test holds that it does.
pub fn table() -> Vec<Bug> {
    serde_json::from_str(TABLE).expect("jepsen/bugs/table.json decodes")
}

/// So many of these, those first that were found soonest; one that was never found comes last.
pub fn quickest(mut bugs: Vec<Bug>, count: usize) -> Vec<Bug> {
    bugs.sort_by_key(|bug| bug.found_after_s.unwrap_or(u64::MAX));
    bugs.truncate(count);
    bugs
}

/// Makes sure that each patch applies to the tree at `root` as it lies there, committed or not.
/// Nothing is changed.
///
/// # Errors
/// With the patches that do not, and what git says of each.
pub fn check_all_apply(root: &Path) -> anyhow::Result<()> {
    let mut faults = Vec::new();
    for bug in table() {
        if let Err(error) = git_apply(root, &patch_of(root, &bug), &["--check"]) {
            faults.push(format!("{error:#}"));
        }
    }
    ensure!(faults.is_empty(), "bugs that do not apply:\n{}", faults.join("\n"));
    Ok(())
}

/// Builds the server with a bug in it and gives the path of the program.
///
/// `target_dir` is cargo's for all bugs, and none that the tree itself is built in: dependencies
/// are built once there, and of our own crates only those are built again that a patch touches.
/// Not for two at a time. What git lists, or does not ignore, is copied as it lies there.
///
/// # Errors
/// When the tree cannot be copied, the patch does not apply, or what comes of it does not build.
pub fn build(bug: &Bug, root: &Path, target_dir: &Path) -> anyhow::Result<PathBuf> {
    let copy = target_dir.join("tree");
    dependencies::take(&root.join("target"), target_dir)?;
    tree::copy(root, &copy).with_context(|| format!("cannot copy {}", root.display()))?;
    git_apply(&copy, &patch_of(root, bug), &[])?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(&copy).env("CARGO_TARGET_DIR", target_dir);
    // The smallest test, as the test command builds tests: with the same features of all crates. It
    // comes with the program.
    build.args(["test", "--locked", "--workspace", "--no-run", "--test", "tidy"]);
    run(&mut build).with_context(|| format!("bug {} does not build", bug.label()))?;
    let folder = target_dir.join("bugs").join(bug.label());
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (built, program) = (target_dir.join("debug/statekeeper"), folder.join("statekeeper"));
    // The next build writes over cargo's own. A program that still runs can only be replaced.
    let new = folder.join("statekeeper.new");
    fs::copy(&built, &new).with_context(|| format!("cannot copy {}", built.display()))?;
    fs::rename(&new, &program).with_context(|| format!("cannot rename {}", new.display()))?;
    Ok(program)
}

fn patch_of(root: &Path, bug: &Bug) -> PathBuf {
    root.join(FOLDER).join(&bug.patch)
}

fn git_apply(tree: &Path, patch: &Path, options: &[&str]) -> anyhow::Result<()> {
    let patch = fs::canonicalize(patch).with_context(|| format!("no {}", patch.display()))?;
    let tree = fs::canonicalize(tree).with_context(|| format!("no {}", tree.display()))?;
    let mut apply = Command::new("git");
    // A copy may lie in another repository, below whose root git would look for the files.
    apply.env("GIT_CEILING_DIRECTORIES", tree.parent().map_or(OsStr::new("/"), Path::as_os_str));
    apply.current_dir(&tree).arg("apply").args(options).arg(&patch);
    run(&mut apply).with_context(|| format!("{} does not apply", patch.display()))
}

/// Runs a command to its end; an error holds what it said.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
