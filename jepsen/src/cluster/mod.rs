//! The world of a run, and what breaks it.
//!
//! - `net`: the network between nodes and clients, and its faults.

pub mod net;
