//! The admin API on a loopback port, over one machine without Raft, and the command line against
//! it.
#![allow(clippy::disallowed_methods, reason = "a test's tasks end with its runtime")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[path = "admin/cluster.rs"]
mod cluster;
#[path = "admin/command_line.rs"]
mod command_line;
#[path = "admin/conformance.rs"]
mod conformance;
#[path = "admin/entries.rs"]
mod entries;
#[path = "admin/locks.rs"]
mod locks;
#[path = "admin/metrics.rs"]
mod metrics;
#[path = "admin/node.rs"]
mod node;
#[path = "admin/problems.rs"]
mod problems;
#[path = "sim/sequencer.rs"]
mod sequencer;
#[path = "admin/server.rs"]
mod server;
