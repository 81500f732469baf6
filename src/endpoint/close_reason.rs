//! Why an endpoint ends the connection.

use std::time::Duration;

/// Why an endpoint ends the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// It sent something else before it authenticated.
    #[error("a {message} arrived before the client authenticated")]
    NotAuthenticated {
        /// What it sent.
        message: String,
    },
    /// It did not authenticate in time.
    #[error("the client did not authenticate in time")]
    AuthenticationTimeout,
    /// It tried too often with wrong credentials.
    #[error("authentication failed too often")]
    AuthenticationFailures,
    /// Nothing was heard from it.
    #[error("nothing was heard from the client for {} s", .0.as_secs())]
    Silent(Duration),
    /// A message could not be read.
    #[error("a message could not be read: {0}")]
    Decode(String),
    /// A snapshot skipped events that a `localOnly=false` listener should have had; the client
    /// registers again.
    #[error("events were skipped by a snapshot; the client must register its listener again")]
    EventsSkipped,
    /// The client broke off many waits or asked in a way that no limit allows.
    #[error("limit {limit} reached")]
    LimitReached {
        /// The configuration key.
        limit: &'static str,
    },
}
