//! statekeeper-jepsen: starts real nodes, lets real clients work, breaks things, writes down what
//! every client saw, and judges afterwards whether one atomic object could have answered so.
//!
//! - `history`: what is written down, its file format and its rules.
//! - `check`: the judges; they see histories only, never a node.
//! - `client`: what performs an operation, and the one table of outcomes.
//! - `cluster`: real nodes, each with a network, a disk and a clock of its own.
//! - `nemesis`: what breaks them, by seed, and the proof that it did.
//! - `workload`: who asks what, by seed, and which model judges it.
//! - `run`: workers, listeners and last questions of a workload, against whatever answers.
//! - `play`: one run against a real cluster, from its plan to its pages.
//! - `report`: pages and plots of a run.
//! - `bugs`: mistakes planted in the server, each with the run that is to find it.

pub mod bugs;
pub mod check;
pub mod client;
pub mod cluster;
pub mod history;
pub mod nemesis;
pub mod play;
pub mod report;
pub mod run;
pub mod workload;
