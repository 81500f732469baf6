//! `statekeeper dev`: a cluster in one terminal, from generated files like an operator's own.

use std::path::PathBuf;

use clap::Args;

use super::exit::Exit;

/// Arguments of `dev`.
#[derive(Args, Clone, Debug)]
pub(super) struct DevArgs {
    /// How many nodes.
    #[arg(long, default_value_t = 3)]
    pub(super) nodes: usize,
    /// Keep files and data here; otherwise all goes at the end.
    #[arg(long)]
    pub(super) dir: Option<PathBuf>,
}

/// Runs the cluster.
pub(super) fn run(_: &DevArgs) -> Exit {
    eprintln!("this build cannot run a cluster yet");
    Exit::Failed
}
