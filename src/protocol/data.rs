//! A serialised value, as clients send and expect it: opaque but for its first eight bytes.
//!
//! Inside it is big-endian, the opposite of the frames around it. Deliberately not here: reading
//! the payload. The server compares bytes and never needs to understand them.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::Bytes;

use crate::client_message::PartitionId;
use crate::murmur3;

const TYPE_ID_AT: usize = 4;
const PAYLOAD_AT: usize = 8;
const NULL_TYPE_ID: i32 = 0;

/// A serialised key or value. Equality, order and hash are those of the bytes from offset 4 (type
/// id and payload): the partition hash in front is a routing hint, not part of the value.
#[derive(Clone, Default)]
pub struct Data(Bytes);

impl Data {
    /// Wraps the bytes as they were received, whatever their length.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// A value built from its parts, without an explicit partition hash.
    #[must_use]
    pub fn from_parts(type_id: i32, payload: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(PAYLOAD_AT + payload.len());
        bytes.extend_from_slice(&0i32.to_be_bytes());
        bytes.extend_from_slice(&type_id.to_be_bytes());
        bytes.extend_from_slice(payload);
        Self(bytes.into())
    }

    /// All bytes, the partition hash included.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// All bytes, the partition hash included, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// A copy that owns exactly its bytes. What is decoded shares the memory of the received
    /// message; what is kept must not keep that alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// The explicit partition hash, 0 when the key has none.
    #[must_use]
    pub fn partition_hash(&self) -> i32 {
        self.big_endian_at(0).unwrap_or(0)
    }

    /// The serialiser's type id, 0 for null.
    #[must_use]
    pub fn type_id(&self) -> i32 {
        if self.0.len() < PAYLOAD_AT {
            return NULL_TYPE_ID;
        }
        self.big_endian_at(TYPE_ID_AT).unwrap_or(NULL_TYPE_ID)
    }

    /// What the serialiser wrote.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.0.get(PAYLOAD_AT..).unwrap_or_default()
    }

    /// Whether this stands for null: shorter than its own header, or of the null type.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.type_id() == NULL_TYPE_ID
    }

    /// The partition of this key among `partition_count`.
    ///
    /// # Panics
    /// When `partition_count` is not positive: it is a constant of the cluster, never input.
    #[must_use]
    pub fn partition_id(&self, partition_count: i32) -> PartitionId {
        assert!(partition_count > 0, "a cluster has at least one partition");
        // spec: client-protocol 7
        let hash = match self.partition_hash() {
            0 => murmur3::hash(self.payload()),
            explicit => explicit,
        };
        PartitionId(hash.checked_abs().map_or(0, |positive| positive % partition_count))
    }

    fn big_endian_at(&self, offset: usize) -> Option<i32> {
        self.0.get(offset..)?.first_chunk().copied().map(i32::from_be_bytes)
    }

    fn value_bytes(&self) -> &[u8] {
        self.0.get(TYPE_ID_AT..).unwrap_or_default()
    }
}

// req: R-6
impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        self.value_bytes() == other.value_bytes()
    }
}

impl Eq for Data {}

impl PartialOrd for Data {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Data {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value_bytes().cmp(other.value_bytes())
    }
}

impl Hash for Data {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value_bytes().hash(state);
    }
}

impl fmt::Debug for Data {
    /// Never the payload: values do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Data(type {}, {} bytes)", self.type_id(), self.0.len())
    }
}
