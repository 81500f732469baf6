//! Installs Debian packages that tests need and that are missing.

use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// How often something is fetched before it counts as unreachable.
const FETCH_ATTEMPTS: usize = 3;

/// A command that must run, and the package that brings it.
pub(crate) struct Need {
    /// The command with arguments that make it end at once.
    pub(crate) probe: &'static [&'static str],
    /// Debian's name.
    pub(crate) package: &'static str,
}

/// Makes sure that each command runs. What is present is left alone, wherever it came from.
pub(crate) fn ensure(needs: &[Need]) -> anyhow::Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    if !runs(&["apt-get", "--version"]) || !is_root() {
        bail!("please install (these are Debian's names): {}", missing.join(" "));
    }
    fetch(|| {
        let mut command = apt_get();
        command.args(["update", "-q"]);
        command
    })?;
    fetch(|| {
        let mut command = apt_get();
        command.args(["install", "-q", "-y", "--no-install-recommends"]).args(&missing);
        command
    })?;
    let still: Vec<_> = self::missing(needs);
    if !still.is_empty() {
        bail!("installed, but the commands do not run: {}", still.join(" "));
    }
    Ok(())
}

fn missing(needs: &[Need]) -> Vec<&'static str> {
    let mut missing: Vec<&str> =
        needs.iter().filter(|need| !runs(need.probe)).map(|need| need.package).collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Runs a command that needs the network, again when it fails.
pub(crate) fn fetch(command: impl Fn() -> Command) -> anyhow::Result<()> {
    for _ in 1..FETCH_ATTEMPTS {
        if execute(&mut command()).is_ok() {
            return Ok(());
        }
    }
    execute(&mut command())
}

/// Runs a command that must succeed.
pub(crate) fn execute(command: &mut Command) -> anyhow::Result<()> {
    eprintln!("{command:?}");
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn runs(probe: &[&str]) -> bool {
    let status = Command::new(probe[0])
        .args(&probe[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_not_asked_for() {
        let there = Need { probe: &["true"], package: "coreutils" };
        let absent = Need { probe: &["no-such-command-anywhere"], package: "nowhere" };
        assert_eq!(missing(&[there, absent]), ["nowhere"]);
    }
}
