//! `statekeeper serve`: runs one node until it is told to stop.

use std::path::PathBuf;

use clap::Args;

use super::exit::Exit;

/// Arguments of `serve`.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct ServeArgs {
    /// The folder of `state-store.properties` and its neighbours.
    #[arg(long, env = "STATEKEEPER_ETC")]
    pub(super) etc: Option<PathBuf>,
    /// A setting that wins over all files, as `key=value`; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
}

/// Runs the node.
pub(super) fn run(_: &ServeArgs) -> Exit {
    eprintln!("this build cannot run a node yet");
    Exit::Failed
}
