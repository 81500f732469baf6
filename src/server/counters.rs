//! Counters of the client port, for `/metrics`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use statekeeper_protocol::MessageType;

/// What happened on the client port since the start.
#[derive(Debug)]
pub struct ClientCounters {
    /// Connections accepted, of any kind.
    pub connections: AtomicU64,
    /// Connections refused because of a limit.
    pub refused: AtomicU64,
    /// Clients that authenticated.
    pub authenticated: AtomicU64,
    /// Connections of clients that ended.
    pub disconnects: AtomicU64,
    /// Member-protocol connections refused.
    pub member_protocol: AtomicU64,
    /// Bytes read from clients.
    pub bytes_in: AtomicU64,
    /// Bytes written to clients.
    pub bytes_out: AtomicU64,
    requests: BTreeMap<MessageType, (&'static str, AtomicU64)>,
    unknown_requests: AtomicU64,
}

impl Default for ClientCounters {
    fn default() -> Self {
        let rows =
            MessageType::published().map(|(message, name)| (message, (name, AtomicU64::new(0))));
        Self {
            connections: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            authenticated: AtomicU64::new(0),
            disconnects: AtomicU64::new(0),
            member_protocol: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            requests: rows.collect(),
            unknown_requests: AtomicU64::new(0),
        }
    }
}

impl ClientCounters {
    /// Counts one request.
    pub(crate) fn count_request(&self, message: MessageType) {
        let counter = self.requests.get(&message).map_or(&self.unknown_requests, |(_, n)| n);
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests by message name, those that came at least once; `unknown` for unpublished numbers.
    pub fn requests(&self) -> Vec<(&'static str, u64)> {
        let known = self.requests.values().map(|(name, count)| (*name, count));
        known
            .chain([("unknown", &self.unknown_requests)])
            .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}
