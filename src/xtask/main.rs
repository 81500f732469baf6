//! Programs for ourselves, one file per verb: `cargo xtask <verb>`.
//!
//! Written in Rust so that a checkout and cargo are all one needs. Nothing here is shipped.

mod comments;
mod coverage;
mod debian;
mod dependencies;
mod docs;
mod fix;
mod process_tree;
mod protocol_check;
mod repository;
mod setup_clients;
mod soak;
mod stages;
mod test;
mod test_report;
mod verify;

use std::process::ExitCode;

use clap::Parser;

/// What can be asked for.
#[derive(Parser)]
#[command(name = "cargo xtask", about = "Programs for those who work on statekeeper")]
enum Verb {
    /// Install what the tests need, then run `verify` and every suite: the test command.
    Test,
    /// The fast part: format, lints, unit tests, tidy, docs. Never writes, needs no network.
    Verify,
    /// Format the code, wrap its comments and write the generated pages anew.
    Fix,
    /// Write the generated pages, or compare them.
    Docs(docs::Arguments),
    /// Compare the message table with a checkout of the published protocol definitions.
    ProtocolCheck(protocol_check::Arguments),
    /// Fetch the programs and client libraries that the suites of real processes need.
    SetupClients,
    /// Play ever more seeds of the simulations; prints what plays a failing one again.
    Soak(soak::Arguments),
}

fn main() -> anyhow::Result<ExitCode> {
    match Verb::parse() {
        Verb::Test => return test::run(),
        Verb::Verify => return verify::run(),
        Verb::Fix => fix::run()?,
        Verb::Docs(arguments) => docs::run(&arguments)?,
        Verb::ProtocolCheck(arguments) => protocol_check::run(&arguments)?,
        Verb::SetupClients => setup_clients::run()?,
        Verb::Soak(arguments) => soak::run(&arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}
