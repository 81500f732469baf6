//! What one look around has shown: the input of the decision.

use super::marker::Marker;
use super::promise::Promise;
use serde::{Deserialize, Serialize};
use statekeeper_machine::{ClusterId, NodeId};

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PeerAnswer {
    /// `state-store.cluster`.
    pub cluster_name: String,
    /// Its cluster, once it has one.
    pub cluster_id: Option<ClusterId>,
    /// Its id.
    pub node: NodeId,
    /// `host:port` of its Raft port.
    pub raft_address: String,
    /// `host:port` of its client port, as it advertises it.
    pub client_address: String,
    /// The founding it has promised.
    pub promise: Option<Promise>,
    /// `raft.bootstrap-expect`.
    pub expect: u16,
}

/// What came of asking one address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Heard {
    /// A node answered.
    Node(PeerAnswer),
    /// Something took the connection and does not speak like a node: a Hazelcast member closes.
    Foreign,
    /// A node of another release, whose answers have this version.
    OtherVersion(u8),
    /// Nobody listens.
    Refused,
    /// No answer in time, or no way there.
    Silent,
    /// The name has no address.
    Unresolved,
}

/// One address and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeardAt {
    /// The address asked.
    pub address: String,
    /// Its place in a static list, when it stands for one in a founding.
    pub place: Option<u16>,
    /// What came of it.
    pub heard: Heard,
}

/// The marker of the seed directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MarkerView {
    /// There is no seed directory.
    Unused,
    /// There is none.
    Absent,
    /// It names a founding.
    Present(Marker),
    /// The directory or the marker cannot be read: nobody knows, so nothing is decided.
    Unreadable(String),
}

/// One look around.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// All addresses asked.
    pub heard: Vec<HeardAt>,
    /// The marker, read before the addresses were asked.
    pub marker: MarkerView,
    /// This node's own advertised address stands in the static list by its text.
    pub own_address_listed: Option<u16>,
}
