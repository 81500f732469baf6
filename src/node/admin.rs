//! What this node tells its admin API.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use crate::admin::{
    AdminContext, AdminLimits, AttemptRow, ClientRow, DiscoveryReport, Exposition, MetricKind,
    NodeInfo, SeedReport, SeedRow, StorageRow,
};
use crate::bootstrap::{BootstrapStatus, PeerSource, SeedKeeper};
use crate::config::{Config, Discovery};
use crate::consensus::Consensus;
use crate::raft::{RaftCounters, RaftNode};
use crate::seed;
use crate::server::{ClientCounters, ClientPort, ConnectionRow};
use crate::storage::StorageStats;

/// The parts the API draws on.
pub(super) struct Parts {
    pub(super) config: Arc<Config>,
    pub(super) raft: Arc<RaftNode>,
    pub(super) client_port: Arc<ClientPort>,
    pub(super) source: PeerSource,
    pub(super) bootstrap: watch::Receiver<BootstrapStatus>,
    pub(super) started_at: SystemTime,
}

/// The context of the API.
pub(super) fn context(parts: Parts) -> AdminContext {
    let Parts { config, raft, client_port, source, bootstrap, started_at } = parts;
    let info = NodeInfo {
        version: env!("CARGO_PKG_VERSION").into(),
        cluster_name: config.node.cluster_name.as_str().into(),
        started_at,
        base64_values: config.node.base64_values,
        peer_silence_max: config.raft.election_timeout,
        loopback_only: config.admin.bind.is_loopback(),
    };
    let limits = AdminLimits {
        name_bytes_max: config.limits.name_bytes_max,
        key_bytes_max: config.limits.key_bytes_max,
        value_bytes_max: config.limits.value_bytes_max,
        request_bytes_max: config.limits.request_bytes_max,
        state_bytes_max: config.limits.state_bytes_max,
        // The cluster gives up by itself before; this is for what it forgets.
        request_timeout: config.client.operation_timeout * 3,
    };
    let counters = (raft.metrics(), client_port.counters().clone());
    let (stats, data_dir) = (raft.storage_stats(), config.storage.data_dir.clone());
    let status = raft.status();
    let mode = mode_of(&config.discovery);
    let directory = seed::folder_of(&config);
    AdminContext {
        consensus: raft,
        info,
        limits,
        clients: Arc::new(move || client_port.clients().rows().into_iter().map(client).collect()),
        seeds: Arc::new(move || {
            let keeper = match &source {
                PeerSource::SeedDirectory(keeper) => Some(keeper.clone()),
                PeerSource::None | PeerSource::StaticSeeds(_) | PeerSource::Multicast(_) => None,
            };
            Box::pin(seed_report(keeper, directory.clone()))
        }),
        discovery: Arc::new(move || discovery_report(mode, &bootstrap.borrow())),
        storage: Arc::new(move || storage_row(&stats, &data_dir)),
        metrics: Arc::new(move |exposition| {
            raft_metrics(exposition, &counters.0);
            client_metrics(exposition, &counters.1);
        }),
        liveness: Arc::new(move || match &status.borrow().failure {
            Some(reason) => Err(reason.to_string()),
            None => Ok(()),
        }),
    }
}

/// How a discovery is called in lists.
fn mode_of(discovery: &Discovery) -> &'static str {
    match discovery {
        Discovery::None => "none",
        Discovery::StaticSeeds(_) => "tcp-ip",
        Discovery::SeedDirectory(_) => "seed-directory",
        Discovery::Multicast(_) => "multicast",
    }
}

fn client(row: ConnectionRow) -> ClientRow {
    ClientRow {
        client: row.info.client,
        name: row.info.name,
        language: row.info.language,
        version: row.info.version,
        address: row.address.to_string(),
        labels: row.info.labels,
        connected_for: row.connected_for,
        silent_for: row.silent_for,
        listeners: row.listeners as u64,
        in_flight: row.in_flight as u64,
        buffered_bytes: row.buffered_bytes as u64,
    }
}

async fn seed_report(
    keeper: Option<Arc<SeedKeeper>>,
    directory: Option<String>,
) -> Result<SeedReport, String> {
    let Some(keeper) = keeper else { return Ok(SeedReport::default()) };
    if let Some(trouble) = keeper.trouble() {
        return Err(trouble);
    }
    let lock = keeper.lock_info().await.map_err(|error| error.to_string())?;
    let seeds = keeper.rows().into_iter().map(|row| SeedRow {
        location: row.location,
        timestamp_ms: row.timestamp_ms,
        own: row.own,
    });
    Ok(SeedReport { directory, lock_holder: lock.holder, seeds: seeds.collect() })
}

fn discovery_report(mode: &'static str, status: &BootstrapStatus) -> DiscoveryReport {
    let attempts = status.attempts.iter().map(|attempt| AttemptRow {
        address: attempt.address.clone(),
        tried_for: attempt.at.elapsed(),
        result: attempt.result.clone(),
        answered: attempt.answered,
    });
    let waits = Some(status.waits_for.clone()).filter(|line| !line.is_empty());
    DiscoveryReport { mode, waiting_for: waits, attempts: attempts.collect() }
}

fn storage_row(stats: &StorageStats, data_dir: &Path) -> StorageRow {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    StorageRow {
        flushes: read(&stats.flushes),
        flush_time_sum: Duration::from_micros(read(&stats.flush_us_sum)),
        flush_time_max: Duration::from_micros(read(&stats.flush_us_max)),
        appended_entries: read(&stats.appended_entries),
        appended_bytes: read(&stats.appended_bytes),
        log_bytes: read(&stats.log_bytes),
        snapshots: read(&stats.snapshots),
        snapshot_bytes: read(&stats.snapshot_bytes),
        bytes: None,
        free_bytes: super::disk::free_bytes(data_dir).ok(),
    }
}

fn raft_metrics(exposition: &mut Exposition, raft: &RaftCounters) {
    let rows = [
        ("raft_submitted_total", "Commands accepted on this node.", &raft.submitted),
        ("raft_resent_total", "Commands sent again after a change of leader.", &raft.resent),
        ("raft_unknown_total", "Commands whose outcome was unknown in time.", &raft.unknown),
        ("raft_proposals_total", "Commands proposed here as leader.", &raft.proposed),
        ("raft_proposal_batches_total", "Batches of proposals.", &raft.batches),
        ("raft_applied_total", "Entries applied here.", &raft.applied),
        ("raft_reads_total", "Linearizable reads.", &raft.reads),
        ("raft_read_index_rounds_total", "Read indexes asked for.", &raft.read_rounds),
        ("raft_leader_changes_total", "Times this node took office.", &raft.offices),
        ("raft_connections_total", "Connections made to other nodes.", &raft.connections),
        ("raft_snapshots_sent_total", "Snapshots sent.", &raft.snapshots_sent),
        ("raft_snapshots_installed_total", "Snapshots installed.", &raft.snapshots_installed),
        ("events_published_total", "Events published on this node.", &raft.events),
        ("events_dropped_total", "Subscribers that were too slow.", &raft.subscribers_dropped),
    ];
    add_counters(exposition, rows);
}

fn client_metrics(exposition: &mut Exposition, clients: &ClientCounters) {
    let rows = [
        ("client_connections_total", "Connections of any kind.", &clients.connections),
        ("client_rejected_total", "Connections refused.", &clients.refused),
        ("client_authentications_total", "Clients that authenticated.", &clients.authenticated),
        ("client_disconnects_total", "Client connections that ended.", &clients.disconnects),
        ("client_member_protocol_total", "Embedded members refused.", &clients.member_protocol),
        ("client_request_bytes_total", "Bytes read from clients.", &clients.bytes_in),
        ("client_response_bytes_total", "Bytes written to clients.", &clients.bytes_out),
    ];
    add_counters(exposition, rows);
    let help = "Requests by message.";
    let mut family = exposition.family("client_requests_total", MetricKind::Counter, help);
    for (message, count) in clients.requests() {
        family.sample(&[("message", message)], count);
    }
}

fn add_counters<const N: usize>(
    exposition: &mut Exposition,
    rows: [(&'static str, &str, &AtomicU64); N],
) {
    for (name, help, counter) in rows {
        exposition.single(name, MetricKind::Counter, help, counter.load(Ordering::Relaxed));
    }
}
