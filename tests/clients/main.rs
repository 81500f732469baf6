//! Unmodified clients against real `statekeeper serve` processes.
//!
//! The README of this folder says how to run them, how to prove them against real Hazelcast
//! members, and what the driver programs understand. A missing runtime or client is a failure.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod faults;
mod functional;
mod join;
mod lock_checks;
mod map_checks;
mod object_checks;
#[path = "../support/mod.rs"]
mod support;
