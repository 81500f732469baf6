//! `cargo xtask test`: THE test command of README and CI. Installs what the tests need, then runs
//! `verify` and every suite. A missing runtime is a failure, never a skip.

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use crate::repository::cargo;
use crate::stages::Stages;
use crate::verify;

/// Below the 60 minutes that CI gives, so that a run that hangs still tells where.
const RUN_LIMIT: Duration = Duration::from_secs(57 * 60);
/// Packages, client libraries and their dependencies, on a slow network.
const SETUP: Duration = Duration::from_secs(15 * 60);
/// The longest suite, openLooKeng, takes its thirteen minutes on two idle cores.
const SUITE: Duration = Duration::from_secs(25 * 60);
/// The suite `verify` runs.
const IN_VERIFY: &str = "tidy";
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let mut stages = Stages::begin(RUN_LIMIT)?;
    stages.command("setup", SETUP, ourselves("setup-clients")?);
    verify::add_to(&mut stages)?;
    stages.command("storage failpoints", SUITE, storage_failpoints());
    for suite in suites()? {
        // One test after the other: each starts several processes, and some measure them.
        let arguments = ["--workspace", "--test", &suite, "--", "--test-threads", "1"];
        stages.command(&suite, SUITE, cargo("test", &arguments));
    }
    Ok(stages.end())
}

/// This program with another verb: as a process of its own it can have a time limit and a log.
fn ourselves(verb: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(verb);
    Ok(command)
}

/// The points at which a test kills the storage exist in this build only.
fn storage_failpoints() -> Command {
    let features = ["--features", "statekeeper/failpoints"];
    let mut command = cargo("test", &["--workspace", "--lib"]);
    command.args(features).arg("storage::");
    command
}

/// Every test target of the workspace: a new suite needs no entry here.
pub(crate) fn suites() -> anyhow::Result<Vec<String>> {
    let output = cargo("metadata", &["--format-version", "1", "--no-deps"])
        .output()
        .context("cannot start cargo metadata")?;
    let metadata: Value = serde_json::from_slice(&output.stdout).with_context(|| {
        format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim())
    })?;
    let mut suites = suites_in(&metadata);
    suites.retain(|suite| suite != IN_VERIFY);
    Ok(suites)
}

fn suites_in(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let mut suites: Vec<String> = targets
        .filter(|target| target["kind"][0] == "test")
        .filter_map(|target| target["name"].as_str().map(ToOwned::to_owned))
        .collect();
    suites.sort();
    suites
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_test_target_is_a_suite() {
        let metadata = json!({"packages": [
            {"targets": [{"kind": ["lib"], "name": "a"}, {"kind": ["test"], "name": "z"}]},
            {"targets": [{"kind": ["test"], "name": "b"}, {"kind": ["bench"], "name": "c"}]},
        ]});
        assert_eq!(suites_in(&metadata), ["b", "z"]);
    }
}
