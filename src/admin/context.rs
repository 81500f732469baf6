//! What a node hands to its admin API.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use statekeeper_machine::Name;

use super::exposition::Exposition;
use super::rows::{ClientRow, DiscoveryReport, SeedReport, StorageRow};
use crate::consensus::{Consensus, PortFuture};

/// A question the API asks its node again for each request.
pub type Source<T> = Arc<dyn Fn() -> T + Send + Sync>;

/// Everything the admin API draws on. Who and where this node is comes from `Consensus::status`.
#[derive(Clone)]
pub struct AdminContext {
    /// Raft.
    pub consensus: Arc<dyn Consensus>,
    /// This process.
    pub info: NodeInfo,
    /// Sizes of names, keys, values and bodies.
    pub limits: AdminLimits,
    /// Clients connected to this node.
    pub clients: Source<Vec<ClientRow>>,
    /// The seeds as they are now. An error is told to the caller.
    pub seeds: Source<PortFuture<Result<SeedReport, String>>>,
    /// How this node looked for others.
    pub discovery: Source<DiscoveryReport>,
    /// Counters of the durable layer.
    pub storage: Source<StorageRow>,
    /// Adds further families to `/metrics`.
    pub metrics: Arc<dyn Fn(&mut Exposition) + Send + Sync>,
    /// Whether this process works: its loop turns, its flush is not stuck. The reason if not.
    pub liveness: Source<Result<(), String>>,
}

/// What is the same for the life of the process.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    /// The program's version.
    pub version: Name,
    /// `state-store.cluster`.
    pub cluster_name: Name,
    /// When the process started.
    pub started_at: SystemTime,
    /// `state-store.encryption-type` is `base64encoding`.
    pub base64_values: bool,
    /// A peer that was silent for longer counts as failed (`raft.election-timeout`).
    pub peer_silence_max: Duration,
    /// `admin.bind` is a loopback address: requests must name the host by address or as
    /// `localhost`, so that no web page reaches the API by a host name of its own.
    pub loopback_only: bool,
}

/// Bounds that are the node's settings.
#[derive(Clone, Copy, Debug)]
pub struct AdminLimits {
    /// `limits.name-bytes-max`.
    pub name_bytes_max: u64,
    /// `limits.key-bytes-max`.
    pub key_bytes_max: u64,
    /// `limits.value-bytes-max`.
    pub value_bytes_max: u64,
    /// `limits.request-bytes-max`.
    pub request_bytes_max: u64,
    /// `limits.state-bytes-max`, shown only: leaders obey it.
    pub state_bytes_max: u64,
    /// A request without an answer after this time is given up: 503 for a read, 504 for a write.
    /// Longer than `client.operation-timeout`, so that Raft's own answer is usually the one given.
    pub request_timeout: Duration,
}

impl std::fmt::Debug for AdminContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { info, limits, .. } = self;
        let mut shown = f.debug_struct("AdminContext");
        shown.field("info", info).field("limits", limits).finish_non_exhaustive()
    }
}
