//! Beside openLooKeng: its own files, its seed directory, its coordinators, its way to connect.
//!
//! openLooKeng itself comes from no package source the tests may use. The real Java client 5.1 that
//! it ships connects here as its nodes do, and Java's own deserialisation reads the seed file; real
//! nginx runs the sample; small HTTP servers stand in for coordinators, which is the one stand-in.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod coordinator;
mod discovery_service;
mod guide;
mod multicast;
mod proxy;
mod published;
mod refusals;
mod restarts;
mod seed_directory;
#[path = "../support/mod.rs"]
mod support;
