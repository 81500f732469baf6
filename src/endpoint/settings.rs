//! What an endpoint must know of its node; the same for every connection of it.

use std::time::Duration;

use statekeeper_machine::{ClusterId, MemberUuid, Name};

/// What an endpoint must know of its node; the same for every connection of it.
#[derive(Clone, Debug)]
pub struct EndpointSettings {
    /// This node, as clients call it.
    pub member: MemberUuid,
    /// The cluster; constant once it is founded.
    pub cluster_id: ClusterId,
    /// What clients must ask for (`state-store.cluster`).
    pub cluster_name: Name,
    /// Host of `client.advertise`.
    pub client_host: Name,
    /// Port of `client.advertise`.
    pub client_port: u16,
    /// A client silent for this long is closed (`hazelcast.max.no.heartbeat.seconds`).
    pub silence_max: Duration,
    /// A connection must have authenticated within this time.
    pub authentication_timeout: Duration,
    /// A request that takes longer is logged (`log.slow-request`).
    pub slow_request: Duration,
    /// Bounds.
    pub limits: EndpointLimits,
}

/// Bounds of one conversation, from the configuration (`limits.*`).
#[derive(Clone, Copy, Debug)]
pub struct EndpointLimits {
    /// `limits.value-bytes-max`.
    pub value_bytes_max: usize,
    /// `limits.key-bytes-max`.
    pub key_bytes_max: usize,
    /// `limits.name-bytes-max`.
    pub name_bytes_max: usize,
    /// `limits.request-bytes-max`.
    pub request_bytes_max: usize,
    /// `limits.client-in-flight-max`: beyond, code 46.
    pub in_flight_max: usize,
    /// `limits.listeners-per-client-max`.
    pub listeners_max: usize,
}
