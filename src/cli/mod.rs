//! The command line: one file per verb. `serve`, `dev`, `check-config`, `doctor` and `seed` run
//! here; all others ask a node's admin API over HTTP, and know nothing but what it answers.

mod answer;
mod api;
mod check_config;
mod confirm;
mod dev;
mod doctor;
mod duration;
mod error;
mod exit;
mod files;
mod lock;
mod map;
mod node;
mod output;
mod seed;
mod serve;
mod session;
mod status;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use exit::Exit;
use output::Format;
use session::Session;

/// The program's arguments.
#[derive(Debug, Parser)]
#[command(name = "statekeeper", version, about)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Flags of all verbs; those that run a node do not look at them.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of verbs that ask a node")]
struct Global {
    /// Admin address of a node; may be given several times, all are tried.
    #[arg(
        long,
        global = true,
        env = "STATEKEEPER_ENDPOINT",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:5780"
    )]
    endpoint: Vec<String>,
    /// What is printed; a table on a terminal, else JSON.
    #[arg(long, global = true, env = "STATEKEEPER_OUTPUT", value_enum)]
    output: Option<Format>,
    /// How long to wait for an answer.
    #[arg(
        long,
        global = true,
        env = "STATEKEEPER_TIMEOUT",
        value_parser = duration::parse,
        default_value = "10s"
    )]
    timeout: Duration,
    /// Do not ask before something is destroyed.
    #[arg(
        long,
        global = true,
        env = "STATEKEEPER_YES",
        value_parser = clap::builder::FalseyValueParser::new()
    )]
    yes: bool,
    /// Show what would be done, and do nothing.
    #[arg(
        long,
        global = true,
        env = "STATEKEEPER_DRY_RUN",
        value_parser = clap::builder::FalseyValueParser::new()
    )]
    dry_run: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a node.
    Serve(serve::ServeArgs),
    /// Run a cluster in this terminal, to try it out.
    Dev(dev::DevArgs),
    /// Show every error and warning of the configuration.
    CheckConfig(check_config::CheckConfigArgs),
    /// Find out why a node or a cluster does not come up; the node may be down.
    Doctor(doctor::DoctorArgs),
    /// Show quorum, leader, nodes and alarms.
    Status(status::StatusArgs),
    /// Look at maps and change their records.
    Map(map::MapArgs),
    /// Look at fenced locks and release one.
    Lock(lock::LockArgs),
    /// Look at nodes and change the membership.
    Node(node::NodeArgs),
    /// Look at the seed directory, ask at its seeds, and remove the dead ones.
    Seed(seed::SeedArgs),
}

/// Does what the arguments of the process say.
pub fn main() -> ExitCode {
    // Every HTTP client asks for it, also those that never speak TLS. Nobody was here before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Cli { global, verb } = Cli::parse();
    match verb {
        Verb::Serve(arguments) => serve::run(&arguments),
        Verb::Dev(arguments) => dev::run(&arguments),
        Verb::CheckConfig(arguments) => check_config::run(&arguments),
        Verb::Doctor(arguments) => {
            run(&global, async |format| doctor::run(&global, format, &arguments).await)
        }
        Verb::Seed(arguments) => {
            run(&global, async |format| seed::run(&global, format, &arguments).await)
        }
        Verb::Status(arguments) => {
            ask(&global, async |session| status::run(&session, &arguments).await)
        }
        Verb::Map(arguments) => ask(&global, async |session| map::run(&session, arguments).await),
        Verb::Lock(arguments) => ask(&global, async |session| lock::run(&session, arguments).await),
        Verb::Node(arguments) => ask(&global, async |session| node::run(&session, arguments).await),
    }
    .into()
}

/// Runs a verb that talks to a node.
fn ask(global: &Global, verb: impl AsyncFnOnce(Session) -> Result<(), error::CliError>) -> Exit {
    run(global, async |_| {
        verb(Session::new(global)?).await?;
        Ok(Exit::Done)
    })
}

/// Runs a verb, and tells why it ended without what was asked.
fn run(global: &Global, verb: impl AsyncFnOnce(Format) -> Result<Exit, error::CliError>) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {}", chain(&error));
            return Exit::Failed;
        }
    };
    runtime.block_on(async {
        let format = Format::chosen(global.output);
        match verb(format).await {
            Ok(exit) => exit,
            Err(error) => {
                error.print(format);
                error.exit()
            }
        }
    })
}

/// An error with all its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}
