//! Beside openLooKeng: its own files, its seed directory, its coordinators, its way to connect.
//!
//! openLooKeng itself comes from no package source the tests may use. The real Java client 5.1 that
//! it ships connects here as its nodes do, and Java's own deserialisation reads the seed file; real
//! nginx runs the sample; small HTTP servers stand in for coordinators, which is the one stand-in.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod addresses;
mod bootstrap;
mod coordinator;
mod discovery_service;
mod doctor;
mod guide;
mod hadoop;
mod hdfs;
mod multicast;
mod proxy;
mod published;
mod record_watch;
mod refusals;
mod restarts;
mod seed_conformance;
mod seed_directory;
mod seed_verbs;
mod state_store;
#[path = "../support/mod.rs"]
mod support;
mod upstream;
mod verbs;
