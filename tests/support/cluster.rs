//! Nodes as processes: started, killed, started again, and all ended when dropped.

use super::files::{self, Discovery};
use super::gate::{self, Pass};
use super::network::Network;
use super::peer::Peer;
use super::site::{ClientPort, Ports, Site, USUAL_PORTS};
use super::{http, tail, wait_for, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A real member takes some ten seconds on two busy cores.
const READY_TIMEOUT: Duration = Duration::from_secs(90);
const LEADER_TIMEOUT: Duration = Duration::from_secs(20);
/// What a node promises after SIGTERM is ten seconds for calls in flight.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// A start that is refused is refused soon.
const REFUSED_START_TIMEOUT: Duration = Duration::from_secs(30);
/// A free port may be taken between finding and using it.
const START_ATTEMPTS: usize = 3;
/// What clients of these clusters ask for.
pub(crate) const CLUSTER_NAME: &str = "client-tests";

/// What kind of cluster a test wants.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    size: usize,
    settings: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    discovery: Kind,
    networks: Networks,
    /// In networks of their own, where every port is free.
    client_port: ClientPort,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    StaticSeeds,
    SeedDirectory,
    Multicast,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Networks {
    Loopback(IpAddr),
    /// A namespace for each node; between nodes another network than to clients.
    Apart,
    /// As `Apart`, and every node goes by a name.
    Named,
    /// As `Apart`, and the node listens between the nodes only: clients reach another address and
    /// another port, which are translated.
    Translated,
    /// A namespace for each node and one network for everything.
    Flat,
}

/// What clients use with `Networks::Translated`.
const TRANSLATED_PORT: u16 = 15701;

impl Plan {
    /// So many nodes on the loopback address that know each other's addresses.
    pub(crate) fn of(size: usize) -> Plan {
        let networks = Networks::Loopback(Ipv4Addr::LOCALHOST.into());
        let discovery = Kind::StaticSeeds;
        let (settings, environment) = (Vec::new(), Vec::new());
        let client_port = USUAL_PORTS.client;
        Plan { size, settings, environment, discovery, networks, client_port }
    }

    /// A line of `statekeeper.properties`.
    pub(crate) fn with(mut self, key: &str, value: &str) -> Plan {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// A variable of the environment that each node is started with.
    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> Plan {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The nodes meet through a seed directory.
    pub(crate) fn with_seed_directory(mut self) -> Plan {
        self.discovery = Kind::SeedDirectory;
        self
    }

    /// The nodes meet through datagrams, each in a network of its own.
    pub(crate) fn with_multicast(mut self) -> Plan {
        (self.discovery, self.networks) = (Kind::Multicast, Networks::Flat);
        self
    }

    /// `hazelcast.discovery.port` of nodes that have a network of their own.
    pub(crate) fn with_client_port(mut self, port: u16) -> Plan {
        self.client_port = ClientPort(port);
        self
    }

    /// Each node has a network of its own and can be cut off from the others.
    pub(crate) fn in_namespaces(mut self) -> Plan {
        self.networks = Networks::Apart;
        self
    }

    /// The nodes live on the loopback address of IPv6.
    pub(crate) fn on_ipv6(mut self) -> Plan {
        self.networks = Networks::Loopback(Ipv6Addr::LOCALHOST.into());
        self
    }

    /// As `in_namespaces`; nodes are told of each other by names, `Cluster::move_named` moves one.
    pub(crate) fn with_names(mut self) -> Plan {
        self.networks = Networks::Named;
        self
    }

    /// As `in_namespaces`; clients reach the nodes at addresses that are translated.
    pub(crate) fn behind_translation(mut self) -> Plan {
        self.networks = Networks::Translated;
        self
    }

    /// Folders and files of a cluster none of whose nodes runs.
    pub(crate) fn prepare(&self) -> Cluster {
        let pass = gate::shared();
        let dir = tempfile::tempdir().unwrap();
        let network = match self.networks {
            Networks::Loopback(_) => None,
            Networks::Apart | Networks::Named | Networks::Translated | Networks::Flat => {
                Some(Network::new(self.size + SPARE_HOSTS))
            }
        };
        let discovery = match self.discovery {
            Kind::StaticSeeds => Discovery::StaticSeeds,
            Kind::SeedDirectory => Discovery::SeedDirectory(dir.path().join("seeds")),
            Kind::Multicast => Discovery::Multicast,
        };
        let mut cluster = Cluster {
            peer: Peer::chosen(),
            nodes: Vec::new(),
            settings: self.settings.clone(),
            environment: self.environment.clone(),
            discovery,
            networks: self.networks,
            client_port: self.client_port,
            network,
            dir,
            _pass: pass,
        };
        for i in 0..self.size {
            let site = cluster.make_site(i);
            cluster.nodes.push(Node { site, process: None });
        }
        (0..self.size).for_each(|i| cluster.write_files(i, &cluster.sites()));
        if self.networks == Networks::Named {
            cluster.write_names();
        }
        cluster
    }

    /// Starts all nodes and waits until each serves clients.
    pub(crate) fn start(&self) -> Cluster {
        let mut failure = String::new();
        for _ in 0..START_ATTEMPTS {
            let mut cluster = self.prepare();
            (0..self.size).for_each(|i| cluster.spawn(i));
            match cluster.wait_ready() {
                Ok(()) => return cluster,
                Err(error) if error.contains("in use") => failure = error,
                Err(error) => panic!("{error}\n{}", cluster.logs()),
            }
        }
        panic!("no free ports in {START_ATTEMPTS} attempts: {failure}");
    }
}

fn name_of(i: usize) -> String {
    format!("node-{i}.statekeeper.test")
}

/// Hosts for nodes that are added later, for clients and for coordinators.
const SPARE_HOSTS: usize = 2;

struct Node {
    site: Site,
    process: Option<Child>,
}

/// A cluster; its processes end when it is dropped.
pub(crate) struct Cluster {
    peer: Peer,
    nodes: Vec<Node>,
    settings: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    discovery: Discovery,
    networks: Networks,
    client_port: ClientPort,
    network: Option<Network>,
    dir: TempDir,
    _pass: Pass,
}

impl Cluster {
    /// Starts nodes and waits until each serves clients.
    pub(crate) fn start(size: usize) -> Cluster {
        Plan::of(size).start()
    }

    /// As `start`, with lines for `statekeeper.properties`.
    pub(crate) fn start_with(size: usize, settings: &[(&str, &str)]) -> Cluster {
        let plan = Plan::of(size);
        settings.iter().fold(plan, |plan, (key, value)| plan.with(key, value)).start()
    }

    /// Whether the nodes are real Hazelcast members.
    pub(crate) fn is_hazelcast(&self) -> bool {
        self.peer == Peer::Hazelcast
    }

    /// How many nodes it has, running or not.
    pub(crate) fn size(&self) -> usize {
        self.nodes.len()
    }

    /// Where a node lives.
    pub(crate) fn site(&self, i: usize) -> &Site {
        &self.nodes[i].site
    }

    /// The network of its own, for a cluster that has one.
    pub(crate) fn network(&self) -> &Network {
        self.network.as_ref().expect("a cluster in namespaces")
    }

    /// The folder of everything that belongs to this cluster.
    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// The seed directory, for a cluster that has one.
    pub(crate) fn seed_directory(&self) -> PathBuf {
        match &self.discovery {
            Discovery::SeedDirectory(folder) => folder.join(CLUSTER_NAME),
            Discovery::StaticSeeds | Discovery::Multicast => panic!("no seed directory here"),
        }
    }

    /// Options that connect a client to all nodes.
    pub(crate) fn options(&self) -> Value {
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        self.options_for(&all)
    }

    /// Options that name some nodes only; a smart client learns of the others.
    pub(crate) fn options_for(&self, nodes: &[usize]) -> Value {
        let addresses: Vec<String> =
            nodes.iter().map(|i| self.client_address(*i).to_string()).collect();
        json!({"cluster": CLUSTER_NAME, "addresses": addresses})
    }

    /// The client port of a node.
    pub(crate) fn client_port(&self, i: usize) -> u16 {
        self.nodes[i].site.ports.client.0
    }

    /// Where clients reach a node.
    pub(crate) fn client_address(&self, i: usize) -> SocketAddr {
        self.nodes[i].site.client_address()
    }

    /// Where clients reach each node.
    pub(crate) fn client_addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.site.client_address()).collect()
    }

    /// The process of a running node.
    pub(crate) fn pid(&self, i: usize) -> u32 {
        self.nodes[i].process.as_ref().expect("a running node").id()
    }

    /// What a node has written so far, in all its lives.
    pub(crate) fn log(&self, i: usize) -> String {
        let bytes = fs::read(self.nodes[i].site.log()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A route of a node's admin API that answers 200.
    pub(crate) fn admin(&self, i: usize, path: &str) -> Value {
        let address = self.nodes[i].site.admin_address();
        let (status, body) = http::get(address, path).expect("an answer of the admin API");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// One request to a node's admin API: its status and JSON.
    pub(crate) fn ask_admin(
        &self,
        i: usize,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let address = self.nodes[i].site.admin_address();
        let answer = http::request(method, address, path, &[], body);
        let (status, body) = answer.expect("an answer of the admin API");
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    /// The id of a running node, as the admin API writes it.
    pub(crate) fn node_id(&self, i: usize) -> Value {
        self.admin(i, "/v1/info")["node_id"].clone()
    }

    /// The nodes that run.
    pub(crate) fn running(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|i| self.nodes[*i].process.is_some()).collect()
    }

    /// The node that leads, as the living nodes say; waits through an election.
    pub(crate) fn leader(&self) -> usize {
        self.leader_among(&self.running())
    }

    /// The node that these nodes take for the leader, one of them.
    pub(crate) fn leader_among(&self, asked: &[usize]) -> usize {
        wait_for("a leader", LEADER_TIMEOUT, || {
            let says = |i: &usize, candidate: &usize| {
                self.peer.is_leader(&self.nodes[*i].site, &self.nodes[*candidate].site)
            };
            asked.iter().find(|candidate| asked.iter().any(|i| says(i, candidate))).copied()
        })
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

    /// SIGKILL to all nodes before any of them is waited for.
    pub(crate) fn kill_all(&mut self) {
        for node in &mut self.nodes {
            if let Some(process) = node.process.as_mut() {
                let _ = process.kill();
            }
        }
        (0..self.nodes.len()).for_each(|i| self.kill(i));
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

    /// Starts a node that must refuse to run; its exit code and what it wrote in this life.
    pub(crate) fn refused_start(&mut self, i: usize) -> (ExitStatus, String) {
        let before = self.log(i).len();
        self.spawn(i);
        let mut process = self.nodes[i].process.take().expect("a node that was just started");
        let deadline = Instant::now() + REFUSED_START_TIMEOUT;
        let status = loop {
            if let Some(status) = process.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                let _ = process.kill();
                let _ = process.wait();
                panic!("node {i} started although it must not:\n{}", &self.log(i)[before..]);
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        (status, self.log(i)[before..].to_owned())
    }

    /// Whether a running node says that it serves clients.
    pub(crate) fn is_ready(&self, i: usize) -> bool {
        self.peer.is_ready(&self.nodes[i].site)
    }

    /// Waits until every running node serves clients.
    pub(crate) fn wait_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + READY_TIMEOUT;
        for (i, node) in self.nodes.iter_mut().enumerate() {
            let Some(process) = node.process.as_mut() else { continue };
            while !self.peer.is_ready(&node.site) {
                if let Some(status) = process.try_wait().unwrap() {
                    let log = tail(&node.site.log(), 20);
                    return Err(format!("node {i} ended with {status}: {log}"));
                }
                if Instant::now() > deadline {
                    return Err(format!("node {i} not ready within {READY_TIMEOUT:?}"));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// Gives a node that goes by a name another address among the nodes, which the others learn
    /// from the name alone.
    pub(crate) fn move_named(&mut self, i: usize) {
        self.nodes[i].site.peer_host = self.network().move_peer(i);
        self.write_names();
    }

    fn write_names(&self) {
        let names = self.nodes.iter().enumerate();
        let names: Vec<_> = names.map(|(i, node)| (name_of(i), node.site.peer_host)).collect();
        self.network().name(&names);
    }

    /// Files for one more node, which does not run yet; the others' files stay as they are.
    pub(crate) fn add_site(&mut self) -> usize {
        let i = self.nodes.len();
        let site = self.make_site(i);
        self.nodes.push(Node { site, process: None });
        let all = self.sites();
        self.write_files(i, &all);
        i
    }

    /// Starts a node on the files in its folder.
    pub(crate) fn spawn(&mut self, i: usize) {
        let command = self.peer.command(CLUSTER_NAME, &self.nodes[i].site, &self.sites());
        let node = &mut self.nodes[i];
        let mut command: Command = match &node.site.namespace {
            None => command,
            Some(namespace) => namespace.wrap(&command),
        };
        // One file for all lives of a node, except where its last line tells of readiness.
        let log = File::options()
            .create(true)
            .append(self.peer == Peer::Statekeeper)
            .write(true)
            .open(node.site.log())
            .unwrap();
        let process = command
            .current_dir(&node.site.home)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            // A member ends with its input: a test that is killed leaves none behind.
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("a node cannot be started: {error}"));
        node.process = Some(process);
    }

    /// The last lines of every node.
    pub(crate) fn logs(&self) -> String {
        let part = |(i, node): (usize, &Node)| {
            format!("--- log of node {i} ---\n{}\n", tail(&node.site.log(), 80))
        };
        self.nodes.iter().enumerate().map(part).collect()
    }

    fn sites(&self) -> Vec<Site> {
        self.nodes.iter().map(|node| node.site.clone()).collect()
    }

    fn make_site(&self, i: usize) -> Site {
        let home = self.dir.path().join(format!("node-{i}"));
        fs::create_dir_all(&home).unwrap();
        let network = match (self.networks, &self.network) {
            (Networks::Loopback(host), _) => return Site::on_loopback(host, home),
            (_, network) => network.as_ref().expect("a cluster in namespaces"),
        };
        let host = network.client_host(i);
        let site = Site {
            host,
            peer_host: if self.networks == Networks::Flat { host } else { network.peer_host(i) },
            ports: Ports { client: self.client_port, ..USUAL_PORTS },
            name: (self.networks == Networks::Named).then(|| name_of(i)),
            translated: (self.networks == Networks::Translated).then_some(TRANSLATED_PORT),
            namespace: Some(network.namespace(i)),
            home,
        };
        if site.translated.is_some() {
            let listens = SocketAddr::new(site.peer_host, site.ports.client.0);
            network.forward(i, site.client_address(), listens);
        }
        site
    }

    fn write_files(&self, i: usize, all: &[Site]) {
        let site = &self.nodes[i].site;
        files::write(site, CLUSTER_NAME, all, &self.discovery, &self.settings);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill_all();
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
            self.keep_folder();
        }
    }
}

impl Cluster {
    /// `STATEKEEPER_TEST_KEEP` keeps the folder of a failed test for a look at it.
    fn keep_folder(&mut self) {
        if std::env::var_os("STATEKEEPER_TEST_KEEP").is_some() {
            self.dir.disable_cleanup(true);
            eprintln!("kept: {}", self.dir.path().display());
        }
    }
}
