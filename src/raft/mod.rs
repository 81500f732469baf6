//! Raft behind the port `Consensus`.
//!
//! Invariants: a command is answered only when it is applied on the node that accepted it; it is
//! applied once however often it is sent; nothing enters the log of a leadership before its
//! `Office`; no message of Raft leaves or enters before the cluster id is durable. The only module,
//! with `storage`, that names openraft. Deliberately absent: what commands mean (machine), how they
//! reach a disk (storage), how nodes find each other (bootstrap), clients.

mod applied;
mod assembly;
mod clock;
mod clock_file;
mod compaction;
mod contact;
mod counters;
pub(crate) mod duties;
mod error;
mod event_bus;
mod failure;
mod founding;
mod frame;
mod handler;
mod identity;
mod joining;
mod leader;
mod limits;
mod link;
mod links;
mod membership;
mod message;
mod network;
mod node;
mod pace;
mod port;
mod presence;
mod proposer;
mod read_index;
mod reporter;
mod roster;
mod route;
mod rpc;
mod runtime;
mod settings;
mod small_file;
mod snapshot_inbox;
mod snapshot_sender;
mod state_machine;
mod status;
mod submitter;
mod tickets;
mod transport;
mod type_config;

pub use counters::RaftCounters;
pub use error::RaftError;
pub use node::RaftNode;
pub use settings::{Founding, RaftSettings};
pub use transport::{Dialer, Line, Listener, ReadHalf, TransportFuture, WriteHalf};
