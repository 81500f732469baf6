//! Who is connected to this node.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use statekeeper_endpoint::{ClientInfo, EndpointSummary};
use statekeeper_machine::ClientUuid;
use tokio_util::sync::CancellationToken;

use crate::consensus::Consensus;

/// All clients of this node. A client may have several connections, one for each of its lives.
pub struct ClientRegistry {
    consensus: Arc<dyn Consensus>,
    connections: Mutex<BTreeMap<u64, Connected>>,
    next_id: AtomicU64,
}

/// What a connection keeps up to date about itself.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    listeners: AtomicUsize,
    in_flight: AtomicUsize,
    buffered_bytes: AtomicUsize,
    /// Milliseconds after the connection was made.
    heard_at_ms: AtomicU64,
}

struct Connected {
    info: ClientInfo,
    address: SocketAddr,
    since: Instant,
    gauges: Arc<Gauges>,
    stop: CancellationToken,
}

/// One connection in lists (admin API: `/v1/clients`).
#[derive(Clone, Debug)]
pub struct ConnectionRow {
    /// Who.
    pub info: ClientInfo,
    /// From where.
    pub address: SocketAddr,
    /// Since it was accepted.
    pub connected_for: Duration,
    /// Since its last byte.
    pub silent_for: Duration,
    /// Listeners registered.
    pub listeners: usize,
    /// Requests without an answer yet.
    pub in_flight: usize,
    /// Bytes waiting to be sent.
    pub buffered_bytes: usize,
}

/// A place in the registry; gives it up when dropped.
pub(crate) struct Registration {
    registry: Arc<ClientRegistry>,
    id: u64,
}

impl std::fmt::Debug for ClientRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientRegistry").finish_non_exhaustive()
    }
}

impl Gauges {
    pub(crate) fn set(&self, summary: EndpointSummary, buffered_bytes: usize) {
        self.listeners.store(summary.listeners, Ordering::Relaxed);
        self.in_flight.store(summary.in_flight, Ordering::Relaxed);
        self.buffered_bytes.store(buffered_bytes, Ordering::Relaxed);
    }

    pub(crate) fn heard(&self, since_start: Duration) {
        let ms = u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX);
        self.heard_at_ms.store(ms, Ordering::Relaxed);
    }
}

impl ClientRegistry {
    /// Nobody yet.
    pub fn new(consensus: Arc<dyn Consensus>) -> Arc<Self> {
        Arc::new(Self { consensus, connections: Mutex::default(), next_id: AtomicU64::new(1) })
    }

    /// A number for a connection, unique in this process.
    pub(crate) fn draw_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Enters an authenticated client.
    pub(crate) fn enter(
        self: &Arc<Self>,
        id: u64,
        info: ClientInfo,
        address: SocketAddr,
        since: Instant,
        gauges: Arc<Gauges>,
        stop: CancellationToken,
    ) -> Registration {
        let client = info.client;
        let mut connections = self.connections.lock();
        let first = !connections.values().any(|other| other.info.client == client);
        connections.insert(id, Connected { info, address, since, gauges, stop });
        if first {
            // Under the lock, so that the last word about a client is also the true one.
            self.consensus.client_presence(client, true);
        }
        Registration { registry: self.clone(), id }
    }

    /// Authenticated connections.
    pub fn len(&self) -> usize {
        self.connections.lock().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All connections in the order in which they were made.
    pub fn rows(&self) -> Vec<ConnectionRow> {
        let now = Instant::now();
        let row = |connected: &Connected| {
            let connected_for = now.saturating_duration_since(connected.since);
            let gauges = &connected.gauges;
            let heard_at = Duration::from_millis(gauges.heard_at_ms.load(Ordering::Relaxed));
            ConnectionRow {
                info: connected.info.clone(),
                address: connected.address,
                connected_for,
                silent_for: connected_for.saturating_sub(heard_at),
                listeners: gauges.listeners.load(Ordering::Relaxed),
                in_flight: gauges.in_flight.load(Ordering::Relaxed),
                buffered_bytes: gauges.buffered_bytes.load(Ordering::Relaxed),
            }
        };
        self.connections.lock().values().map(row).collect()
    }

    /// Ends the connections of a client; says how many there were.
    pub fn disconnect(&self, client: ClientUuid) -> usize {
        let connections = self.connections.lock();
        let of_client = connections.values().filter(|one| one.info.client == client);
        of_client.map(|connected| connected.stop.cancel()).count()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut connections = self.registry.connections.lock();
        let Some(gone) = connections.remove(&self.id) else { return };
        let client = gone.info.client;
        if !connections.values().any(|other| other.info.client == client) {
            self.registry.consensus.client_presence(client, false);
        }
    }
}
