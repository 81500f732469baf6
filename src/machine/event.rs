//! What an applied entry makes known: to listeners, to waiting calls, to the node itself.

use serde::{Deserialize, Serialize};

use crate::blob::Blob;
use crate::command::{Caller, LockEndpoint};
use crate::ids::{ClientUuid, InvocationUid, Name, NodeId};
use crate::outcome::Reply;
use crate::proposal::Origin;

/// Something that happened, in log order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// One record of a map changed.
    MapEntry {
        /// The map.
        map: Name,
        /// The key.
        key: Blob,
        /// The new value: added and updated.
        value: Option<Blob>,
        /// The old value: updated, removed, evicted, expired.
        old_value: Option<Blob>,
        /// What happened.
        kind: EntryEventKind,
    },
    /// A whole map changed by one call.
    MapWide {
        /// The map.
        map: Name,
        /// `EvictAll` or `ClearAll`.
        kind: EntryEventKind,
        /// How many records went.
        count: u64,
    },
    /// Near caches must drop a key, or all of the map.
    NearCache {
        /// The map.
        map: Name,
        /// The key; `None` for all.
        key: Option<Blob>,
        /// The client that caused it.
        source: ClientUuid,
        /// Grows by one with every event of the map.
        sequence: i64,
    },
    /// One item of a set came or went.
    SetItem {
        /// The set.
        set: Name,
        /// The item.
        item: Blob,
        /// Added (true) or removed.
        added: bool,
    },
    /// A distributed object was created (true) or destroyed.
    Object {
        /// Its service.
        service: Name,
        /// Its name.
        name: Name,
        /// Who caused it.
        client: ClientUuid,
        /// Created or destroyed.
        created: bool,
    },
    /// A waiting call has its answer.
    WaitEnded {
        /// Which call.
        wait: WaitKey,
        /// Its answer.
        reply: Reply,
    },
    /// The client member list, its version, or the partition owner changed: ask `Machine::view`.
    ViewChanged,
    /// A CP session ended.
    SessionEnded {
        /// Its group.
        group: Name,
        /// The session.
        session: crate::ids::SessionId,
        /// By its time to live rather than by a call.
        expired: bool,
    },
    /// A node took office; earlier leaders emit nothing more.
    OfficeTaken {
        /// The leader.
        leader: NodeId,
    },
}

/// Kinds of entry events with the protocol's bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(i32)]
pub enum EntryEventKind {
    /// A record that was not there.
    Added = 1,
    /// Removed by a call.
    Removed = 2,
    /// A record that was there.
    Updated = 4,
    /// Removed by the size limit or `evict`.
    Evicted = 8,
    /// Removed by time.
    Expired = 16,
    /// `evictAll`.
    EvictAll = 32,
    /// `clear`.
    ClearAll = 64,
}

/// Which waiting call: the call's own identity, so that every retry of it gets the answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WaitKey {
    /// A wait for a fenced lock.
    Lock {
        /// The group.
        group: Name,
        /// The lock.
        name: Name,
        /// Who waits.
        endpoint: LockEndpoint,
        /// The call.
        uid: InvocationUid,
    },
    /// A wait for a map lock.
    MapLock {
        /// The map.
        map: Name,
        /// The key.
        key: Blob,
        /// Who waits.
        caller: Caller,
        /// The call.
        reference: i64,
    },
    /// A write that waits for a locked key: it has no identity but its node's.
    Origin(Origin),
}
