//! The cluster as faults see it: which of its nodes are free to be broken.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::cluster::Cluster;

/// A cluster, and who of it is broken: two faults of processes or disks never meet on one node, or
/// the end of one would end the other.
pub struct Arena {
    cluster: Arc<Cluster>,
    claimed: Arc<Mutex<BTreeSet<usize>>>,
    /// Numbers of the nodes with a vote; a fault that exchanges one writes it down here.
    voters: Mutex<Vec<usize>>,
}

/// Nodes that one fault has to itself; free again when this is dropped.
#[derive(Debug)]
pub struct Claim {
    nodes: Vec<usize>,
    claimed: Arc<Mutex<BTreeSet<usize>>>,
}

impl Claim {
    /// The nodes.
    pub fn nodes(&self) -> &[usize] {
        &self.nodes
    }

    /// Takes one more, if it is free.
    pub fn join(&mut self, node: usize) -> bool {
        let free = self.claimed.lock().insert(node);
        if free {
            self.nodes.push(node);
        }
        free
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = self.claimed.lock();
        for node in &self.nodes {
            claimed.remove(node);
        }
    }
}

impl Arena {
    /// All nodes are free.
    pub fn new(cluster: Arc<Cluster>) -> Self {
        let voters = Mutex::new((0..cluster.setup().nodes).collect());
        Self { cluster, claimed: Arc::default(), voters }
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The nodes with a vote.
    pub fn voters(&self) -> Vec<usize> {
        self.voters.lock().clone()
    }

    /// Writes down who votes from now on.
    pub fn set_voters(&self, voters: Vec<usize>) {
        *self.voters.lock() = voters;
    }

    /// Who leads, if somebody does.
    pub async fn leader(&self) -> Option<usize> {
        self.cluster.leader().await.map(|leader| leader.node)
    }

    /// A claim on exactly these, or on none.
    pub fn claim(&self, nodes: Vec<usize>) -> Option<Claim> {
        let mut claimed = self.claimed.lock();
        if nodes.is_empty() || nodes.iter().any(|node| claimed.contains(node)) {
            return None;
        }
        claimed.extend(&nodes);
        Some(Claim { nodes, claimed: Arc::clone(&self.claimed) })
    }

    /// A claim on so many voters that are free, the leader among them or not if the chance of a
    /// draw says so: both must happen.
    pub async fn claim_some(&self, count: usize, draw: &mut StdRng) -> Option<Claim> {
        let mut free = self.voters();
        free.shuffle(draw);
        let with_leader = draw.random_bool(0.5);
        if let Some(leader) = self.leader().await {
            free.sort_by_key(|node| (*node == leader) != with_leader);
        }
        let mut claimed = self.claimed.lock();
        free.retain(|node| !claimed.contains(node));
        if free.len() < count {
            return None;
        }
        free.truncate(count);
        claimed.extend(&free);
        Some(Claim { nodes: free, claimed: Arc::clone(&self.claimed) })
    }

    /// Names of nodes, in words.
    pub fn names(nodes: &[usize]) -> Vec<String> {
        nodes.iter().map(|node| crate::cluster::name(*node)).collect()
    }
}
