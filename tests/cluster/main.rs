//! Clusters of real `statekeeper serve` processes, and a client of our own on the wire.
//!
//! What unmodified clients see is tested in `tests/clients/`; here are the promises that need
//! many connections, exact bytes, cut networks or damaged disks.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod addresses;
mod bystander;
mod damage;
mod disk;
mod expiry;
mod failover;
mod formation;
mod hostile;
mod ids;
mod isolation;
mod listeners;
mod locks;
mod membership;
mod snapshots;
#[path = "../support/mod.rs"]
mod support;
