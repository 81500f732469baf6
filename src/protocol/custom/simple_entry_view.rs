//! A map record with its metadata.

use super::custom_type;
use crate::data::Data;

custom_type! {
    /// A record. Times are milliseconds since 1970; -1 is unknown, `i64::MAX` is "no limit".
    SimpleEntryView {
        /// The key.
        key: Data,
        /// The value.
        value: Data,
        /// Memory cost in bytes.
        cost: i64,
        /// When it was created.
        creation_time: i64,
        /// When it expires.
        expiration_time: i64,
        /// Number of reads.
        hits: i64,
        /// When it was read last.
        last_access_time: i64,
        /// When it was stored in a backing store last.
        last_stored_time: i64,
        /// When it was changed last.
        last_update_time: i64,
        /// Number of changes.
        version: i64,
        /// Time to live in milliseconds.
        ttl: i64,
        /// Longest idle time in milliseconds.
        max_idle: i64,
    }
}
