//! `cargo xtask verify`: everything that needs neither network nor other programs. Never writes
//! outside `target/`.

use std::process::{Command, ExitCode};
use std::time::Duration;

use crate::repository::cargo;
use crate::stages::Stages;
use crate::{dependencies, docs, test};

/// A run by itself; building everything for the first time included.
const RUN_LIMIT: Duration = Duration::from_secs(40 * 60);
const SHORT: Duration = Duration::from_secs(2 * 60);
/// Dependencies are built twice: to check our code, and to run it.
const BUILD: Duration = Duration::from_secs(18 * 60);
const TESTS: Duration = Duration::from_secs(10 * 60);

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let mut stages = Stages::begin(RUN_LIMIT)?;
    add_to(&mut stages)?;
    Ok(stages.end())
}

/// The stages, cheapest first, so that a slip is told early.
pub(crate) fn add_to(stages: &mut Stages) -> anyhow::Result<()> {
    stages.command("format", SHORT, cargo("fmt", &["--all", "--check"]));
    stages.step("dependencies", dependencies::check);
    stages.step("generated pages", docs::check);
    stages.command("lints", BUILD, lints(&[]));
    stages.command("lints failpoints", BUILD, lints(&["--features", "statekeeper/failpoints"]));
    stages.command("lints of suites", BUILD, suite_lints()?);
    stages.command("docs", BUILD, documentation());
    stages.command("build", BUILD, cargo("test", &["--workspace", "--no-run", "--tests"]));
    stages.command("tidy", TESTS, cargo("test", &["--workspace", "--test", "tidy"]));
    stages.command("unit tests", TESTS, cargo("test", &["--workspace", "--lib", "--bins"]));
    stages.command("doc tests", TESTS, cargo("test", &["--workspace", "--doc"]));
    Ok(())
}

fn lints(features: &[&str]) -> Command {
    let mut command = cargo("clippy", &["--workspace", "--all-targets"]);
    command.args(features).args(["--", "-D", "warnings"]);
    command
}

/// `--all-targets` leaves out those that a plain `cargo test` does not run.
fn suite_lints() -> anyhow::Result<Command> {
    let mut command = cargo("clippy", &["--workspace"]);
    for suite in test::suites()? {
        command.args(["--test", &suite]);
    }
    command.args(["--", "-D", "warnings"]);
    Ok(command)
}

fn documentation() -> Command {
    let mut command = cargo("doc", &["--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}
