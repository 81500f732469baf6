//! What the state costs in bytes: keys, values and names as they are, and fixed amounts for what is
//! kept around them. The amounts are part of the contract: every node must come to the same sum.

use crate::blob::Blob;
use crate::event::WaitKey;
use crate::outcome::{Outcome, Reply};

/// A record beside its key and value: metadata, handles, allocations; what the memory bench
/// measures for plain records (one with a time to live costs about 130 more, and is not counted as
/// such).
pub(crate) const RECORD_BYTES: u64 = 224;
/// A map without records.
pub(crate) const MAP_BYTES: u64 = 256;
/// A set without items.
pub(crate) const SET_BYTES: u64 = 128;
/// An item of a set beside its bytes.
pub(crate) const ITEM_BYTES: u64 = 64;
/// Any other row of the state: a session, a lock, an object, a remembered reply.
pub(crate) const ROW_BYTES: u64 = 128;
/// A remembered answer of a lock call beside names, keys and payload: it stands in two lists.
pub(crate) const MEMO_BYTES: u64 = 256;

/// What a record costs.
pub(crate) fn record_bytes(key: &Blob, value: &Blob) -> u64 {
    RECORD_BYTES + key.len() as u64 + value.len() as u64
}

/// What an item of a set costs.
pub(crate) fn item_bytes(item: &Blob) -> u64 {
    ITEM_BYTES + item.len() as u64
}

/// What a remembered reply costs.
pub(crate) fn reply_bytes(reply: &Reply) -> u64 {
    ROW_BYTES + reply_payload(reply)
}

/// What a remembered answer of a map lock, or of a write that waited, costs.
pub(crate) fn memo_bytes(call: &WaitKey, reply: &Reply) -> u64 {
    MEMO_BYTES + wait_key_bytes(call) + reply_payload(reply)
}

/// What the identity of a call holds beside its fixed part.
pub(crate) fn wait_key_bytes(call: &WaitKey) -> u64 {
    match call {
        WaitKey::Lock { group, name, .. } => (group.len() + name.len()) as u64,
        WaitKey::MapLock { map, key, .. } => (map.len() + key.len()) as u64,
        WaitKey::Origin(_) => 0,
    }
}

fn reply_payload(reply: &Reply) -> u64 {
    match reply {
        Ok(Outcome::Value(Some(value))) => value.len() as u64,
        Ok(Outcome::UnknownSessions(sessions)) => {
            sessions.iter().map(|(group, _)| group.len() as u64 + 32).sum()
        }
        Ok(
            Outcome::Value(None)
            | Outcome::Done
            | Outcome::Flag(_)
            | Outcome::Count(_)
            | Outcome::Waiting
            | Outcome::Fence(_)
            | Outcome::Session { .. }
            | Outcome::ThreadId(_)
            | Outcome::Group(_)
            | Outcome::IdBatch { .. },
        )
        | Err(_) => 0,
    }
}
