//! The states in which a node waits, and the one line each of them says.

use super::obstacle::Obstacle;
use super::promise::Promise;
use statekeeper_machine::{ClusterId, NodeId};
use std::fmt;

/// What a node waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// The first look around is under way.
    Looking,
    /// Too few empty nodes answer.
    Nodes {
        /// Free nodes, this one included.
        have: usize,
        /// `raft.bootstrap-expect`.
        expect: u16,
        /// Addresses that do not answer, or what else is wrong with them.
        missing: Vec<String>,
    },
    /// The quiet time before a founding.
    Quiet,
    /// A node with a lower id is to found.
    LowerNode {
        /// That node.
        node: NodeId,
        /// Where it answered.
        address: String,
    },
    /// This founder lacks promises.
    Promises {
        /// Who has not promised, and why.
        missing: Vec<String>,
    },
    /// This node has promised and hears its founder.
    Founder {
        /// The promise.
        promise: Promise,
    },
    /// This node has promised and does not hear its founder.
    LostFounder {
        /// The promise.
        promise: Promise,
    },
    /// Two cluster ids are heard of.
    SeveralClusters {
        /// All of them, with where each was heard.
        clusters: Vec<(ClusterId, String)>,
    },
    /// The marker's founding is under way.
    MarkerFounding {
        /// Its founder.
        founder: NodeId,
        /// The cluster to be.
        cluster_id: ClusterId,
        /// Whether the founder answers.
        founder_answers: bool,
    },
    /// No node of the marker's cluster answers.
    MarkerSilent {
        /// The cluster.
        cluster_id: ClusterId,
        /// Where its nodes were.
        nodes: Vec<String>,
    },
    /// The seed directory or its marker cannot be read.
    Directory {
        /// Why.
        reason: String,
    },
    /// Something an operator has to change.
    Obstacle(Obstacle),
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Looking => f.write_str("looking for other nodes"),
            Self::Nodes { have, expect, missing } => {
                write!(f, "waiting for nodes: {have} of {expect} (raft.bootstrap-expect)")?;
                list(f, "; ", missing)
            }
            Self::Quiet => f.write_str("listening for a running cluster before founding one"),
            Self::LowerNode { node, address } => {
                write!(f, "waiting for node {node} at {address} to found the cluster")
            }
            Self::Promises { missing } => {
                f.write_str("founding a cluster, waiting for promises")?;
                list(f, " of ", missing)
            }
            Self::Founder { promise } => {
                write!(f, "waiting for node {} to found the cluster", promise.founder)
            }
            Self::LostFounder { promise } => write!(
                f,
                "waiting for node {}, to which this node has promised a founding and which does \
                 not answer: bring it back, or empty this node's data directory, which holds \
                 nothing yet",
                promise.founder
            ),
            Self::SeveralClusters { clusters } => {
                f.write_str("waiting because several clusters are heard of:")?;
                for (index, (cluster, place)) in clusters.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma} {cluster} ({place})")?;
                }
                f.write_str("; stop the nodes of the one that is not wanted")
            }
            Self::MarkerFounding { founder, cluster_id, founder_answers: true } => {
                write!(f, "waiting for node {founder} to found cluster {cluster_id}")
            }
            Self::MarkerFounding { founder, cluster_id, founder_answers: false } => write!(
                f,
                "waiting for node {founder}, which was to found cluster {cluster_id} and does not \
                 answer: bring it back, or stop all nodes, empty their data directories, which \
                 hold nothing yet, and remove the folder of the seed directory to begin anew"
            ),
            Self::MarkerSilent { cluster_id, nodes } => {
                write!(f, "waiting for a node of cluster {cluster_id}, of which none answers")?;
                list(f, " at ", nodes)?;
                f.write_str(
                    ": bring one back, or stop all nodes and remove the folder of the seed \
                     directory to begin anew",
                )
            }
            Self::Directory { reason } => write!(f, "waiting for the seed directory: {reason}"),
            Self::Obstacle(obstacle) => obstacle.fmt(f),
        }
    }
}

/// Writes the items, the first few of them, after what leads to them.
pub(super) fn list(f: &mut fmt::Formatter<'_>, lead: &str, items: &[String]) -> fmt::Result {
    const SHOWN: usize = 5;
    for (index, item) in items.iter().take(SHOWN).enumerate() {
        write!(f, "{}{item}", if index == 0 { lead } else { ", " })?;
    }
    match items.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}
