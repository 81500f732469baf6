//! `statekeeper serve`: runs one node until it is told to stop.

use std::path::{Path, PathBuf};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use crate::config::{self, LoadOptions, Loaded};
use crate::{node, telemetry};

/// Where the files are when nothing is said.
const DEFAULT_ETC: &str = "etc";

/// Arguments of `serve`.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct ServeArgs {
    /// The folder of `state-store.properties` and its neighbours; `etc` if there is one. Without
    /// any file this is a single durable node of a cluster named `dev`.
    #[arg(long, env = "STATEKEEPER_ETC")]
    pub(super) etc: Option<PathBuf>,
    /// A setting that wins over all files, as `key=value`; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(super) set: Vec<(String, String)>,
    /// End when the process that started this one ends (used by `dev`).
    #[arg(long, hide = true)]
    pub(super) end_with_parent: bool,
}

/// Reads `key=value`.
pub(super) fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as key=value")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// What to read the configuration from. A folder that is named must be there.
pub(super) fn options(etc: Option<&Path>, set: &[(String, String)]) -> Result<LoadOptions, Exit> {
    if let Some(etc) = etc
        && !etc.is_dir()
    {
        eprintln!(
            "--etc {}: no such folder; name the one with state-store.properties",
            etc.display()
        );
        return Err(Exit::CheckFailed);
    }
    let etc = etc.unwrap_or(Path::new(DEFAULT_ETC));
    Ok(LoadOptions { overrides: set.to_vec(), ..LoadOptions::from_process(etc) })
}

/// Runs the node.
pub(super) fn run(arguments: &ServeArgs) -> Exit {
    if arguments.end_with_parent {
        end_with_parent();
    }
    let options = match options(arguments.etc.as_deref(), &arguments.set) {
        Ok(options) => options,
        Err(exit) => return exit,
    };
    let loaded = match config::load(&options) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{error}");
            return Exit::CheckFailed;
        }
    };
    if let Err(error) = telemetry::init(&loaded.config.log) {
        eprintln!("{}", super::chain(&error));
        return Exit::CheckFailed;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the threads of the node could not be started: {error}");
            return Exit::Failed;
        }
    };
    runtime.block_on(serve(loaded))
}

async fn serve(loaded: Loaded) -> Exit {
    let stop = CancellationToken::new();
    // Ended with this function.
    let mut signals = JoinSet::new();
    signals.spawn(stop_on_signal(stop.clone()));
    let ended = node::run(loaded, stop).await;
    match ended {
        Ok(()) => Exit::Done,
        Err(error) => {
            // The log may go to a file; whoever looks at the terminal must see it too.
            tracing::error!("{}", super::chain(&error));
            eprintln!("{}", super::chain(&error));
            Exit::Failed
        }
    }
}

/// Stops on the first SIGTERM or SIGINT, at once on the second.
async fn stop_on_signal(stop: CancellationToken) {
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = kinds.map(signal) else {
        tracing::warn!("signals cannot be watched: SIGTERM will end this node at once");
        return;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {
                tracing::warn!("SIGHUP: this build reads its settings at the start only");
                continue;
            }
        }
        if stop.is_cancelled() {
            std::process::exit(1);
        }
        stop.cancel();
    }
}

fn end_with_parent() {
    let terminate = Some(rustix::process::Signal::TERM);
    if let Err(error) = rustix::process::set_parent_process_death_signal(terminate) {
        eprintln!("the end of the starting process cannot be watched: {error}");
    }
}
