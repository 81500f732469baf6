//! `statekeeper check-config`: every error and warning of the configuration, without starting.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::exit;
use super::serve::options;
use crate::config::{self, Severity};

/// Arguments of `check-config`.
#[derive(Args, Clone, Debug)]
pub struct CheckConfigArgs {
    /// The folder of `state-store.properties` and its neighbours; `etc` if there is one.
    #[arg(long, env = "STATEKEEPER_ETC")]
    pub etc: Option<PathBuf>,
}

/// Prints all findings; any of them, a warning too, gives exit code 6.
pub(super) fn run(arguments: &CheckConfigArgs) -> ExitCode {
    if let Some(etc) = &arguments.etc
        && !etc.is_dir()
    {
        eprintln!("--etc {}: no such folder; name the one with state-store.properties", etc.display());
        return exit::CHECK_FAILED;
    }
    let findings = config::check(&options(arguments.etc.as_deref(), &[]));
    for finding in &findings {
        println!("{finding}");
    }
    let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
    println!("{} errors, {} warnings", count(Severity::Error), count(Severity::Warning));
    if findings.is_empty() { exit::DONE } else { exit::CHECK_FAILED }
}
