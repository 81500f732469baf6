//! The cluster of a run: real server processes, each in a network of its own, on a disk and with a
//! clock of its own where a fault needs one.
//!
//! Nothing of it has a name outside of this process: namespaces, mounts and devices are anonymous
//! and go with the last process that uses them, so that a harness that dies leaves nothing behind.

mod coordinator;
mod etc;
mod node;
mod seeds;
mod status;
mod stranger;

pub mod clock;
pub mod disk;
pub mod net;
pub mod preload;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use thiserror::Error;

pub use coordinator::Coordinators;
pub use node::{Node, Preloads};
pub use status::{Admin, Leadership, Status};
pub use stranger::Stranger;

use disk::{Disk, FileSystem};
use net::{End, Net};

/// What clients ask for.
pub const CLUSTER_NAME: &str = "jepsen";
/// A node that starts may have to wait for its neighbours and for two busy cores.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How often something is looked at that is waited for.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Room of a node's disk: snapshots and logs of minutes.
const DISK_BYTES: u64 = 768 * 1024 * 1024;

/// The servers did what they must not, or did not what they must: not the harness's failure.
#[derive(Clone, Debug, Error)]
#[error("{0}")]
pub struct Unwell(pub String);

/// What kind of cluster a run wants.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Voters at the start.
    pub nodes: usize,
    /// Nodes that may be added later.
    pub spare: usize,
    /// Addresses of clients.
    pub clients: usize,
    /// The server.
    pub binary: PathBuf,
    /// The server before an upgrade; the same in a run without one.
    pub old_binary: Option<PathBuf>,
    /// Lines of `statekeeper.properties`; a later one wins.
    pub settings: Vec<(String, String)>,
    /// Each node has a disk of its own, with this file system.
    pub disks: Option<FileSystem>,
    /// The flushes of each node can be slowed down, held and failed.
    pub flush_faults: bool,
    /// Each node has a clock of its own.
    pub clocks: bool,
    /// Nodes find each other by a seed directory, not by a list.
    pub seed_directory: bool,
    /// Beside each node is a coordinator to be registered.
    pub coordinators: bool,
    /// Where everything of the run is.
    pub folder: PathBuf,
    /// What the router's chance comes from.
    pub seed: u64,
}

/// Nodes, and the network between them and to the clients.
pub struct Cluster {
    setup: Setup,
    net: Net,
    nodes: Vec<Node>,
    admin: Admin,
    coordinators: Coordinators,
}

impl Cluster {
    /// Makes networks, disks and folders, starts the voters and waits until each serves.
    ///
    /// # Errors
    /// Something cannot be made, or a node does not serve in time; its log is named.
    pub async fn start(setup: Setup, net: Net) -> anyhow::Result<Arc<Self>> {
        let all = setup.nodes + setup.spare;
        let mut nodes = Vec::with_capacity(all);
        let local = IpAddr::V4(net.address(End::Observer));
        for number in 0..all {
            let node = Node::prepare(&setup, &net, number);
            nodes.push(node.with_context(|| format!("node {}", name(number)))?);
        }
        let admin = Admin::new(local)?;
        let coordinators = Coordinators::new(&setup, &net)?;
        let cluster = Arc::new(Self { setup, net, nodes, admin, coordinators });
        for number in 0..cluster.setup.nodes {
            cluster.node(number).start()?;
        }
        for number in 0..cluster.setup.nodes {
            cluster.wait_ready(number, READY_WITHIN).await?;
        }
        Ok(cluster)
    }

    /// What was asked for.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The network.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// A node by its number; numbers are those of this cluster's own.
    pub fn node(&self, number: usize) -> &Node {
        &self.nodes[number]
    }

    /// All nodes, spare ones last.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Where clients connect to.
    pub fn client_address(&self, node: usize) -> SocketAddr {
        SocketAddr::new(self.net.address(End::Node(node)).into(), etc::CLIENT_PORT)
    }

    /// Where the HTTP API is.
    pub fn admin_address(&self, node: usize) -> SocketAddr {
        SocketAddr::new(self.net.address(End::Node(node)).into(), etc::ADMIN_PORT)
    }

    /// Asks operators' questions, from an address that no fault touches.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// What stands beside the nodes.
    pub fn coordinators(&self) -> &Coordinators {
        &self.coordinators
    }

    /// What a node says of itself, if it answers.
    pub async fn status(&self, node: usize) -> Option<Status> {
        self.admin.status(self.admin_address(node)).await
    }

    /// The node that leads under the greatest term, if one says so.
    pub async fn leader(&self) -> Option<Leadership> {
        let answers = |node: &usize| self.node(*node).is_running() && !self.node(*node).is_paused();
        let running = (0..self.nodes.len()).filter(answers);
        let asked = running.map(|node| async move { (node, self.status(node).await) });
        let told = futures::future::join_all(asked).await;
        let leading = told.into_iter().filter_map(|(node, status)| {
            let status = status?;
            (status.role == "leader").then_some(Leadership { node, term: status.term })
        });
        leading.max_by_key(|leader| leader.term)
    }

    /// As `leader`, waiting for one.
    ///
    /// # Errors
    /// Nobody leads within the time.
    pub async fn wait_leader(&self, within: Duration) -> anyhow::Result<Leadership> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(leader) = self.leader().await {
                return Ok(leader);
            }
            if Instant::now() >= deadline {
                bail!("no node led within {within:?}");
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Waits until a node serves clients.
    ///
    /// # Errors
    /// It ended, or does not within the time.
    pub async fn wait_ready(&self, node: usize, within: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        while !self.admin.is_ready(self.admin_address(node)).await {
            let one = self.node(node);
            if let Some(ended) = one.ended()? {
                let what = format!("{} ended ({ended}): {}", one.name(), one.last_words());
                return Err(Unwell(what).into());
            }
            if Instant::now() >= deadline {
                let words = one.last_words();
                let what = format!("{} did not serve within {within:?}: {words}", one.name());
                return Err(Unwell(what).into());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }

    /// Numbers of the nodes by what they call themselves.
    pub async fn numbers_by_id(&self) -> BTreeMap<String, usize> {
        let mut numbers = BTreeMap::new();
        for node in 0..self.nodes.len() {
            if let Some(status) = self.status(node).await {
                numbers.insert(status.node_id, node);
            }
        }
        numbers
    }

    /// Ends all nodes. What they left stays in the folder.
    pub fn end(&self) {
        for node in &self.nodes {
            node.end();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end();
    }
}

/// What a node is called in histories and pages.
pub fn name(number: usize) -> String {
    format!("n{}", number + 1)
}

/// The server of the same build as this harness.
///
/// # Errors
/// It is not there; the command that builds it is named.
pub fn server_beside_us() -> anyhow::Result<PathBuf> {
    let ours = std::env::current_exe().context("the harness's own path")?;
    let mut folder = ours.parent().unwrap_or(Path::new("."));
    if folder.ends_with("deps") {
        folder = folder.parent().unwrap_or(folder);
    }
    let binary = folder.join("statekeeper");
    if !binary.is_file() {
        bail!("{} is missing; run: cargo build --bin statekeeper", binary.display());
    }
    Ok(binary)
}

/// A disk of a node, made where its data directory will be.
fn disk(setup: &Setup, home: &Path) -> anyhow::Result<Option<Disk>> {
    setup.disks.map(|file_system| Disk::new(home, file_system, DISK_BYTES)).transpose()
}
