//! The machine's own parts, as root: the network of a run.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod left;
mod network;
mod tcp;
