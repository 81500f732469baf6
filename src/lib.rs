//! The map of the modules.

pub mod consensus;
pub mod storage;
