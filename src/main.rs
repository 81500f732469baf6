//! Arguments, config, run.

use std::process::ExitCode;

fn main() -> ExitCode {
    statekeeper::cli::main()
}
