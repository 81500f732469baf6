//! `statekeeper check-config`: every error and warning of the configuration, without starting.

use std::path::PathBuf;

use clap::Args;

use super::exit::Exit;
use super::serve::options;
use crate::config::{self, Severity};

/// Arguments of `check-config`.
#[derive(Args, Clone, Debug)]
pub(super) struct CheckConfigArgs {
    /// The folder of `state-store.properties` and its neighbours; `etc` if there is one.
    #[arg(long, env = "STATEKEEPER_ETC")]
    pub(super) etc: Option<PathBuf>,
}

/// Prints all findings; any of them, a warning too, gives exit code 6.
pub(super) fn run(arguments: &CheckConfigArgs) -> Exit {
    let options = match options(arguments.etc.as_deref(), &[]) {
        Ok(options) => options,
        Err(exit) => return exit,
    };
    let findings = config::check(&options);
    for finding in &findings {
        println!("{finding}");
    }
    let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
    println!("{} errors, {} warnings", count(Severity::Error), count(Severity::Warning));
    if findings.is_empty() { Exit::Done } else { Exit::CheckFailed }
}
