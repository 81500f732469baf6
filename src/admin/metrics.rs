//! `GET /metrics`: numbers of this node. All of the state are read locally: a node that is cut off
//! still tells how it is, and a scrape costs no round trip.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use statekeeper_machine::{Answer as StateAnswer, LockView, MapView, Name, Query};

use super::alarms::{self, Alarm};
use super::app::App;
use super::call::Call;
use super::cluster::role_name;
use super::exposition::{Exposition, MetricKind};
use super::limits::OBJECT_LABELS_MAX;
use super::problem::Problem;
use super::process;
use super::quorum::Quorum;
use super::reply::Reply;
use super::route::{Answer, Body, Method, Route};
use super::rows::{ClientRow, StorageRow};
use super::table;
use crate::consensus::{Consistency, Role, Status};

use MetricKind::{Counter, Gauge};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Label of all objects beyond the first ones.
const OTHER: &str = "other";

/// The routes of this file.
pub(super) const ROUTES: &[Route] = &[Route {
    method: Method::Get,
    path: "/metrics",
    tag: table::PROBES,
    summary: "Metrics of this node in the Prometheus text format.",
    query: &[],
    headers: &[],
    body: Body::None,
    answer: Answer::Text(TEXT),
    handler: |app, call| Box::pin(show(app, call)),
}];

async fn show(app: Arc<App>, _: Call) -> Result<Reply, Problem> {
    let status = app.status();
    let mut metrics = Exposition::default();
    node(&mut metrics, &app, &status);
    raft(&mut metrics, &status, &Quorum::of(&status, app.context.info.peer_silence_max));
    storage(&mut metrics, &(app.context.storage)());
    clients(&mut metrics, &(app.context.clients)());
    // A node that shuts down has no state to ask any more, but the rest is still worth knowing.
    if let Ok(StateAnswer::Maps(rows)) = app.read(Query::Maps, Consistency::Local).await {
        maps(&mut metrics, &app, &rows);
    }
    if let Ok(StateAnswer::Sets(rows)) = app.read(Query::Sets, Consistency::Local).await {
        let items = rows.iter().map(|set| set.items).sum::<u64>();
        metrics.single("sets", Gauge, "Sets.", rows.len() as u64);
        metrics.single("set_items", Gauge, "Items of all sets.", items);
    }
    if let Ok(StateAnswer::Locks(rows)) = app.read(Query::Locks, Consistency::Local).await {
        locks(&mut metrics, &rows);
    }
    if let Ok(StateAnswer::Sessions(rows)) = app.read(Query::Sessions, Consistency::Local).await {
        metrics.single("cp_sessions", Gauge, "CP sessions.", rows.len() as u64);
    }
    admin(&mut metrics, &app);
    process::write(&mut metrics);
    (app.context.metrics)(&mut metrics);
    Ok(Reply::text(200, TEXT, metrics.into_text()))
}

fn node(metrics: &mut Exposition, app: &App, status: &Status) {
    let info = &app.context.info;
    metrics
        .family("build_info", Gauge, "The program; always 1.")
        .sample(&[("version", &info.version)], 1_u64);
    metrics
        .family("node_info", Gauge, "What this node does in Raft; always 1.")
        .sample(&[("role", role_name(status.role))], 1_u64);
    let uptime = SystemTime::now().duration_since(info.started_at).unwrap_or_default();
    metrics.single("uptime_seconds", Gauge, "Age of the process.", uptime.as_secs_f64());
    metrics.single("ready", Gauge, "Whether clients are served.", status.ready);
    metrics.single("state_bytes", Gauge, "Accounted bytes of the state.", status.state_bytes);
    let limit = app.context.limits.state_bytes_max;
    metrics.single("state_bytes_limit", Gauge, "limits.state-bytes-max.", limit);
    let active = alarms::active(&app.context, status);
    let mut family = metrics.family("alarm_active", Gauge, "Whether an alarm is on.");
    for alarm in Alarm::ALL {
        family.sample(&[("alarm", alarm.name())], active.contains(&alarm));
    }
}

fn raft(metrics: &mut Exposition, status: &Status, quorum: &Quorum) {
    let has_leader = status.leader.is_some() && !status.isolated;
    metrics.single("raft_has_leader", Gauge, "A leader is heard of.", has_leader);
    metrics.single("raft_is_leader", Gauge, "This node leads.", status.role == Role::Leader);
    metrics.single("raft_is_learner", Gauge, "It has no vote.", status.role == Role::Learner);
    metrics.single("raft_term", Gauge, "Raft's term.", status.term);
    metrics.single("raft_voters", Gauge, "Nodes with a vote.", quorum.voters.len() as u64);
    if let Some(margin) = quorum.margin() {
        let help = "Voters that may still fail; on the leader only.";
        metrics.single("raft_quorum_margin", Gauge, help, i64::from(margin));
    }
    metrics.single("raft_last_index", Gauge, "Last entry of the log.", status.last_log_index);
    let committed = status.committed_index;
    metrics.single("raft_committed_index", Gauge, "Last committed entry.", committed);
    metrics.single("raft_applied_index", Gauge, "Last applied entry.", status.applied_index);
    if status.role != Role::Leader {
        return;
    }
    let others = || status.peers.iter().filter(|peer| peer.node != status.node);
    let help = "Entries a peer lacks; on the leader only.";
    let mut family = metrics.family("raft_peer_lag_entries", Gauge, help);
    for peer in others() {
        let lag = status.last_log_index.saturating_sub(peer.matched_index.unwrap_or(0));
        family.sample(&[("peer", &peer.node.to_string())], lag);
    }
    let help = "Since a peer's last answer; on the leader only.";
    let mut family = metrics.family("raft_peer_lag_seconds", Gauge, help);
    for (peer, silent) in others().filter_map(|peer| Some((peer.node, peer.silent_for?))) {
        family.sample(&[("peer", &peer.to_string())], silent.as_secs_f64());
    }
}

fn storage(metrics: &mut Exposition, row: &StorageRow) {
    let counters = [
        ("storage_flushes_total", "Groups of entries made durable.", row.flushes),
        ("storage_appended_entries_total", "Entries appended.", row.appended_entries),
        ("storage_appended_bytes_total", "Bytes of entries appended.", row.appended_bytes),
        ("raft_snapshots_total", "Snapshots made durable.", row.snapshots),
    ];
    for (name, help, value) in counters {
        metrics.single(name, Counter, help, value);
    }
    let sum = row.flush_time_sum.as_secs_f64();
    metrics.single("storage_flush_seconds_total", Counter, "Time spent in flushes.", sum);
    let max = row.flush_time_max.as_secs_f64();
    metrics.single("storage_flush_seconds_max", Gauge, "The longest flush.", max);
    metrics.single("storage_log_bytes", Gauge, "Bytes of entries in the log.", row.log_bytes);
    metrics.single("raft_snapshot_bytes", Gauge, "The newest snapshot.", row.snapshot_bytes);
    if let Some(bytes) = row.bytes {
        metrics.single("storage_bytes", Gauge, "Bytes of the data directory.", bytes);
    }
    if let Some(bytes) = row.free_bytes {
        metrics.single("storage_free_bytes", Gauge, "Free bytes of its file system.", bytes);
    }
}

fn clients(metrics: &mut Exposition, rows: &[ClientRow]) {
    let mut by_language: BTreeMap<&'static str, u64> = BTreeMap::new();
    for row in rows {
        *by_language.entry(language(&row.language)).or_default() += 1;
    }
    let mut family = metrics.family("client_connections", Gauge, "Connections of clients.");
    for (language, count) in by_language {
        family.sample(&[("language", language)], count);
    }
    let sum = |of: fn(&ClientRow) -> u64| rows.iter().map(of).sum::<u64>();
    let in_flight = sum(|row| row.in_flight);
    metrics.single("client_in_flight", Gauge, "Requests without an answer yet.", in_flight);
    let buffered = sum(|row| row.buffered_bytes);
    metrics.single("client_send_buffer_bytes", Gauge, "Bytes that wait for clients.", buffered);
    metrics.single("listeners", Gauge, "Listeners of clients.", sum(|row| row.listeners));
}

/// Languages are what clients say: only known ones become labels.
fn language(said: &str) -> &'static str {
    const KNOWN: [&str; 6] = ["JVM", "PYH", "NJS", "CSP", "CPP", "GOO"];
    KNOWN.into_iter().find(|known| *known == said).unwrap_or(OTHER)
}

#[derive(Clone, Copy, Default)]
struct MapSums {
    records: u64,
    bytes: u64,
    expirations: u64,
    evictions: u64,
}

fn maps(metrics: &mut Exposition, app: &App, rows: &[MapView]) {
    let mut sums: BTreeMap<Name, MapSums> = BTreeMap::new();
    {
        let mut labels = app.labels.lock();
        for row in rows {
            if labels.len() < OBJECT_LABELS_MAX {
                labels.insert(row.name.clone());
            }
            let known = labels.contains(&row.name);
            let label = if known { row.name.clone() } else { Name::from(OTHER) };
            let sums = sums.entry(label).or_default();
            sums.records += row.records;
            sums.bytes += row.bytes;
            sums.expirations += row.expirations;
            sums.evictions += row.evictions;
        }
    }
    type Of = fn(&MapSums) -> u64;
    let families: [(_, _, _, Of); 4] = [
        ("map_records", Gauge, "Records of a map.", |sums| sums.records),
        ("map_bytes", Gauge, "Accounted bytes of a map.", |sums| sums.bytes),
        ("map_expirations_total", Counter, "Records that expired.", |sums| sums.expirations),
        ("map_evictions_total", Counter, "Records that were evicted.", |sums| sums.evictions),
    ];
    for (name, kind, help, of) in families {
        let mut family = metrics.family(name, kind, help);
        for (map, sums) in &sums {
            family.sample(&[("map", map)], of(sums));
        }
    }
}

fn locks(metrics: &mut Exposition, rows: &[LockView]) {
    let held = rows.iter().filter(|lock| lock.ownership.count > 0).count();
    metrics.single("lock_held", Gauge, "Fenced locks that are held.", held as u64);
    let waiters = rows.iter().map(|lock| lock.waiters.len() as u64).sum::<u64>();
    metrics.single("lock_waiters", Gauge, "Threads that wait for fenced locks.", waiters);
}

fn admin(metrics: &mut Exposition, app: &App) {
    let answers = app.answers.lock().clone();
    let mut family = metrics.family("admin_requests_total", Counter, "Answers of this API.");
    for ((method, route, status), count) in answers {
        let labels = [("method", method), ("route", route), ("status", &*status.to_string())];
        family.sample(&labels, count);
    }
}
