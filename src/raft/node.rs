//! `RaftNode`: one participant: started, founded or joined, and stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use statekeeper_machine::{ClusterId, ClusterView, NodeDescription};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::assembly::{self, Core, Watches};
use super::counters::RaftCounters;
use super::error::RaftError;
use super::founding;
use super::joining;
use super::read_index::ReadIndex;
use super::runtime::blocking;
use super::settings::{Founding, RaftSettings};
use super::transport::{Dialer, Listener, Tcp};
use crate::consensus::Status;
use crate::storage::{DataDir, LogStore, StorageError, StorageStats};

/// How often both clocks are looked at for the next start.
const CLOCK_FILE_INTERVAL: Duration = Duration::from_secs(30);
/// How long an orderly stop waits for entries that are under way.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// How often it looks whether they are done.
const DRAIN_LOOK: Duration = Duration::from_millis(5);

/// One participant of the group.
pub struct RaftNode {
    pub(super) core: Arc<Core>,
    pub(super) status: watch::Receiver<Arc<Status>>,
    pub(super) view: watch::Receiver<Arc<ClusterView>>,
    pub(super) reads: ReadIndex,
    stopped: AtomicBool,
}

impl RaftNode {
    /// Opens log, snapshot and machine from the data directory and serves the Raft port. Founds and
    /// joins nothing by itself: a directory with a cluster comes back to it, an empty one waits.
    ///
    /// # Errors
    /// When the directory cannot be used or openraft does not start.
    pub async fn start(
        settings: RaftSettings,
        data_dir: Arc<DataDir>,
        description: NodeDescription,
        listener: TcpListener,
    ) -> Result<Arc<Self>, RaftError> {
        let open_log = |data_dir: &DataDir| -> Result<Arc<dyn LogStore>, StorageError> {
            Ok(Arc::new(data_dir.open_log(Arc::new(StorageStats::default()))?))
        };
        let network: (Arc<dyn Dialer>, Box<dyn Listener>) = (Arc::new(Tcp), Box::new(listener));
        Self::start_over(settings, data_dir, description, network, open_log).await
    }

    /// As `start`, over a network and a log of one's own. A simulation has both.
    ///
    /// # Errors
    /// When the directory or the log cannot be used or openraft does not start.
    pub async fn start_over(
        settings: RaftSettings,
        data_dir: Arc<DataDir>,
        description: NodeDescription,
        (dialer, listener): (Arc<dyn Dialer>, Box<dyn Listener>),
        open_log: impl FnOnce(&DataDir) -> Result<Arc<dyn LogStore>, StorageError> + Send + 'static,
    ) -> Result<Arc<Self>, RaftError> {
        let (core, ends) =
            assembly::build(settings, data_dir, description, dialer, open_log).await?;
        let Watches { status, view, reads } = core.spawn(ends, listener);
        let core = Arc::new(core);
        let stopped = AtomicBool::new(false);
        let node = Arc::new(Self { core, status, view, reads, stopped });
        node.spawn_clock_file();
        Ok(node)
    }

    /// First start of a cluster, called on the founder alone, after all promises: the cluster id
    /// becomes durable, Raft begins with exactly these members, and the first command is proposed.
    /// Returns when that is applied. Every step may be done twice: after a death on the way it is
    /// to be called again with the same founding, which bootstrap keeps until it is told of the
    /// end.
    ///
    /// # Errors
    /// When this node is no member of it, or belongs to another cluster.
    pub async fn found(&self, founding: Founding) -> Result<(), RaftError> {
        let me = self.core.identity.node;
        if !founding.members.iter().any(|(node, _)| *node == me) {
            return Err(RaftError::NotAMember { node: me.0 });
        }
        self.core.identity.accept_cluster(founding.cluster_id).await?;
        founding::finish(&self.core, founding).await
    }

    /// For a member of a founding that is not the founder, and for an empty node that hears of a
    /// cluster: this id is durable from now on, and Raft messages that name it are taken in.
    ///
    /// # Errors
    /// When the directory belongs to another cluster, or cannot be written.
    pub async fn accept_cluster(&self, cluster_id: ClusterId) -> Result<(), RaftError> {
        Ok(self.core.identity.accept_cluster(cluster_id).await?)
    }

    /// Asks the cluster to take this node in as a learner, over the Raft ports given, until the
    /// leader has done it or the node is stopped.
    ///
    /// # Errors
    /// When the cluster refuses this node for good.
    pub async fn join(
        &self,
        cluster_id: ClusterId,
        raft_addresses: Vec<String>,
    ) -> Result<(), RaftError> {
        self.accept_cluster(cluster_id).await?;
        let own_address = self.core.presence.description().raft_address.clone();
        let (core, dialer) = (&self.core, &*self.core.dialer);
        joining::ask(&core.identity, dialer, own_address, raft_addresses, &core.stopping).await
    }

    /// Fires with the reason when this node must not go on: storage or Raft failed. The process is
    /// to be ended.
    pub fn failed(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.core.failure.watch()
    }

    /// Counters of replication.
    pub fn metrics(&self) -> Arc<RaftCounters> {
        self.core.applied.counters.clone()
    }

    /// Counters of the log and the snapshots.
    pub fn storage_stats(&self) -> Arc<StorageStats> {
        self.core.log.stats().clone()
    }

    /// Index of the last entry applied here, as new as it can be.
    pub fn applied_index(&self) -> u64 {
        self.core.applied.index()
    }

    /// A hash of the state: equal states have equal hashes. Reads the whole state.
    pub fn state_digest(&self) -> u64 {
        self.core.applied.machine().digest()
    }

    /// `storage.disk-free-min` is reached, or the room is back: meanwhile, only what frees
    /// something is proposed here.
    pub fn set_disk_short(&self, short: bool) {
        self.core.proposer.set_disk_short(short);
    }

    /// Before an orderly stop: this node is no longer ready, and leadership goes to the voter that
    /// has most of the log. Commands are still taken, and forwarded.
    pub async fn hand_over(&self) {
        self.core.draining.send_replace(true);
        self.step_down().await;
    }

    /// Gives leadership to the voter that has most of the log, if this node leads and one answers.
    pub async fn step_down(&self) {
        if self.core.routes.leads()
            && let Some(to) = self.core.membership.most_caught_up()
        {
            let within = self.core.settings.isolated_after();
            let handed = self.core.membership.hand_over(to, within).await;
            tracing::info!(%to, handed, "leadership is handed over");
        }
    }

    /// An orderly stop: nothing new is taken, what is in the log is applied and answered,
    /// leadership is handed over, and the log is closed.
    pub async fn shutdown(&self) {
        self.core.draining.send_replace(true);
        self.core.applied.tickets.close();
        let until = Instant::now() + DRAIN_TIMEOUT;
        while self.core.applied.tickets.has_sent() && Instant::now() < until {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        self.hand_over().await;
        self.write_clock().await;
        self.halt().await;
        let log = self.core.log.clone();
        match blocking(move || log.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the log did not close cleanly"),
            Err(error) => tracing::error!(%error, "the log did not close cleanly"),
        }
    }

    /// Stops at once, as if the process died: nothing is handed over, nobody is waited for.
    pub async fn halt(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.core.stopping.cancel();
        self.core.stop.cancel();
        self.core.links.close();
        if self.core.raft.shutdown().await.is_err() {
            tracing::debug!("raft had stopped already");
        }
        self.core.tasks.close();
        self.core.tasks.wait().await;
        self.core.links.close();
        self.core.applied.tickets.end();
    }

    fn spawn_clock_file(&self) {
        let core = self.core.clone();
        self.core.tasks.spawn(async move {
            let mut look = tokio::time::interval(CLOCK_FILE_INTERVAL);
            loop {
                tokio::select! {
                    () = core.stop.cancelled() => return,
                    _ = look.tick() => write_clock(&core).await,
                }
            }
        });
    }

    async fn write_clock(&self) {
        write_clock(&self.core).await;
    }
}

impl Drop for RaftNode {
    fn drop(&mut self) {
        self.core.stopping.cancel();
        self.core.stop.cancel();
        self.core.links.close();
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        let raft = self.core.raft.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Whoever drops a running node does not wait for it.
            runtime.spawn(async move { drop(raft.shutdown().await) });
        }
    }
}

/// Before the cluster is founded there is no cluster time.
async fn write_clock(core: &Arc<Core>) {
    if core.applied.machine().cluster().is_none() {
        return;
    }
    let (file, now) = (core.clock_file.clone(), core.applied.clock.now());
    match blocking(move || file.write(now)).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the clocks could not be noted"),
    }
}
