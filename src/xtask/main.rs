//! Programs for ourselves, one file per verb: `cargo xtask <verb>`.

mod protocol_check;
mod setup_clients;

use clap::Parser;

/// What can be asked for.
#[derive(Parser)]
#[command(name = "cargo xtask", about = "Programs for those who work on statekeeper")]
enum Verb {
    /// Compare the message table with a checkout of the published protocol definitions.
    ProtocolCheck(protocol_check::Arguments),
    /// Fetch the runtimes and client libraries that tests/clients/ needs.
    SetupClients,
}

fn main() -> anyhow::Result<()> {
    match Verb::parse() {
        Verb::ProtocolCheck(arguments) => protocol_check::run(&arguments),
        Verb::SetupClients => setup_clients::run(),
    }
}
