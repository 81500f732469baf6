//! From the configuration to what each part is told: the only place that knows both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use statekeeper_endpoint::{EndpointLimits, EndpointSettings};
use statekeeper_machine::{
    ClusterInfo, Eviction, MapSettings, MemberUuid, Name, NodeDescription, NodeId, SessionSettings,
};

use crate::bootstrap;
use crate::config::{self, Config, CpConfig, LimitsConfig, MapConfig};
use crate::discovery::tcp_ip::SeedAddress;
use crate::raft::{Founding, RaftSettings};
use crate::storage::Identity;

/// A connection must say who it is within this time; real clients do so in one round trip.
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(10);

/// This node as others and clients reach it.
pub(super) fn description(config: &Config, identity: &Identity) -> NodeDescription {
    NodeDescription {
        node: NodeId(identity.node_id),
        member: MemberUuid(identity.member_uuid.as_u128()),
        client_host: config.client.advertise_host.as_str().into(),
        client_port: config.client.advertise_port,
        raft_address: SeedAddress::text(&config.node.advertise, config.raft.port).into(),
        admin_address: SeedAddress::text(&config.admin.bind.to_string(), config.admin.port).into(),
        version: env!("CARGO_PKG_VERSION").into(),
    }
}

/// Where clients reach a node, as seeds and announcements have it.
pub(super) fn client_address(node: &NodeDescription) -> String {
    SeedAddress::text(&node.client_host, node.client_port)
}

/// What every endpoint of this node is told.
pub(super) fn endpoint(
    config: &Config,
    node: &NodeDescription,
    cluster: &ClusterInfo,
) -> Arc<EndpointSettings> {
    Arc::new(EndpointSettings {
        member: node.member,
        cluster_id: cluster.id,
        cluster_name: cluster.name.clone(),
        client_host: node.client_host.clone(),
        client_port: node.client_port,
        silence_max: config.client.silence_max,
        authentication_timeout: AUTHENTICATION_TIMEOUT,
        slow_request: config.log.slow_request,
        limits: endpoint_limits(&config.limits),
    })
}

fn endpoint_limits(limits: &LimitsConfig) -> EndpointLimits {
    EndpointLimits {
        value_bytes_max: bytes(limits.value_bytes_max),
        key_bytes_max: bytes(limits.key_bytes_max),
        name_bytes_max: bytes(limits.name_bytes_max),
        request_bytes_max: bytes(limits.request_bytes_max),
        in_flight_max: limits.client_in_flight_max,
        listeners_max: limits.listeners_per_client_max,
    }
}

/// A limit in bytes as memory counts them.
pub(super) fn bytes(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// What replication is told.
pub(super) fn raft(config: &Config) -> RaftSettings {
    let raft = &config.raft;
    RaftSettings {
        heartbeat_interval: raft.heartbeat_interval,
        election_timeout: raft.election_timeout,
        lease_reads: raft.lease_reads,
        snapshot_log_bytes: raft.snapshot_log_bytes,
        bootstrap_expect: raft.bootstrap_expect,
        operation_timeout: config.client.operation_timeout,
        member_timeout: config.client.member_timeout,
        // A leader without a coordinator of its own judges those of others all the same.
        coordinator_check_timeout: config.coordinator_check_timeout,
        state_bytes_max: config.limits.state_bytes_max,
        slow_apply: config.log.slow_apply,
    }
}

/// What the founder initialises Raft and writes first.
pub(super) fn founding(config: &Config, founding: &bootstrap::Founding) -> Founding {
    let member = |member: &bootstrap::FoundingMember| {
        (member.node, Name::from(member.raft_address.as_str()))
    };
    Founding {
        cluster_id: founding.cluster_id,
        cluster_name: config.node.cluster_name.as_str().into(),
        members: founding.members.iter().map(member).collect(),
        sessions: sessions(&config.cp),
        maps: maps(&config.maps),
    }
}

/// Times of CP sessions, as the founder writes them.
fn sessions(cp: &CpConfig) -> SessionSettings {
    SessionSettings {
        time_to_live_ms: ms(cp.session_time_to_live),
        heartbeat_interval_ms: ms(cp.session_heartbeat_interval),
    }
}

/// Settings of maps by name, as the founder writes them.
fn maps(maps: &BTreeMap<String, MapConfig>) -> Vec<(Name, MapSettings)> {
    maps.iter().map(|(name, map)| (name.as_str().into(), map_settings(map))).collect()
}

fn map_settings(map: &MapConfig) -> MapSettings {
    MapSettings {
        time_to_live_ms: map.time_to_live.map_or(0, ms),
        max_idle_ms: map.max_idle.map_or(0, ms),
        max_entries: map.max_entries.unwrap_or(0),
        eviction: match map.eviction {
            config::Eviction::None => Eviction::None,
            config::Eviction::Lru => Eviction::Lru,
            config::Eviction::Lfu => Eviction::Lfu,
        },
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
