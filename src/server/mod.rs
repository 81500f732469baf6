//! The client port: who connects, in which language of bytes, and one endpoint for each client.
//!
//! Invariant: a connection costs memory only as far as named limits allow, and no connection waits
//! for another. The meaning of messages is the endpoint's; Raft is reached through `Consensus`
//! alone.

mod accept;
mod clients;
mod connection;
mod counters;
mod doorman;
mod greeting;
mod limits;
mod outbound;

pub use accept::{ClientPort, ClientPortSettings, PeerHandler};
pub use clients::{ClientRegistry, ConnectionRow};
pub use counters::ClientCounters;
