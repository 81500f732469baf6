//! Everything that reads the replicated state. A query changes nothing and looks at no clock.

use serde::{Deserialize, Serialize};

use crate::blob::Blob;
use crate::ids::Name;

/// A question to the state at one log index.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Query {
    /// `Map.get`: `Answer::Value`.
    MapGet {
        /// The map.
        map: Name,
        /// The key.
        key: Blob,
    },
    /// `Map.getAll`: `Answer::Entries`, missing keys left out.
    MapGetAll {
        /// The map.
        map: Name,
        /// The keys.
        keys: Vec<Blob>,
    },
    /// `Map.containsKey`: `Answer::Flag`.
    MapContainsKey {
        /// The map.
        map: Name,
        /// The key.
        key: Blob,
    },
    /// `Map.containsValue`: `Answer::Flag`.
    MapContainsValue {
        /// The map.
        map: Name,
        /// The value.
        value: Blob,
    },
    /// `Map.size` and `isEmpty`: `Answer::Count`.
    MapSize {
        /// The map.
        map: Name,
    },
    /// `Map.entrySet`, `keySet`, `values`: `Answer::Entries`.
    MapEntries {
        /// The map.
        map: Name,
    },
    /// One page of records in key order, with metadata: `Answer::Records`.
    MapPage {
        /// The map.
        map: Name,
        /// Records after this key.
        after: Option<Blob>,
        /// At most this many.
        limit: usize,
    },
    /// `Map.getEntryView`: `Answer::Record`.
    MapRecord {
        /// The map.
        map: Name,
        /// The key.
        key: Blob,
    },
    /// `Map.isLocked`: `Answer::Flag`.
    MapIsLocked {
        /// The map.
        map: Name,
        /// The key.
        key: Blob,
    },
    /// `Map.fetchNearCacheInvalidationMetadata`: `Answer::Sequences`.
    NearCacheSequences {
        /// The maps.
        maps: Vec<Name>,
    },
    /// Counts and settings of one map: `Answer::Maps` with one row, or none.
    MapSummary {
        /// The map.
        map: Name,
    },
    /// Counts and settings of all maps: `Answer::Maps`.
    Maps,
    /// Whether the set holds all of these: `Answer::Flag`.
    SetContainsAll {
        /// The set.
        set: Name,
        /// The items.
        items: Vec<Blob>,
    },
    /// `Set.getAll`: `Answer::Values`.
    SetItems {
        /// The set.
        set: Name,
    },
    /// `Set.size`, `isEmpty`: `Answer::Count`.
    SetSize {
        /// The set.
        set: Name,
    },
    /// All sets with counts and bytes: `Answer::Sets`.
    Sets,
    /// `FencedLock.getLockOwnership`: `Answer::Ownership`, or `Refused` for a destroyed lock.
    LockOwnership {
        /// The group.
        group: Name,
        /// The lock.
        name: Name,
    },
    /// All fenced locks: `Answer::Locks`.
    Locks,
    /// All CP sessions: `Answer::Sessions`.
    Sessions,
    /// The group, if it was created: `Answer::Group`.
    Group {
        /// The group.
        group: Name,
    },
    /// `Client.getDistributedObjects`: `Answer::Objects`.
    Objects,
    /// Whether all these objects exist already: `Answer::Flag`.
    ObjectsExist {
        /// Service and name.
        objects: Vec<(Name, Name)>,
    },
    /// `Client.fetchSchema`: `Answer::Schema`.
    Schema {
        /// The schema's id.
        id: i64,
    },
    /// All id generators: `Answer::IdGenerators`.
    IdGenerators,
    /// Nothing but the proof of a linearizable read: `Answer::Nothing`.
    Barrier,
}
