//! The replicated state machine: deterministic, in memory, free of I/O.
//!
//! Invariant: the same log entries give the same state, replies and events on every node. Time and
//! ids come in with the entry; nothing here reads a clock, draws a number or iterates a hash map.
//! Deliberately absent: sockets, files, threads, the client protocol and Raft.

mod accounting;
mod answers;
mod blob;
mod cluster;
mod command;
mod command_kind;
mod cow_map;
mod cp_session;
mod distributed_object;
mod event;
mod expiry;
mod fenced_lock;
mod flake_id_generator;
mod ids;
mod limits;
mod machine;
mod map;
mod map_lock;
mod maps;
mod origins;
mod outcome;
#[cfg(test)]
mod properties;
mod proposal;
mod query;
mod record;
mod set;
mod snapshot;
#[cfg(test)]
mod testscripts;
mod view;

pub use blob::{Blob, NotABlob};
pub use command::{
    Caller, ClusterCommand, Command, CpCommand, Eviction, Lifetime, LockEndpoint, MapChange,
    MapSettings, NodeDescription, ObjectCommand, PutMode, SessionSettings, SetChange, Touch,
};
pub use event::{EntryEventKind, Event, WaitKey};
pub use ids::{
    ClientUuid, ClusterId, ClusterTime, Fence, InvocationUid, MemberUuid, Name, NodeId, SessionId,
    ThreadId,
};
pub use machine::Machine;
pub use outcome::{
    Answer, Group, LockView, MapView, Outcome, Ownership, RecordView, Rejection, Reply,
    SessionView, SetView,
};
pub use proposal::{Applied, EventBatch, LogEntry, Origin, SubmitError};
pub use query::Query;
pub use snapshot::{Frozen, SnapshotError};
pub use view::{ClusterInfo, ClusterView, PARTITION_VERSION_STEP, WaitState};
