//! The composition root: the only place where all parts of a node meet.
//!
//! Order of a start: data directory, ports, Raft on what is there, the client port (which answers
//! other nodes at once and clients once there is a cluster), the admin API, then the search for the
//! cluster. Order of a stop: the seed goes, leadership is handed over, clients are answered, Raft
//! ends.

mod admin;
mod disk;
mod neighbour;
mod ports;
mod settings;
mod start_block;

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use statekeeper_machine::NodeDescription;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

pub use disk::free_bytes;
pub use ports::{PortError, PortState, Process, look_at_port};

use crate::bootstrap::{
    self, BootstrapError, BootstrapStatus, Decision, PeerResponder, PeerSource, Terms, Timing,
};
use crate::config::{Config, Loaded};
use crate::consensus::{Consensus, Role};
use crate::raft::{RaftError, RaftNode};
use crate::server::{ClientPort, ClientPortSettings};
use crate::storage::{DataDir, StorageError};

/// What clients were asked for and are owed may take so long at a stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// The admin API may take so long to end its answers.
const ADMIN_STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a node does not start, or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The data directory cannot be used.
    #[error("storage.data-dir: cannot use the data directory")]
    Storage(#[from] StorageError),
    /// A port cannot be opened.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Other nodes cannot be looked for.
    #[error("cannot look for the cluster")]
    Bootstrap(#[from] BootstrapError),
    /// Raft does not start, or the founding failed.
    #[error("replication does not start")]
    Raft(#[from] RaftError),
    /// Raft ended by itself.
    #[error("this node may not go on: {0}")]
    Failed(Arc<str>),
    /// The system gives no thread to serve clients with.
    #[error("the client port cannot be served")]
    ClientPort(#[source] std::io::Error),
    /// A task of the node panicked.
    #[error("a part of the node broke down")]
    Broken(#[from] JoinError),
}

/// The three open ports of a node.
struct Listeners {
    client: TcpListener,
    raft: TcpListener,
    admin: TcpListener,
}

impl Listeners {
    /// Opens all ports. With `port.probe` the client port may be another one than the configured.
    fn open(config: &mut Config) -> Result<Self, PortError> {
        let (key, bind) = ("hazelcast.discovery.port", config.node.bind);
        let client = if config.client.port_probe {
            ports::probe(key, bind, config.client.port)?
        } else {
            ports::listen(key, bind, config.client.port)?
        };
        if let Ok(address) = client.local_addr() {
            if config.client.advertise_port == config.client.port {
                config.client.advertise_port = address.port();
            }
            config.client.port = address.port();
        }
        Ok(Self {
            client,
            raft: ports::listen("raft.port", bind, config.raft.port)?,
            admin: ports::listen("admin.port", config.admin.bind, config.admin.port)?,
        })
    }
}

/// Runs a node until the token ends or it may not go on.
///
/// # Errors
/// What stopped it; after a stop that was asked for there is none.
pub async fn run(loaded: Loaded, stop: CancellationToken) -> Result<(), NodeError> {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    raise_descriptor_limit();
    let mut config = loaded.config;
    let (path, id) = (config.storage.data_dir.clone(), config.node.id);
    let data_dir = Arc::new(tokio::task::spawn_blocking(move || DataDir::open(&path, id)).await??);
    let listeners = Listeners::open(&mut config)?;
    let identity = data_dir.identity();
    let description = settings::description(&config, &identity);
    let block = start_block::start_block(&config, &identity, &description);
    // Whoever closed our standard output does not want to read it.
    let _ = std::io::stdout().write_all(block.as_bytes());
    Node::start(config, data_dir, description, listeners).await?.serve(stop).await
}

/// A node whose ports are served.
struct Node {
    config: Arc<Config>,
    description: NodeDescription,
    responder: PeerResponder,
    source: PeerSource,
    raft: Arc<RaftNode>,
    client_port: Arc<ClientPort>,
    bootstrap_status: watch::Sender<BootstrapStatus>,
    /// Ends the seed and the announcements, first of all.
    hide: CancellationToken,
    /// Ends everything else that belongs to the node.
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Node {
    async fn start(
        config: Config,
        data_dir: Arc<DataDir>,
        description: NodeDescription,
        listeners: Listeners,
    ) -> Result<Self, NodeError> {
        let config = Arc::new(config);
        let terms =
            Terms::new(&config.node.cluster_name, config.raft.bootstrap_expect, &config.discovery);
        let responder = PeerResponder::new(
            data_dir.clone(),
            terms,
            description.raft_address.to_string(),
            settings::client_address(&description),
        );
        let (discovery, for_source) = (config.discovery.clone(), responder.clone());
        let runtime = tokio::runtime::Handle::current();
        let source = tokio::task::spawn_blocking(move || {
            let _entered = runtime.enter();
            PeerSource::open(&discovery, &for_source)
        })
        .await??;
        let raft =
            RaftNode::start(settings::raft(&config), data_dir, description.clone(), listeners.raft)
                .await?;
        let (endpoint, clients_may_come) = watch::channel(None);
        let client_port = Arc::new(serve_clients(
            listeners.client,
            &config,
            raft.clone(),
            clients_may_come,
            responder.clone(),
        )?);
        let mut node = Self {
            config,
            description,
            responder,
            source,
            raft,
            client_port,
            bootstrap_status: watch::Sender::default(),
            hide: CancellationToken::new(),
            stop: CancellationToken::new(),
            tasks: JoinSet::new(),
        };
        node.tasks.spawn(welcome_clients(
            node.config.clone(),
            node.description.clone(),
            node.raft.status(),
            endpoint,
        ));
        node.serve_admin(listeners.admin);
        node.spawn_discovery();
        node.raft.storage_stats().set_slow_flush(node.config.log.slow_flush);
        let disk = disk::DiskWatch {
            raft: node.raft.clone(),
            stats: node.raft.storage_stats(),
            data_dir: node.config.storage.data_dir.clone(),
            free_bytes_min: node.config.storage.disk_free_bytes_min,
            stall_max: node.config.raft.disk_stall_step_down,
        };
        node.tasks.spawn(disk.run(node.stop.clone()));
        if let Some(coordinator) = node.config.coordinator.clone() {
            let (consensus, stop) = (node.raft.clone(), node.stop.clone());
            node.tasks.spawn(neighbour::watch_coordinator(coordinator, consensus, stop));
        }
        Ok(node)
    }

    fn serve_admin(&mut self, listener: TcpListener) {
        let context = admin::context(admin::Parts {
            config: self.config.clone(),
            raft: self.raft.clone(),
            client_port: self.client_port.clone(),
            source: self.source.clone(),
            bootstrap: self.bootstrap_status.subscribe(),
            started_at: SystemTime::now(),
        });
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            if let Err(error) = crate::admin::serve(listener, context, stop).await {
                tracing::error!(%error, "the admin API ended");
            }
        });
    }

    /// Keeps this node known, and tells the seed keeper whether this node leads.
    fn spawn_discovery(&mut self) {
        let (source, hide) = (self.source.clone(), self.hide.clone());
        self.tasks.spawn(async move { source.keep_known(hide).await });
        if let PeerSource::SeedDirectory(keeper) = &self.source {
            let (keeper, mut status) = (keeper.clone(), self.raft.status());
            self.tasks.spawn(async move {
                loop {
                    let leads = status.borrow_and_update().role == Role::Leader;
                    keeper.set_leading(leads);
                    if status.changed().await.is_err() {
                        return;
                    }
                }
            });
        }
    }

    /// Finds the cluster, then serves until the token ends or Raft may not go on.
    async fn serve(self, stop: CancellationToken) -> Result<(), NodeError> {
        let (mut failed, mut failed_early) = (self.raft.failed(), self.raft.failed());
        let served = tokio::select! {
            ended = self.find_cluster(&stop) => match ended {
                Err(NodeError::Bootstrap(BootstrapError::Stopped)) if stop.is_cancelled() => Ok(()),
                Err(error) => Err(error),
                Ok(()) => tokio::select! {
                    () = stop.cancelled() => Ok(()),
                    reason = failure(&mut failed) => Err(NodeError::Failed(reason)),
                },
            },
            () = stop.cancelled() => Ok(()),
            reason = failure(&mut failed_early) => Err(NodeError::Failed(reason)),
        };
        self.shut_down(served.is_ok()).await;
        served
    }

    async fn find_cluster(&self, stop: &CancellationToken) -> Result<(), NodeError> {
        let timing = Timing::default();
        let status = &self.bootstrap_status;
        let decision = bootstrap::run(&self.source, &self.responder, timing, status, stop).await?;
        match decision {
            Decision::Return => tracing::info!("going back to the cluster of the data directory"),
            Decision::Found(founding) => {
                let (id, members) = (founding.cluster_id, founding.members.len());
                tracing::info!(cluster_id = %id, members, "founding the cluster");
                self.raft.found(settings::founding(&self.config, &founding)).await?;
                bootstrap::complete_founding(&self.responder, &founding, timing).await?;
            }
            Decision::Member { cluster_id } => {
                tracing::info!(%cluster_id, "member of the new cluster");
                self.raft.accept_cluster(cluster_id).await?;
            }
            Decision::Join { cluster_id, raft_addresses } => {
                tracing::info!(%cluster_id, "joining the cluster");
                self.raft.join(cluster_id, raft_addresses).await?;
            }
        }
        self.announce_readiness().await;
        Ok(())
    }

    /// One line when the node serves for the first time.
    async fn announce_readiness(&self) {
        let mut status = self.raft.status();
        if let Ok(ready) = status.wait_for(|status| status.ready).await {
            let leader =
                ready.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string());
            tracing::info!(leader, term = ready.term, applied = ready.applied_index, "ready");
        }
    }

    async fn shut_down(mut self, orderly: bool) {
        self.hide.cancel();
        if orderly {
            tracing::info!("stopping: clients are answered first");
            self.raft.hand_over().await;
            self.client_port.close(DRAIN_TIMEOUT).await;
        } else {
            self.client_port.close(Duration::ZERO).await;
        }
        self.stop.cancel();
        self.raft.shutdown().await;
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // Tasks that only follow a watch end with its sender, which other tasks may still hold.
        let _ = tokio::time::timeout(ADMIN_STOP_TIMEOUT, all).await;
        self.tasks.shutdown().await;
    }
}

/// The client port of this node.
fn serve_clients(
    listener: TcpListener,
    config: &Config,
    raft: Arc<RaftNode>,
    endpoint: watch::Receiver<Option<Arc<statekeeper_endpoint::EndpointSettings>>>,
    responder: PeerResponder,
) -> Result<ClientPort, NodeError> {
    let limits = &config.limits;
    let settings = ClientPortSettings {
        consensus: raft,
        endpoint,
        peers: Arc::new(move |socket| {
            let responder = responder.clone();
            Box::pin(async move { responder.serve(socket).await })
        }),
        clients_max: limits.clients_max,
        send_buffer_bytes_max: settings::bytes(limits.client_send_buffer_bytes_max),
        close_when_isolated: config.client.close_when_isolated,
    };
    ClientPort::serve(listener, settings).map_err(NodeError::ClientPort)
}

/// Clients may come as soon as the cluster is known here and lists its members: before that a
/// client would be told of a cluster without an owner, and wait.
async fn welcome_clients(
    config: Arc<Config>,
    description: NodeDescription,
    mut status: watch::Receiver<Arc<crate::consensus::Status>>,
    endpoint: watch::Sender<Option<Arc<statekeeper_endpoint::EndpointSettings>>>,
) {
    let known = status.wait_for(|status| status.cluster.is_some()).await;
    let Some(cluster) = known.ok().and_then(|status| status.cluster.clone()) else { return };
    endpoint.send_replace(Some(settings::endpoint(&config, &description, &cluster)));
    // The receivers live in the client port: this sender must outlive them.
    endpoint.closed().await;
}

/// The reason why Raft ended by itself; never without one.
async fn failure(failed: &mut watch::Receiver<Option<Arc<str>>>) -> Arc<str> {
    match failed.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or_else(|| "unknown".into()),
        Err(_) => std::future::pending().await,
    }
}

/// Every client and every peer is a descriptor; the usual soft limit of 1024 is below
/// `limits.clients-max`.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the number of open files stays limited");
    }
}
