//! Clusters of real `statekeeper serve` processes, and a client of our own on the wire.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[path = "../support/mod.rs"]
mod support;
