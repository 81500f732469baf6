//! The map of the modules.

pub mod config;
pub mod consensus;
pub mod discovery;
pub mod storage;
