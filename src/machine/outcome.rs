//! What commands and queries answer.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::blob::Blob;
use crate::command::{LockEndpoint, MapSettings};
use crate::ids::{ClientUuid, ClusterTime, Fence, Name, SessionId};

/// What a command answers: an outcome, or a refusal every node agrees on.
pub type Reply = Result<Outcome, Rejection>;

/// The answer of an applied command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It happened; there is nothing to say.
    Done,
    /// Whether it happened, or the call's own flag.
    Flag(bool),
    /// A value, or null.
    Value(Option<Blob>),
    /// How many.
    Count(u64),
    /// The call waits; `Event::WaitEnded` with its wait key ends it.
    Waiting,
    /// A lock's fence; 0 stands for "not acquired".
    Fence(Fence),
    /// A new CP session.
    Session {
        /// The session.
        session: SessionId,
        /// Its time to live, milliseconds.
        time_to_live_ms: u64,
        /// How often the client shall send a heartbeat, milliseconds.
        heartbeat_interval_ms: u64,
    },
    /// Sessions of a heartbeat that do not exist (any more).
    UnknownSessions(Vec<(Name, SessionId)>),
    /// A thread id.
    ThreadId(i64),
    /// A CP group.
    Group(Group),
    /// First id of a batch; the increment is 1.
    IdBatch {
        /// The first id.
        base: i64,
    },
}

/// A CP group as clients name it; opaque to them and the same for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: Name,
    /// Always 0 here.
    pub seed: i64,
    /// In order of creation.
    pub id: i64,
}

/// Why a command did not happen. Deterministic: every node says the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum Rejection {
    /// Unlock by somebody else.
    #[error("current thread is not owner of the lock")]
    NotLockOwner,
    /// A CP call named a session that is closed, expired or was never there.
    #[error("CP session {session} is not active")]
    SessionUnknown {
        /// The session.
        session: SessionId,
    },
    /// A newer call of the same endpoint took the place of this wait.
    #[error("the wait was superseded by a newer call of the same thread")]
    WaitCancelled,
    /// The object was destroyed.
    #[error("{name} is already destroyed")]
    ObjectDestroyed {
        /// The object.
        name: Name,
    },
    /// The key stayed locked for as long as a call may wait.
    #[error("the key stayed locked by another thread")]
    LockedTooLong,
    /// An argument is out of its range.
    #[error("{what} must be between {min} and {max}")]
    OutOfRange {
        /// Which argument.
        what: Name,
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// The replicated state holds as many of these as it may.
    #[error("limit {limit} of {max} reached")]
    LimitReached {
        /// The configuration key.
        limit: Name,
        /// Its value.
        max: u64,
    },
    /// The sequence was answered before, or belongs to an earlier start of its node.
    #[error("the command was sent again after its answer was forgotten")]
    StaleOrigin,
    /// `Found` on a cluster that has been founded.
    #[error("the cluster was founded before")]
    AlreadyFounded,
    /// A command of a client before `Found`.
    #[error("the cluster is not founded yet")]
    NotFounded,
    /// The node is not known.
    #[error("node {node} is not known")]
    NodeUnknown {
        /// The node.
        node: crate::ids::NodeId,
    },
}

/// The answer of a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// Nothing to say.
    Nothing,
    /// Yes or no.
    Flag(bool),
    /// How many.
    Count(u64),
    /// A value, or null.
    Value(Option<Blob>),
    /// Values in order of their bytes.
    Values(Vec<Blob>),
    /// Keys and values in key order.
    Entries(Vec<(Blob, Blob)>),
    /// One record with its metadata.
    Record(Option<RecordView>),
    /// Records in key order, and whether there are more.
    Records {
        /// The page.
        records: Vec<RecordView>,
        /// More records follow.
        more: bool,
    },
    /// Near-cache sequence by map.
    Sequences(Vec<(Name, i64)>),
    /// Maps.
    Maps(Vec<MapView>),
    /// Sets.
    Sets(Vec<SetView>),
    /// A lock's ownership.
    Ownership(Ownership),
    /// The question was about something that is destroyed.
    Refused(Rejection),
    /// Fenced locks.
    Locks(Vec<LockView>),
    /// CP sessions.
    Sessions(Vec<SessionView>),
    /// A group that exists.
    Group(Option<Group>),
    /// Service and name.
    Objects(Vec<(Name, Name)>),
    /// An encoded schema.
    Schema(Option<Bytes>),
    /// Generator and the first id it has not given out.
    IdGenerators(Vec<(Name, i64)>),
}

/// A record with its metadata (protocol: `SimpleEntryView`); times are cluster times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordView {
    /// The key.
    pub key: Blob,
    /// The value.
    pub value: Blob,
    /// Accounted bytes.
    pub cost_bytes: u64,
    /// When the record was made.
    pub created_at: ClusterTime,
    /// When the value was written last.
    pub updated_at: ClusterTime,
    /// When it was read last, where reads are counted.
    pub accessed_at: Option<ClusterTime>,
    /// Reads, where they are counted.
    pub hits: u64,
    /// Grows with every write of this key; unique over deletions (admin `ETag`).
    pub version: u64,
    /// When it expires.
    pub expires_at: Option<ClusterTime>,
    /// Its time to live, milliseconds.
    pub time_to_live_ms: Option<u64>,
    /// Its idle time, milliseconds.
    pub max_idle_ms: Option<u64>,
}

/// A map in lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapView {
    /// Its name.
    pub name: Name,
    /// Records.
    pub records: u64,
    /// Accounted bytes.
    pub bytes: u64,
    /// Settings in force.
    pub settings: MapSettings,
    /// Records that expired since the map exists.
    pub expirations: u64,
    /// Records that were evicted since the map exists.
    pub evictions: u64,
    /// Keys locked now.
    pub locked_keys: u64,
}

/// A set in lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetView {
    /// Its name.
    pub name: Name,
    /// Items.
    pub items: u64,
    /// Accounted bytes.
    pub bytes: u64,
}

/// Who holds a fenced lock now; the free lock has fence 0, count 0 and endpoint -1/-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// The hold's fence.
    pub fence: Fence,
    /// Reentrant holds.
    pub count: u32,
    /// The holder.
    pub endpoint: LockEndpoint,
}

/// A fenced lock in lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockView {
    /// Its group.
    pub group: Name,
    /// Its name.
    pub name: Name,
    /// Who holds it.
    pub ownership: Ownership,
    /// Since when.
    pub held_since: Option<ClusterTime>,
    /// Who waits, in order, with the end of the wait.
    pub waiters: Vec<(LockEndpoint, Option<ClusterTime>)>,
}

/// A CP session in lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Its group.
    pub group: Name,
    /// The session.
    pub session: SessionId,
    /// The client's name.
    pub endpoint_name: Name,
    /// The client.
    pub client: ClientUuid,
    /// When it was made.
    pub created_at: ClusterTime,
    /// When it ends without another heartbeat.
    pub expires_at: ClusterTime,
    /// Locks it holds.
    pub locks: Vec<Name>,
}
