//! Every bound of the replicated state, with its reason. A client that reaches one is told
//! `Rejection::LimitReached` with the name given here; nothing is dropped to make room, except
//! where the text says so.
//!
//! The size of the whole state is not here: leaders compare `Machine::state_bytes` with
//! `limits.state-bytes-max` before they propose, since the limit is a node's setting and may
//! differ.

use crate::ids::Name;
use crate::outcome::Rejection;

/// Distributed objects known by name, as documented for `limits.objects-max`; sets are one for each
/// query, so this is also what stops a client that never destroys them.
pub(crate) const OBJECTS_MAX: usize = 10_000;
/// Maps; each costs a few hundred bytes even when it is empty.
pub(crate) const MAPS_MAX: usize = 10_000;
/// Sets.
pub(crate) const SETS_MAX: usize = 10_000;
/// Id generators; they are kept for ever, since ids must never be given twice.
pub(crate) const ID_GENERATORS_MAX: usize = 10_000;
/// Schemas of compact serialisation; kept for ever.
pub(crate) const SCHEMAS_MAX: usize = 10_000;
/// Nodes that can be described; far above what one Raft group bears.
pub(crate) const NODES_MAX: usize = 64;
/// CP groups.
pub(crate) const CP_GROUPS_MAX: usize = 1_000;
/// CP sessions of all groups.
pub(crate) const CP_SESSIONS_MAX: usize = 100_000;
/// Fenced locks that are held, waited for or remembered.
pub(crate) const FENCED_LOCKS_MAX: usize = 100_000;
/// Names of CP objects that were destroyed; they are refused for ever.
pub(crate) const CP_TOMBSTONES_MAX: usize = 100_000;
/// Calls that wait for one lock, of either kind.
pub(crate) const WAITS_PER_LOCK_MAX: usize = 10_000;
/// Remembered answers of one fenced lock. The oldest of an endpoint that does not hold the lock
/// goes first: clients that lock with a fresh thread id each time leave one answer each.
pub(crate) const MEMOS_PER_FENCED_LOCK_MAX: usize = 1_024;
/// Keys of maps that are locked at one time.
pub(crate) const MAP_LOCKS_MAX: usize = 100_000;
/// Remembered answers of map locks and of writes that waited; the oldest goes first.
pub(crate) const MAP_MEMOS_MAX: usize = 100_000;
/// How long those answers are remembered: clients repeat a call for 120 s after its first try.
pub(crate) const MAP_MEMO_MS: u64 = 300_000;
/// How long a write without a timeout of its own waits for a locked key.
pub(crate) const BLOCKED_WRITE_MS: u64 = 60_000;
/// Remembered replies of one node. A node answers far fewer at a time; if one never says what it
/// has answered, the oldest go, and their sequences count as answered.
pub(crate) const ORIGIN_REPLIES_MAX: usize = 65_536;
/// Largest id batch (protocol: `FlakeIdGenerator.newIdBatch`).
pub(crate) const ID_BATCH_MAX: u32 = 100_000;
/// Largest page of records one query answers.
pub(crate) const PAGE_MAX: usize = 10_000;

/// The refusal for a limit of this module.
pub(crate) fn reached(limit: &str, max: usize) -> Rejection {
    Rejection::LimitReached { limit: Name::from(limit), max: max as u64 }
}

#[cfg(test)]
mod tests;
