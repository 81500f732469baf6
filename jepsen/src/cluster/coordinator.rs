//! Stand-ins for openLooKeng's coordinators: beside each node, in its network, something answers
//! `GET /v1/info` until it dies.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::net::{End, Net};
use super::{Setup, name};

const PORT: u16 = 8080;
/// A connection over which nothing comes holds up the next one so long.
const ASKED_WITHIN: Duration = Duration::from_millis(300);
/// Each connection has one answer: one that was kept would be answered when this one is dead.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\
    Connection: close\r\n\r\n{}";

/// Lines of `statekeeper.properties` of a node with a coordinator beside it. A silence is short, so
/// that a run sees several.
pub(super) fn lines(address: Ipv4Addr) -> String {
    format!(
        "coordinator.uri=http://{address}:{PORT}\ncoordinator.check-interval=500ms\n\
         coordinator.check-timeout=3s\n"
    )
}

/// The coordinators of a run, by the numbers of their nodes.
pub struct Coordinators {
    net: Net,
    /// Its one task answers; without one it is dead.
    tasks: Vec<Mutex<JoinSet<()>>>,
}

impl Coordinators {
    /// Starts one beside each node, if the run has them.
    pub(super) fn new(setup: &Setup, net: &Net) -> anyhow::Result<Self> {
        let count = if setup.coordinators { setup.nodes + setup.spare } else { 0 };
        let tasks = (0..count).map(|_| Mutex::default()).collect();
        let coordinators = Self { net: net.clone(), tasks };
        for number in 0..count {
            coordinators.start(number)?;
        }
        Ok(coordinators)
    }

    /// Whether the run has them.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The record of this node's coordinator: host and port.
    pub fn record(&self, number: usize) -> (String, String) {
        (self.net.address(End::Node(number)).to_string(), PORT.to_string())
    }

    /// Starts one that is dead.
    ///
    /// # Errors
    /// It lives, or its address cannot be had.
    pub fn start(&self, number: usize) -> anyhow::Result<()> {
        let mut tasks = self.tasks[number].lock();
        if !tasks.is_empty() {
            bail!("the coordinator beside {} lives already", name(number));
        }
        let address = SocketAddr::new(self.net.address(End::Node(number)).into(), PORT);
        // A socket stays in the network in which it was made.
        let listener = self.net.inside(End::Node(number), move || bound(address));
        let listener = listener.and_then(|bound| bound).and_then(TcpListener::from_std);
        let listener = listener.with_context(|| format!("a coordinator at {address}"))?;
        tasks.spawn(answer_all(listener));
        Ok(())
    }

    /// Ends one. Nothing listens there when this returns.
    pub async fn kill(&self, number: usize) {
        let mut tasks = std::mem::take(&mut *self.tasks[number].lock());
        tasks.shutdown().await;
    }
}

fn bound(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Answers one connection after the other, whatever is asked.
async fn answer_all(listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Whoever asked is gone, or asks again.
        let _ = tokio::time::timeout(ASKED_WITHIN, answer(stream)).await;
    }
}

async fn answer(mut stream: TcpStream) -> io::Result<()> {
    // The question is short, and comes in one piece.
    let mut question = [0; 4096];
    if stream.read(&mut question).await? > 0 {
        stream.write_all(ANSWER).await?;
    }
    stream.shutdown().await
}
