//! `Identity`: who this node is to its peers, and whom it believes.
//!
//! Invariant: no message of Raft leaves or enters before the cluster id is durable.

use std::sync::Arc;

use openraft::storage::{RaftLogReader, RaftLogStorage};
use parking_lot::RwLock;
use statekeeper_machine::{ClusterId, NodeId};
use uuid::Uuid;

use super::message::{Hello, MAGIC, Purpose, VERSION, Welcome};
use super::runtime::blocking;
use super::type_config::{LogId, RaftTypes};
use crate::storage::{DataDir, LogStore, LogStoreAdapter, StorageError};

/// The log as openraft and the identity see it.
pub(crate) type Log = LogStoreAdapter<RaftTypes, dyn LogStore>;

/// This node, its cluster and its log.
pub(crate) struct Identity {
    pub(crate) node: NodeId,
    /// How often the data directory was started.
    pub(crate) start: u64,
    /// Drawn at the start: a data directory that is put back from a copy repeats its count.
    incarnation: u64,
    data_dir: Arc<DataDir>,
    cluster: RwLock<Option<ClusterId>>,
    log: Log,
}

impl Identity {
    pub(crate) fn new(data_dir: Arc<DataDir>, log: Log) -> Self {
        let known = data_dir.identity();
        let cluster = known.cluster_id.map(|id| ClusterId(id.as_u128()));
        Self {
            node: NodeId(known.node_id),
            start: known.start_count,
            incarnation: rand::random(),
            data_dir,
            cluster: RwLock::new(cluster),
            log,
        }
    }

    /// The cluster, once it is on the disk.
    pub(crate) fn cluster(&self) -> Option<ClusterId> {
        *self.cluster.read()
    }

    /// Makes this node a member of the cluster for ever; durable on return.
    pub(crate) async fn accept_cluster(&self, cluster: ClusterId) -> Result<(), StorageError> {
        let data_dir = self.data_dir.clone();
        let write = move || data_dir.set_cluster(Uuid::from_u128(cluster.0));
        let stopped = || StorageError::Stopped { path: self.data_dir.path().to_owned() };
        blocking(write).await.map_err(|_| stopped())??;
        *self.cluster.write() = Some(cluster);
        Ok(())
    }

    /// The newest entry that is in the log, durable or on its way to the disk.
    pub(crate) async fn last_log_id(&self) -> Option<LogId> {
        let state = self.log.clone().get_log_state().await;
        state.ok().and_then(|state| state.last_log_id)
    }

    /// What this node says first on a connection; `None` without a cluster.
    pub(crate) async fn hello(&self, to: Option<NodeId>, purpose: Purpose) -> Option<Hello> {
        let cluster = self.cluster()?;
        let Welcome { node: from, incarnation, last_log_id, vote } = self.welcome().await;
        let (magic, version) = (MAGIC, VERSION);
        Some(Hello { magic, version, cluster, from, incarnation, to, last_log_id, vote, purpose })
    }

    /// What this node answers to a hello that it accepts.
    pub(crate) async fn welcome(&self) -> Welcome {
        let vote = self.log.clone().get_log_reader().await.read_vote().await;
        // The vote is read first: a log that shrinks under a newer leader then has a newer vote.
        let vote = vote.ok().flatten();
        let (node, incarnation) = (self.node, self.incarnation);
        Welcome { node, incarnation, last_log_id: self.last_log_id().await, vote }
    }
}
