//! Every bound of this crate that is not a setting, with its reason and what a client sees on
//! reaching it. The settings are in `EndpointLimits`.

use std::time::Duration;

/// Failed authentications on one connection. Every known client closes by itself after the first;
/// one that goes on guesses, and is closed.
pub(crate) const AUTHENTICATION_FAILURES_MAX: u32 = 3;

/// Unsupported message types that are logged for one connection, so that a client which asks for
/// every number there is cannot fill a log. Beyond: answered as before, not logged.
pub(crate) const UNSUPPORTED_LOGGED_MAX: usize = 64;

/// How often a view that did not change is sent again, as real members do.
/// spec: client-protocol 6
pub(crate) const VIEW_INTERVAL: Duration = Duration::from_secs(30);

/// A time of at least this many milliseconds is without end: clients write "for ever" as the
/// greatest number, and sums with it must not overflow.
pub(crate) const ENDLESS_MS: i64 = i64::MAX / 2;

/// Ids in one batch of an id generator, the same bound real members have. Beyond: code 23.
pub(crate) const ID_BATCH_MAX: i32 = 100_000;

/// Configuration key of the largest value.
pub(crate) const VALUE_BYTES_KEY: &str = "limits.value-bytes-max";
/// Configuration key of the largest key.
pub(crate) const KEY_BYTES_KEY: &str = "limits.key-bytes-max";
/// Configuration key of the longest name.
pub(crate) const NAME_BYTES_KEY: &str = "limits.name-bytes-max";
/// Configuration key of the largest request.
pub(crate) const REQUEST_BYTES_KEY: &str = "limits.request-bytes-max";
/// Configuration key of unanswered requests. Calls that wait for a lock are counted apart, under
/// the same number: a client whose threads wait must still be able to unlock.
pub(crate) const IN_FLIGHT_KEY: &str = "limits.client-in-flight-max";
/// Configuration key of listeners.
pub(crate) const LISTENERS_KEY: &str = "limits.listeners-per-client-max";
