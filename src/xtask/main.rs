//! Programs for ourselves: `cargo xtask <verb>`.

mod setup_clients;

use clap::Parser;

/// What can be asked for.
#[derive(Parser)]
#[command(name = "cargo xtask", about = "Programs for those who work on statekeeper")]
enum Verb {
    /// Fetch the runtimes and client libraries that tests/clients/ needs.
    SetupClients,
}

fn main() -> anyhow::Result<()> {
    match Verb::parse() {
        Verb::SetupClients => setup_clients::run(),
    }
}
