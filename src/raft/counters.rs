//! `RaftCounters`: plain counters for whoever exports them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of replication since the start of the process.
#[derive(Debug, Default)]
pub struct RaftCounters {
    /// Commands accepted on this node.
    pub submitted: AtomicU64,
    /// Commands sent again, after a change of leader or a lost connection.
    pub resent: AtomicU64,
    /// Commands answered as unknown at their deadline.
    pub unknown: AtomicU64,
    /// Commands proposed here as leader, forwarded ones included.
    pub proposed: AtomicU64,
    /// Batches of proposals.
    pub batches: AtomicU64,
    /// Entries applied, those of recovery included.
    pub applied: AtomicU64,
    /// Events published to subscribers.
    pub events: AtomicU64,
    /// Subscribers that were too slow and were dropped.
    pub subscribers_dropped: AtomicU64,
    /// Linearizable reads.
    pub reads: AtomicU64,
    /// Read indexes asked for; each serves all reads that waited.
    pub read_rounds: AtomicU64,
    /// Times this node took office.
    pub offices: AtomicU64,
    /// Connections made to other nodes.
    pub connections: AtomicU64,
    /// Snapshots sent to other nodes.
    pub snapshots_sent: AtomicU64,
    /// Snapshots received and installed.
    pub snapshots_installed: AtomicU64,
    /// Snapshots built here.
    pub snapshots_built: AtomicU64,
    /// Reads that were not counted for idle times, since too many keys were read here.
    pub touches_dropped: AtomicU64,
    /// The same, of those that were told to this node as leader.
    pub touches_dropped_leading: AtomicU64,
}

impl RaftCounters {
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}
