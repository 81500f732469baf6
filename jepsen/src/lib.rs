//! statekeeper-jepsen: starts real nodes, lets real clients work, breaks things, writes down what
//! every client saw, and judges afterwards whether one atomic object could have answered so.
//!
//! - `history`: what is written down, its file format and its rules.
//! - `check`: the judges; they see histories only, never a node.
//! - `client`: what performs an operation, and the one table of outcomes.
//! - `cluster`: what a run's nodes stand on, and how it is broken.
//! - `workload`: who asks what, by seed, and which model judges it.
//! - `run`: plays a workload and judges what it left.
//! - `report`: pages and plots of a run.

pub mod check;
pub mod client;
pub mod cluster;
pub mod history;
pub mod report;
pub mod run;
pub mod workload;
