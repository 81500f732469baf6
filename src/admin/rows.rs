//! Plain rows that a node fills for the API: what it alone knows of itself.

use std::time::Duration;

use statekeeper_machine::{ClientUuid, Name};

/// One connection of a client to this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRow {
    /// The client instance; it may have a connection to every node.
    pub client: ClientUuid,
    /// Its name, for instance `hz.client_1`.
    pub name: Name,
    /// `JVM`, `PYH`, `NJS` and so on.
    pub language: Name,
    /// Its own version.
    pub version: Name,
    /// Where it connects from.
    pub address: String,
    /// Labels it was given.
    pub labels: Vec<Name>,
    /// Since it connected.
    pub connected_for: Duration,
    /// Since it was heard last.
    pub silent_for: Duration,
    /// Listeners it registered.
    pub listeners: u64,
    /// Its requests without an answer yet.
    pub in_flight: u64,
    /// Bytes that wait to be sent to it.
    pub buffered_bytes: u64,
}

/// The seed store as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeedReport {
    /// Where the seeds lie; `None` without a seed directory.
    pub directory: Option<String>,
    /// Who holds the directory's lock now, as its file tells.
    pub lock_holder: Option<String>,
    /// The seeds.
    pub seeds: Vec<SeedRow>,
}

/// One seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedRow {
    /// `host:port` as written.
    pub location: String,
    /// Time stamp as written, milliseconds since the epoch by the clock of whoever wrote it.
    pub timestamp_ms: i64,
    /// It is this node's own.
    pub own: bool,
}

/// How this node looks for others and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoveryReport {
    /// `none`, `tcp-ip`, `seed-directory` or `multicast`.
    pub mode: &'static str,
    /// What the node waits for now, in words; `None` once it belongs to a cluster.
    pub waiting_for: Option<String>,
    /// The last attempt at each address.
    pub attempts: Vec<AttemptRow>,
}

/// The last attempt to reach a node at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    /// `host:port` as it was found.
    pub address: String,
    /// Since it was tried.
    pub tried_for: Duration,
    /// What it was: a node of this cluster, an error, and so on.
    pub result: String,
    /// Whether a node answered.
    pub answered: bool,
}

/// Counters of the durable layer since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageRow {
    /// Groups of entries made durable.
    pub flushes: u64,
    /// Time spent in all flushes.
    pub flush_time_sum: Duration,
    /// The longest flush.
    pub flush_time_max: Duration,
    /// Entries appended.
    pub appended_entries: u64,
    /// Bytes of entries appended.
    pub appended_bytes: u64,
    /// Bytes of entries in the log now.
    pub log_bytes: u64,
    /// Snapshots made durable.
    pub snapshots: u64,
    /// Bytes of the newest snapshot.
    pub snapshot_bytes: u64,
    /// Bytes of the data directory, if known.
    pub bytes: Option<u64>,
    /// Free bytes of its file system, if known.
    pub free_bytes: Option<u64>,
}
