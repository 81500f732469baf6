//! Bounds of the admin API, with their reasons and what a caller sees on reaching them.

use std::time::Duration;

/// Rows of a list when the caller names no number.
pub(super) const LIST_LIMIT_DEFAULT: u64 = 100;
/// Most rows of one answer; more is a 400 that names the range.
pub(super) const LIST_LIMIT_MAX: u64 = 1_000;
/// Larger values are shown by type and size only when they stand in a list: a page of the largest
/// rows stays at a few megabytes. The entry itself shows them whole.
pub(super) const LISTED_VALUE_BYTES_MAX: usize = 4 * 1024;
/// Names and values of all headers of a request together; more is a 431.
pub(super) const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Bodies of requests that carry no map value; more is a 413.
pub(super) const BODY_BYTES_MAX: u64 = 64 * 1024;
/// Bodies with a map value that are read at one time; others wait. Each may be as large as
/// `limits.request-bytes-max`.
pub(super) const LARGE_BODIES_MAX: usize = 4;
/// Requests in work at one time; more is a 429. Probes are not counted.
pub(super) const IN_FLIGHT_MAX: usize = 256;
/// Objects that have a label of their own in `/metrics`; the rest are `other`.
pub(super) const OBJECT_LABELS_MAX: usize = 100;
/// How long a write waits for a key that a client has locked, before it is refused.
pub(super) const LOCKED_KEY_PATIENCE_MS: u64 = 2_000;
/// A learner that has been silent for longer than this is not promoted.
pub(super) const PROMOTION_SILENCE_MAX: Duration = Duration::from_secs(2);
/// Connections at one time; further ones wait in the system until one of these ends.
pub(super) const CONNECTIONS_MAX: usize = 512;
/// A connection on which nothing moves for so long is closed. Longer than any request may take, and
/// than clients keep idle connections for reuse.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(120);
