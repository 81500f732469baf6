//! The map of the modules.

pub mod admin;
pub mod bootstrap;
pub mod cli;
pub mod config;
pub mod consensus;
pub mod coordinator;
pub mod discovery;
pub mod doctor;
pub mod node;
pub mod raft;
pub mod seed;
pub mod server;
pub mod storage;
pub mod telemetry;
