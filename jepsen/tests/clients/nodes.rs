//! Nodes on the loopback address, ended when dropped.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::Instant;

pub(crate) const CLUSTER_NAME: &str = "harness-clients";
/// Sessions end soon, so that a test can wait for it.
pub(crate) const SESSION_TIME_TO_LIVE: Duration = Duration::from_secs(3);
const READY_TIMEOUT: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(30);
/// Below the range from which the system takes the ports of outgoing connections.
const FIRST_PORT: u16 = 10_000;
const LAST_PORT: u16 = 17_900;

pub(crate) struct Node {
    process: Child,
    pub(crate) client: SocketAddr,
    pub(crate) admin: SocketAddr,
}

pub(crate) struct Nodes {
    pub(crate) nodes: Vec<Node>,
    dir: TempDir,
}

impl Nodes {
    /// Starts so many nodes and waits until each serves clients.
    pub(crate) async fn start(size: usize) -> Nodes {
        let dir = tempfile::tempdir().unwrap();
        let ports: Vec<[u16; 3]> = (0..size).map(|_| [(); 3].map(|()| free_port())).collect();
        let seeds: Vec<String> = ports.iter().map(|[client, ..]| at(*client).to_string()).collect();
        let nodes = ports.iter().enumerate().map(|(i, ports)| {
            let home = dir.path().join(format!("node-{i}"));
            spawn(&home, *ports, &seeds.join(","))
        });
        let nodes = nodes.collect();
        let mut nodes = Nodes { nodes, dir };
        nodes.wait_ready().await;
        nodes
    }

    /// Where clients connect to.
    pub(crate) fn address(&self, i: usize) -> SocketAddr {
        self.nodes[i].client
    }

    /// Stops a node, each of its threads.
    pub(crate) async fn pause(&self, i: usize) {
        let process = &self.nodes[i].process;
        kill_process(Pid::from_child(process), Signal::STOP).unwrap();
        let tasks = PathBuf::from(format!("/proc/{}/task", process.id()));
        let stands = |task: fs::DirEntry| {
            let state = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            state.contains("State:\tT")
        };
        while !fs::read_dir(&tasks).unwrap().flatten().all(stands) {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Lets a node go on.
    pub(crate) fn resume(&self, i: usize) {
        kill_process(Pid::from_child(&self.nodes[i].process), Signal::CONT).unwrap();
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, i: usize) {
        self.nodes[i].process.kill().unwrap();
        self.nodes[i].process.wait().unwrap();
    }

    /// A file for a driver's log.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn wait_ready(&mut self) {
        let http = reqwest_client();
        let deadline = Instant::now() + READY_TIMEOUT;
        for i in 0..self.nodes.len() {
            let url = format!("http://{}/readyz", self.nodes[i].admin);
            loop {
                let answer = http.get(&url).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    break;
                }
                let ended = self.nodes[i].process.try_wait().unwrap();
                let late = Instant::now() > deadline;
                assert!(ended.is_none() && !late, "node {i} ({ended:?}):\n{}", self.logs());
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        }
    }

    fn logs(&self) -> String {
        let texts = (0..self.nodes.len()).map(|i| {
            let log = self.dir.path().join(format!("node-{i}/log"));
            format!("--- node {i} ---\n{}", fs::read_to_string(log).unwrap_or_default())
        });
        texts.collect()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            let _ = node.process.kill();
            let _ = node.process.wait();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
            for entry in fs::read_dir(self.dir.path()).into_iter().flatten().flatten() {
                if entry.path().is_file() {
                    let text = fs::read_to_string(entry.path()).unwrap_or_default();
                    let tail: Vec<&str> = text.lines().rev().take(60).collect();
                    let tail: Vec<&str> = tail.into_iter().rev().collect();
                    eprintln!("--- {} ---\n{}", entry.path().display(), tail.join("\n"));
                }
            }
        }
    }
}

fn reqwest_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    client.timeout(Duration::from_secs(2)).build().unwrap()
}

fn spawn(home: &Path, [client, raft, admin]: [u16; 3], seeds: &str) -> Node {
    let etc = home.join("etc");
    fs::create_dir_all(&etc).unwrap();
    let write = |name: &str, text: String| fs::write(etc.join(name), text).unwrap();
    write(
        "state-store.properties",
        format!(
            "state-store.type=hazelcast\nstate-store.name=test\n\
             state-store.cluster={CLUSTER_NAME}\nhazelcast.discovery.mode=tcp-ip\n\
             hazelcast.discovery.port={client}\nhazelcast.discovery.tcp-ip.seeds={seeds}\n"
        ),
    );
    write(
        "statekeeper.properties",
        format!(
            "node.advertise=127.0.0.1\nclient.advertise=127.0.0.1:{client}\n\
             node.bind=127.0.0.1\nadmin.bind=127.0.0.1\nraft.port={raft}\nadmin.port={admin}\n\
             storage.data-dir={}\nstorage.disk-free-min=1MB\n\
             cp.session-time-to-live={}ms\ncp.session-heartbeat-interval=500ms\n",
            home.join("data").display(),
            SESSION_TIME_TO_LIVE.as_millis()
        ),
    );
    let coordinator = "coordinator=false\nhetu.embedded-state-store.enabled=false\n";
    write("config.properties", coordinator.to_owned());
    write(
        "node.properties",
        format!("node.environment=test\nnode.id=test-{client}\nnode.internal-address=127.0.0.1\n"),
    );
    let log = File::create(home.join("log")).unwrap();
    let process = Command::new(binary())
        .args(["serve", "--end-with-parent", "--etc"])
        .arg(&etc)
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    Node { process, client: at(client), admin: at(admin) }
}

/// The server of the same build as this test.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().and_then(Path::parent).unwrap().join("statekeeper");
    let missing = format!("{} is missing; run: cargo build --bin statekeeper", binary.display());
    assert!(binary.exists(), "{missing}");
    binary
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// No port is given out twice in a run, and programs that run at the same time begin elsewhere.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = LAST_PORT - FIRST_PORT;
    let start = u16::try_from(std::process::id() * 97 % u32::from(span)).unwrap();
    for _ in 0..span {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST_PORT + start.wrapping_add(step) % span;
        if TcpListener::bind(at(port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST_PORT} and {LAST_PORT}");
}
