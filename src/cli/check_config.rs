//! `statekeeper check-config`: every error and warning of the configuration, without starting.

use std::path::PathBuf;

use clap::Args;

use super::exit::Exit;

/// Arguments of `check-config`.
#[derive(Args, Clone, Debug)]
pub(super) struct CheckConfigArgs {
    /// The folder of `state-store.properties` and its neighbours.
    #[arg(long, env = "STATEKEEPER_ETC")]
    pub(super) etc: Option<PathBuf>,
}

/// Checks.
pub(super) fn run(_: &CheckConfigArgs) -> Exit {
    eprintln!("this build cannot check a configuration yet");
    Exit::CheckFailed
}
