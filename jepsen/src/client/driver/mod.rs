//! Unmodified clients in a child process, one operation a line: `drivers/README.md` has the lines.
//!
//! The child maps nothing: it answers the class of an exception, and the one table says what that
//! means.

mod client;
mod command;
mod lines;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tokio::process::Child;
use tokio::task::JoinSet;

pub use client::DriverClient;
use lines::Lines;

use super::{Effect, Failure, Outcome};

/// Which client library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The Java client of this version, 5.1 or later.
    Java(String),
    /// The Python client.
    Python,
}

/// How a driver is started, and what its clients are told.
#[derive(Clone, Debug)]
pub struct Options {
    /// The client library.
    pub kind: Kind,
    /// What stands before the command: to enter a network namespace, for instance.
    pub prefix: Vec<String>,
    /// Where its log goes.
    pub log: PathBuf,
    /// The cluster that is asked for.
    pub cluster_name: String,
    /// Connections to all nodes, each key by its partition's owner; else one connection.
    pub smart: bool,
    /// How long the client itself repeats what it may repeat; whole seconds.
    pub invocation_timeout: Duration,
    /// Interval of the client's heartbeats.
    pub heartbeat_interval: Duration,
    /// How long a node may be silent until the client gives its connection up.
    pub heartbeat_timeout: Duration,
}

impl Options {
    /// The settings of a counted run: one connection, soon given up.
    pub fn new(kind: Kind, cluster_name: &str, log: PathBuf) -> Self {
        Self {
            kind,
            prefix: Vec::new(),
            log,
            cluster_name: cluster_name.to_owned(),
            smart: false,
            invocation_timeout: Duration::from_secs(2),
            heartbeat_interval: Duration::from_secs(1),
            heartbeat_timeout: Duration::from_secs(5),
        }
    }
}

/// A child process with clients in it; it is killed when this is dropped.
pub struct Driver {
    options: Options,
    lines: Arc<Lines>,
    child: Child,
    /// Read and write the child's lines; they end with this.
    _tasks: JoinSet<()>,
}

impl Driver {
    /// Starts the program; no client is in it yet.
    ///
    /// # Errors
    /// A runtime or a client library is missing, or the process cannot be started.
    pub fn start(options: Options) -> anyhow::Result<Self> {
        let mut command = command::of(&options)?;
        let program = command.as_std().get_program().to_owned();
        let mut child = command.spawn().with_context(|| format!("cannot start {program:?}"))?;
        let input = child.stdin.take().context("a child without input")?;
        let output = child.stdout.take().context("a child without output")?;
        let mut tasks = JoinSet::new();
        let lines = Lines::begin(input, output, &mut tasks);
        Ok(Self { options, lines, child, _tasks: tasks })
    }

    /// The child's process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Starts the client of a logical process and waits until it has connected to one of these.
    ///
    /// # Errors
    /// `Fail`: it did not connect in time, or the child has ended.
    pub async fn open(
        &self,
        process: u64,
        addresses: &[SocketAddr],
        within: Duration,
    ) -> Result<DriverClient, Outcome> {
        let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        let node = addresses.join(",");
        let command = json!({
            "process": process,
            "do": "open",
            "cluster": self.options.cluster_name,
            "addresses": addresses,
            "smart": self.options.smart,
            "invocation_timeout_s": self.options.invocation_timeout.as_secs().max(1),
            "heartbeat_interval_ms": millis(self.options.heartbeat_interval),
            "heartbeat_timeout_ms": millis(self.options.heartbeat_timeout),
            "within": millis(within),
        });
        let mut client = DriverClient::new(Arc::clone(&self.lines), process, node);
        match client.ask(command, within).await {
            Ok(_) => Ok(client),
            Err(failure) => {
                let failure = Failure::NotSent(format!("no client: {failure}"));
                Err(failure.outcome(Effect::Read))
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The reader ends with its task and could not say it any more.
        self.lines.end();
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
