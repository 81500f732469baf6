//! One client's conversation, from its first bytes to its last: what it asks, what the cluster is
//! asked for it, and what it is told.
//!
//! Sans-io: one input is handled, every output is drained, then the next input. Time is an argument
//! and never goes back. Bytes from outside can only end the conversation, never the process.
//! Deliberately absent: sockets, clocks, Raft; the shell brings all three.

#![forbid(unsafe_code)]

mod client_endpoint;

pub use client_endpoint::{
    ClientEndpoint, ClientInfo, CloseReason, EndpointLimits, EndpointSettings, EndpointSummary,
    Input, Output, Ticket,
};
