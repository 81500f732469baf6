//! `statekeeper dev`: a cluster in one terminal, from generated files like an operator's own.

use std::fs;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use super::exit::Exit;

/// How long the cluster may take to be ready.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// What a node promises after SIGTERM is ten seconds for calls in flight.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// How often the nodes are asked and looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Ports tried upwards from the usual ones.
const PORTS_TRIED: u16 = 200;
/// Where nodes on one host begin to look for free ports: client, Raft, admin.
const FIRST_PORTS: [u16; 3] = [5701, 5751, 5780];

/// Arguments of `dev`.
#[derive(Args, Clone, Debug)]
pub(super) struct DevArgs {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=7))]
    pub(super) nodes: u16,
    /// Keep files and data here and find them again the next time; otherwise all goes at the end.
    #[arg(long)]
    pub(super) dir: Option<PathBuf>,
}

/// Ports of one node.
#[derive(Clone, Copy, Debug)]
struct Ports {
    client: u16,
    raft: u16,
    admin: u16,
}

/// What went wrong with the cluster of `dev`.
#[derive(Debug, thiserror::Error)]
enum DevError {
    #[error("cannot {action} {}", path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error("no free port from {0} upwards")]
    NoPort(u16),
    #[error("a node could not be started")]
    Start(#[source] io::Error),
    #[error("node {node} ended with {status}; its last lines are above")]
    Ended { node: usize, status: std::process::ExitStatus },
    #[error("the cluster was not ready within {} s; the nodes' lines are above", .0.as_secs())]
    NotReady(Duration),
    #[error("signals cannot be watched")]
    Signals(#[source] io::Error),
}

/// Runs the cluster until Ctrl-C.
pub(super) fn run(arguments: &DevArgs) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return Exit::Failed;
        }
    };
    match runtime.block_on(cluster(arguments)) {
        Ok(()) => Exit::Done,
        Err(error) => {
            eprintln!("{}", super::chain(&error));
            Exit::Failed
        }
    }
}

async fn cluster(arguments: &DevArgs) -> Result<(), DevError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(DevError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DevError::Signals)?;
    let home = Home::open(arguments.dir.as_deref())?;
    let ports = choose_ports(&home, usize::from(arguments.nodes))?;
    let mut nodes = Nodes { children: Vec::new() };
    for (index, ports) in ports.iter().enumerate() {
        let etc = write_etc(&home.path, index, *ports, usize::from(arguments.nodes))?;
        nodes.children.push(spawn(index, &etc)?);
    }
    let ready = async {
        nodes.wait_ready(&ports).await?;
        announce(&ports, arguments.dir.as_deref());
        nodes.wait_for_an_end().await
    };
    let result = tokio::select! {
        result = ready => result,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    nodes.stop().await;
    println!("stopped");
    result
}

/// Where files and data lie; removed at the end unless it was named.
struct Home {
    path: PathBuf,
    temporary: bool,
}

impl Home {
    fn open(dir: Option<&Path>) -> Result<Self, DevError> {
        let (path, temporary) = match dir {
            Some(dir) => (dir.to_owned(), false),
            None => {
                let name = format!("statekeeper-dev-{}", std::process::id());
                (std::env::temp_dir().join(name), true)
            }
        };
        fs::create_dir_all(&path).map_err(file("create", &path))?;
        let path = path.canonicalize().map_err(file("find", &path))?;
        Ok(Self { path, temporary })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.temporary {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn file<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> DevError + 'a {
    move |source| DevError::File { action, path: path.to_owned(), source }
}

/// The ports of an earlier run in the same folder, so that clients find the cluster again; else the
/// usual ones, or the next free ones.
fn choose_ports(home: &Home, nodes: usize) -> Result<Vec<Ports>, DevError> {
    let mut held = Vec::new();
    let mut next = FIRST_PORTS;
    let mut all = Vec::new();
    for index in 0..nodes {
        if let Some(ports) = ports_of_earlier_run(&home.path, index) {
            all.push(ports);
            continue;
        }
        let mut chosen = [0; 3];
        for (chosen, next) in chosen.iter_mut().zip(&mut next) {
            let first = *next;
            let free = (first..first.saturating_add(PORTS_TRIED)).find_map(|port| {
                TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok().map(|held| (port, held))
            });
            let (port, listener) = free.ok_or(DevError::NoPort(first))?;
            held.push(listener);
            *chosen = port;
            *next = port + 1;
        }
        let [client, raft, admin] = chosen;
        all.push(Ports { client, raft, admin });
    }
    Ok(all)
}

fn ports_of_earlier_run(home: &Path, index: usize) -> Option<Ports> {
    let text = fs::read_to_string(etc_of(home, index).join("statekeeper.properties")).ok()?;
    let store = fs::read_to_string(etc_of(home, index).join("state-store.properties")).ok()?;
    let port = |text: &str, key: &str| {
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
    };
    Some(Ports {
        client: port(&store, "hazelcast.discovery.port")?,
        raft: port(&text, "raft.port")?,
        admin: port(&text, "admin.port")?,
    })
}

fn etc_of(home: &Path, index: usize) -> PathBuf {
    home.join(format!("node-{}", index + 1)).join("etc")
}

/// The files of one node, the same that openLooKeng's own pages describe.
fn write_etc(home: &Path, index: usize, ports: Ports, nodes: usize) -> Result<PathBuf, DevError> {
    let etc = etc_of(home, index);
    let filesystem = etc.join("filesystem");
    fs::create_dir_all(&filesystem).map_err(file("create", &filesystem))?;
    let seed_dir = home.join("seeds");
    fs::create_dir_all(&seed_dir).map_err(file("create", &seed_dir))?;
    let Ports { client, raft, admin } = ports;
    let data = home.join(format!("node-{}", index + 1)).join("data");
    let files = [
        (
            "state-store.properties",
            format!(
                "state-store.type=hazelcast\nstate-store.name=dev\nstate-store.cluster=dev\n\
                 hazelcast.discovery.mode=tcp-ip\nhazelcast.discovery.port={client}\n"
            ),
        ),
        (
            "seed-store.properties",
            format!(
                "seed-store.type=filebased\nseed-store.cluster=dev\n\
                 seed-store.filesystem.profile=local-config-default\n\
                 seed-store.filesystem.seed-dir={}\n",
                seed_dir.display()
            ),
        ),
        ("filesystem/local-config-default.properties", "fs.client.type=local\n".to_owned()),
        (
            "config.properties",
            "coordinator=false\nhetu.embedded-state-store.enabled=false\n".to_owned(),
        ),
        (
            "node.properties",
            format!(
                "node.environment=dev\nnode.id=dev-{}\nnode.internal-address=127.0.0.1\n",
                index + 1
            ),
        ),
        (
            "statekeeper.properties",
            format!(
                "node.bind=127.0.0.1\nnode.advertise=127.0.0.1\nraft.port={raft}\n\
                 admin.port={admin}\nraft.bootstrap-expect={nodes}\nstorage.data-dir={}\n",
                data.display()
            ),
        ),
    ];
    for (name, text) in files {
        let path = etc.join(name);
        fs::write(&path, text).map_err(file("write", &path))?;
    }
    Ok(etc)
}

/// Starts a node; its lines are shown with its number in front.
fn spawn(index: usize, etc: &Path) -> Result<Child, DevError> {
    let program = std::env::current_exe().map_err(DevError::Start)?;
    let mut child = Command::new(program)
        .args(["serve", "--end-with-parent", "--etc"])
        .arg(etc)
        // Ctrl-C goes to this process alone, which then stops the nodes in an orderly way.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(DevError::Start)?;
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || copy_lines(index, stdout));
    }
    if let Some(stderr) = child.stderr.take() {
        std::thread::spawn(move || copy_lines(index, stderr));
    }
    Ok(child)
}

fn copy_lines(index: usize, from: impl io::Read) {
    let colour = 31 + u8::try_from(index % 6).unwrap_or(0);
    let coloured = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    for line in BufReader::new(from).lines().map_while(Result::ok) {
        if coloured {
            println!("\x1b[{colour}mnode-{}\x1b[0m  {line}", index + 1);
        } else {
            println!("node-{}  {line}", index + 1);
        }
    }
}

fn announce(ports: &[Ports], dir: Option<&Path>) {
    let clients: Vec<String> = ports.iter().map(|p| format!("127.0.0.1:{}", p.client)).collect();
    println!();
    println!("cluster   dev, {} nodes, ready", ports.len());
    println!("clients   {}", clients.join("  "));
    for ports in ports {
        println!("admin     http://127.0.0.1:{}/v1/cluster", ports.admin);
    }
    match dir {
        Some(dir) => println!("data      {}, kept", dir.display()),
        None => println!("data      removed at the end; keep it with --dir"),
    }
    println!("stop      Ctrl-C");
    println!();
}

/// The running nodes; killed when dropped, so that no way out leaves one behind.
struct Nodes {
    children: Vec<Child>,
}

impl Nodes {
    async fn wait_ready(&mut self, ports: &[Ports]) -> Result<(), DevError> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .timeout(Duration::from_secs(2))
            .build()
            .map_err(|error| DevError::Start(io::Error::other(error)))?;
        let deadline = Instant::now() + READY_TIMEOUT;
        for ports in ports {
            let url = format!("http://127.0.0.1:{}/readyz", ports.admin);
            while !client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                self.check_alive()?;
                if Instant::now() > deadline {
                    return Err(DevError::NotReady(READY_TIMEOUT));
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
        Ok(())
    }

    /// A node may be killed to see what happens; the cluster goes on while one lives.
    async fn wait_for_an_end(&mut self) -> Result<(), DevError> {
        let mut told = vec![false; self.children.len()];
        loop {
            let mut last = None;
            let mut alive = false;
            for (node, child) in self.children.iter_mut().enumerate() {
                match child.try_wait() {
                    Ok(Some(status)) => {
                        if !std::mem::replace(&mut told[node], true) {
                            println!("node-{} ended with {status}", node + 1);
                        }
                        last = Some((node + 1, status));
                    }
                    Ok(None) | Err(_) => alive = true,
                }
            }
            if let (false, Some((node, status))) = (alive, last) {
                return Err(DevError::Ended { node, status });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn check_alive(&mut self) -> Result<(), DevError> {
        for (node, child) in self.children.iter_mut().enumerate() {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(DevError::Ended { node: node + 1, status });
            }
        }
        Ok(())
    }

    /// All at once: what was acknowledged is on every disk, and there is nobody to hand over to.
    async fn stop(&mut self) {
        for child in &self.children {
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        for child in &mut self.children {
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
