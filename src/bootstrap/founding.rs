//! A founding: one cluster id and exactly the nodes that make it.

use super::promise::Promise;
use crate::storage::{FoundingRecord, RecordedMember};
use serde::{Deserialize, Serialize};
use statekeeper_machine::{ClusterId, NodeId};
use uuid::Uuid;

/// What the founder initialises the cluster with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Founding {
    /// The founder.
    pub founder: NodeId,
    /// The cluster, drawn for this founding and for no other.
    pub cluster_id: ClusterId,
    /// The first voters in order of their ids, the founder among them.
    pub members: Vec<FoundingMember>,
}

/// One of the first voters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FoundingMember {
    /// Its id.
    pub node: NodeId,
    /// `host:port` of its Raft port.
    pub raft_address: String,
    /// `host:port` of its client port, as it advertises it.
    pub client_address: String,
}

impl Founding {
    /// What each member promises.
    pub fn promise(&self) -> Promise {
        Promise { founder: self.founder, cluster_id: self.cluster_id }
    }

    /// As the data directory keeps it.
    pub(crate) fn to_record(&self) -> FoundingRecord {
        let members = self.members.iter().map(|member| RecordedMember {
            node_id: member.node.0,
            raft_address: member.raft_address.clone(),
            client_address: member.client_address.clone(),
        });
        FoundingRecord {
            founder: self.founder.0,
            cluster_id: Uuid::from_u128(self.cluster_id.0),
            members: members.collect(),
        }
    }

    /// From what the data directory keeps.
    pub(crate) fn from_record(record: FoundingRecord) -> Self {
        let members = record.members.into_iter().map(|member| FoundingMember {
            node: NodeId(member.node_id),
            raft_address: member.raft_address,
            client_address: member.client_address,
        });
        Self {
            founder: NodeId(record.founder),
            cluster_id: ClusterId(record.cluster_id.as_u128()),
            members: members.collect(),
        }
    }
}
