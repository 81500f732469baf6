//! Nodes as processes: started, killed, started again, and all ended when dropped.

use super::peer::Peer;
use super::{tail, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fmt;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A real member takes some ten seconds on two busy cores.
const READY_TIMEOUT: Duration = Duration::from_secs(90);
/// What a node promises after SIGTERM is ten seconds for calls in flight.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// A free port may be taken between finding and using it.
const START_ATTEMPTS: usize = 3;
const CLUSTER_NAME: &str = "client-tests";

/// The port that clients use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientPort(pub(crate) u16);

impl fmt::Display for ClientPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The ports of one node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) client: ClientPort,
    pub(crate) raft: u16,
    pub(crate) admin: u16,
}

struct Node {
    ports: Ports,
    home: PathBuf,
    process: Option<Child>,
}

/// A running cluster on the loopback address.
pub(crate) struct Cluster {
    peer: Peer,
    nodes: Vec<Node>,
    settings: Vec<(&'static str, &'static str)>,
    dir: TempDir,
}

impl Cluster {
    /// Starts nodes and waits until each serves clients.
    pub(crate) fn start(size: usize) -> Cluster {
        Cluster::start_with(size, &[])
    }

    /// As `start`, with lines for `statekeeper.properties`.
    pub(crate) fn start_with(size: usize, settings: &[(&'static str, &'static str)]) -> Cluster {
        let mut failure = String::new();
        for _ in 0..START_ATTEMPTS {
            let mut cluster = Cluster {
                peer: Peer::chosen(),
                nodes: Vec::new(),
                settings: settings.to_vec(),
                dir: tempfile::tempdir().unwrap(),
            };
            for (i, ports) in free_ports(size).into_iter().enumerate() {
                let home = cluster.dir.path().join(format!("node-{i}"));
                fs::create_dir_all(&home).unwrap();
                cluster.nodes.push(Node { ports, home, process: None });
            }
            (0..size).for_each(|i| cluster.spawn(i));
            match cluster.wait_ready() {
                Ok(()) => return cluster,
                Err(error) if error.contains("in use") => failure = error,
                Err(error) => panic!("{error}\n{}", cluster.logs()),
            }
        }
        panic!("no free ports in {START_ATTEMPTS} attempts: {failure}");
    }

    /// Whether the nodes are real Hazelcast members.
    pub(crate) fn is_hazelcast(&self) -> bool {
        self.peer == Peer::Hazelcast
    }

    /// Options that connect a client to all nodes.
    pub(crate) fn options(&self) -> Value {
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        self.options_for(&all)
    }

    /// Options that name some nodes only; a smart client learns of the others.
    pub(crate) fn options_for(&self, nodes: &[usize]) -> Value {
        let addresses: Vec<String> =
            nodes.iter().map(|i| format!("127.0.0.1:{}", self.nodes[*i].ports.client)).collect();
        json!({"cluster": CLUSTER_NAME, "addresses": addresses})
    }

    /// The client port of a node.
    pub(crate) fn client_port(&self, i: usize) -> u16 {
        self.nodes[i].ports.client.0
    }

    /// The node that leads, as the living nodes say; waits through an election.
    pub(crate) fn leader(&self) -> usize {
        let mut leader = None;
        wait_until("a leader", Duration::from_secs(20), || {
            let living: Vec<usize> =
                (0..self.nodes.len()).filter(|i| self.nodes[*i].process.is_some()).collect();
            leader = living.iter().copied().find(|candidate| {
                let ports = self.nodes[*candidate].ports;
                living.iter().any(|asked| self.peer.is_leader(self.nodes[*asked].ports, ports))
            });
            leader.is_some()
        });
        leader.expect("the wait above ends with a leader")
    }

    /// A node that follows.
    pub(crate) fn follower(&self) -> usize {
        let leader = self.leader();
        (0..self.nodes.len()).find(|i| *i != leader).expect("a cluster of several nodes")
    }

    /// SIGKILL, as a crash of the machine's process.
    pub(crate) fn kill(&mut self, i: usize) {
        if let Some(mut process) = self.nodes[i].process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// SIGTERM, and waits for the orderly end.
    pub(crate) fn stop(&mut self, i: usize) {
        let mut process = self.nodes[i].process.take().expect("a running node");
        kill_process(Pid::from_child(&process), Signal::TERM).unwrap();
        let mut status = None;
        wait_until("the end of a stopped node", STOP_TIMEOUT, || {
            status = process.try_wait().unwrap();
            status.is_some()
        });
        if !self.is_hazelcast() {
            assert!(status.is_some_and(|s| s.success()), "SIGTERM ends with 0, not {status:?}");
        }
    }

    /// Starts a node again on its own data; `wait_ready` tells when it serves.
    pub(crate) fn restart(&mut self, i: usize) {
        self.spawn(i);
    }

    /// Waits until every running node serves clients.
    pub(crate) fn wait_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + READY_TIMEOUT;
        for (i, node) in self.nodes.iter_mut().enumerate() {
            let Some(process) = node.process.as_mut() else { continue };
            let log = node.home.join("log");
            while !self.peer.is_ready(node.ports, &log) {
                if let Some(status) = process.try_wait().unwrap() {
                    return Err(format!("node {i} ended with {status}: {}", tail(&log, 20)));
                }
                if Instant::now() > deadline {
                    return Err(format!("node {i} not ready within {READY_TIMEOUT:?}"));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    fn spawn(&mut self, i: usize) {
        let all: Vec<Ports> = self.nodes.iter().map(|node| node.ports).collect();
        let node = &mut self.nodes[i];
        // One file for all lives of a node, except where its last line tells of readiness.
        let log = File::options()
            .create(true)
            .append(self.peer == Peer::Statekeeper)
            .write(true)
            .open(node.home.join("log"))
            .unwrap();
        let mut command =
            self.peer.command(&node.home, CLUSTER_NAME, node.ports, &all, &self.settings);
        let process = command
            .current_dir(&node.home)
            // A member ends with its input: a test that is killed leaves none behind.
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("a node cannot be started: {error}"));
        node.process = Some(process);
    }

    fn logs(&self) -> String {
        let part = |(i, node): (usize, &Node)| {
            format!("--- log of node {i} ---\n{}\n", tail(&node.home.join("log"), 80))
        };
        self.nodes.iter().enumerate().map(part).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        (0..self.nodes.len()).for_each(|i| self.kill(i));
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
    }
}

/// Ports that were free a moment ago: all are held at once, so that no two are the same.
fn free_ports(nodes: usize) -> Vec<Ports> {
    let held: Vec<TcpListener> =
        (0..nodes * 3).map(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap()).collect();
    let ports: Vec<u16> = held.iter().map(|l| l.local_addr().unwrap().port()).collect();
    ports.chunks(3).map(|p| Ports { client: ClientPort(p[0]), raft: p[1], admin: p[2] }).collect()
}
