//! `Blob`: a serialised key or value, opaque but for its identity.
//!
//! Two blobs are the same when their bytes from offset 4 are (type id and payload): the first four
//! bytes are a partition hash that says where an owner lives, not what the value is.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Bytes of the partition hash in front of type id and payload.
const HASH_BYTES: usize = 4;
/// Partition hash and type id.
const HEADER_BYTES: usize = 8;
/// Blobs up to this size are copied out of the buffer they arrived in when they are kept, so that a
/// small value never pins a large buffer. Larger ones arrive in a buffer of (nearly) their own.
const DETACH_BYTES_MAX: usize = 16 * 1024;

/// A key or value as the client serialised it (big-endian: i32 hash, i32 type id, payload).
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Bytes")]
pub struct Blob(Bytes);

/// Bytes that are no blob: too short, or the protocol's null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0} bytes are not a serialised key or value")]
pub struct NotABlob(usize);

impl TryFrom<Bytes> for Blob {
    type Error = NotABlob;

    fn try_from(bytes: Bytes) -> Result<Self, NotABlob> {
        let length = bytes.len();
        Self::new(bytes).ok_or(NotABlob(length))
    }
}

impl Blob {
    /// Takes serialised bytes; `None` for what the protocol counts as null (shorter than eight
    /// bytes or type id 0).
    #[must_use]
    pub fn new(bytes: Bytes) -> Option<Self> {
        let type_id = bytes.get(HASH_BYTES..HEADER_BYTES)?;
        (type_id != [0; 4]).then_some(Self(bytes))
    }

    /// A string as Java, Python and Node clients serialise it: type -11, i32 length, UTF-8.
    #[must_use]
    pub fn string(text: &str) -> Self {
        let length = u32::try_from(text.len()).expect("texts of the server itself are short");
        let mut bytes = Vec::with_capacity(HEADER_BYTES + 4 + text.len());
        bytes.extend_from_slice(&[0; HASH_BYTES]);
        bytes.extend_from_slice(&(-11_i32).to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
        Self(bytes.into())
    }

    /// All bytes, as clients get them back.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The type id, for display only.
    #[must_use]
    pub fn type_id(&self) -> i32 {
        let mut id = [0; 4];
        id.copy_from_slice(&self.0[HASH_BYTES..HEADER_BYTES]);
        i32::from_be_bytes(id)
    }

    /// Length in bytes, header included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never true: a blob has at least its header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// This blob in memory of its own, if it is small enough to pin a larger buffer otherwise.
    #[must_use]
    pub fn detached(&self) -> Self {
        if self.0.len() <= DETACH_BYTES_MAX {
            Self(Bytes::copy_from_slice(&self.0))
        } else {
            self.clone()
        }
    }

    fn identity(&self) -> &[u8] {
        &self.0[HASH_BYTES..]
    }
}

impl PartialEq for Blob {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Blob {}

impl PartialOrd for Blob {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Blob {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(other.identity())
    }
}

impl Hash for Blob {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// Shows type and size, never content: values stay out of logs and errors.
impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob(type {}, {} bytes)", self.type_id(), self.len())
    }
}
