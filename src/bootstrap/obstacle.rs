//! What stands against a founding until an operator changes it.

use super::waiting::list;
use std::fmt;

/// What stands against a founding by this node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// Something answers like a Hazelcast member.
    EmbeddedMember {
        /// Where.
        addresses: Vec<String>,
    },
    /// Another node has this one's id.
    Twin {
        /// Where it answers.
        address: String,
    },
    /// Nodes disagree about `raft.bootstrap-expect`.
    ExpectDiffers {
        /// Its value here.
        here: u16,
        /// The other node and its value.
        other: (String, u16),
    },
    /// This node's address is not in the list.
    NotListed {
        /// Its address.
        address: String,
    },
    /// The list has too many places for so few voters.
    ExpectTooSmall {
        /// `raft.bootstrap-expect`.
        expect: u16,
        /// Places in the list.
        places: u16,
    },
    /// So many empty nodes could form two clusters.
    TooMany {
        /// Empty nodes, this one included.
        heard: usize,
        /// `raft.bootstrap-expect`.
        expect: u16,
    },
    /// There is no discovery, and one node is not enough.
    Alone {
        /// `raft.bootstrap-expect`.
        expect: u16,
    },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmbeddedMember { addresses } => {
                f.write_str("waiting: what answers")?;
                list(f, " at ", addresses)?;
                f.write_str(" is no node of ours; stop the embedded member")?;
                list(f, " at ", addresses)
            }
            Self::Twin { address } => write!(
                f,
                "waiting because the node at {address} has this node's id: a data directory was \
                 copied; empty one of the two"
            ),
            Self::ExpectDiffers { here, other: (address, there) } => write!(
                f,
                "waiting because raft.bootstrap-expect is {here} here and {there} at {address}; \
                 make them equal"
            ),
            Self::NotListed { address } => write!(
                f,
                "waiting for a cluster: {address} is not in hazelcast.discovery.tcp-ip.seeds, so \
                 this node may join one and not found one"
            ),
            Self::ExpectTooSmall { expect, places } => write!(
                f,
                "waiting because raft.bootstrap-expect={expect} is not more than half of the \
                 {places} places in hazelcast.discovery.tcp-ip.seeds; raise it, or shorten the list"
            ),
            Self::TooMany { heard, expect } => write!(
                f,
                "waiting because {heard} empty nodes are heard and raft.bootstrap-expect is \
                 {expect}: two clusters could form; raise it above half of the nodes"
            ),
            Self::Alone { expect } => write!(
                f,
                "waiting because raft.bootstrap-expect={expect} and no discovery is configured; \
                 set hazelcast.discovery.mode, or expect 1"
            ),
        }
    }
}
