//! One client's conversation, from its first bytes to its last: what it asks, what the cluster is
//! asked for it, and what it is told.
//!
//! Sans-io: one input is handled, every output is drained, then the next input. Time is an argument
//! and never goes back. Bytes from outside can only end the conversation, never the process.
//! Deliberately absent: sockets, clocks, Raft; the shell brings all three.
//!
//! Read it in the order of a request: [`ClientEndpoint`] takes the message, `dispatch` finds its
//! service, a function of `services` makes a `Step` of it, `InFlight` keeps what follows until the
//! cluster has answered, and `exception` says what a failure is called in the protocol.

#![forbid(unsafe_code)]

mod authentication;
mod call;
mod client_endpoint;
mod client_info;
mod close_reason;
mod cluster_view;
#[cfg(test)]
mod conversation_tests;
mod dispatch;
mod exception;
mod in_flight;
mod input;
mod limits;
mod listeners;
mod output;
mod registration;
mod services;
mod settings;
mod step;
mod summary;

pub use client_endpoint::{ClientEndpoint, strangers_may_send};
pub use client_info::ClientInfo;
pub use close_reason::CloseReason;
pub use input::Input;
pub use output::{Output, Ticket};
pub use settings::{EndpointLimits, EndpointSettings};
pub use summary::EndpointSummary;
