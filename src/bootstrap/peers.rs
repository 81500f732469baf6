//! The other nodes of a view, each once, whatever number of addresses it answers at.

use super::founding::FoundingMember;
use super::promise::Promise;
use super::view::{Heard, PeerAnswer, View};
use statekeeper_machine::{ClusterId, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// One other node.
#[derive(Debug)]
pub(crate) struct Peer<'a> {
    pub(crate) answer: &'a PeerAnswer,
    /// Where it answered first: reachable from here, which what it advertises may not be.
    pub(crate) address: &'a str,
    /// Its places in a static list.
    pub(crate) places: BTreeSet<u16>,
}

/// All of them, this node's own places, and what else is at the addresses.
#[derive(Debug)]
pub(crate) struct Peers<'a> {
    own: NodeId,
    pub(crate) nodes: BTreeMap<NodeId, Peer<'a>>,
    /// Places at which this node itself answered, or which bear its advertised address.
    pub(crate) own_places: BTreeSet<u16>,
    /// Where another node answers with this one's id: somebody copied a data directory.
    pub(crate) twin: Option<String>,
    /// Where something answers that is no node.
    pub(crate) foreign: Vec<String>,
    /// Addresses without a node of this cluster name, with the reason.
    pub(crate) missing: Vec<String>,
}

impl<'a> Peers<'a> {
    /// Sorts a view; nodes of another cluster name are not peers.
    pub(crate) fn of(
        view: &'a View,
        own: &FoundingMember,
        cluster_name: &str,
        places_count: bool,
    ) -> Self {
        let mut nodes: BTreeMap<NodeId, Peer<'a>> = BTreeMap::new();
        let mut own_places: BTreeSet<u16> = view.own_address_listed.into_iter().collect();
        let (mut foreign, mut missing, mut twin) = (Vec::new(), Vec::new(), None);
        for at in &view.heard {
            let mut lacks = |reason: &str| {
                // The further ports of a host without port are usually empty.
                if at.place.is_some() || !places_count {
                    missing.push(format!("{} {reason}", at.address));
                }
            };
            let answer = match &at.heard {
                Heard::Node(answer) => answer,
                Heard::Foreign => {
                    foreign.push(at.address.clone());
                    continue;
                }
                Heard::OtherVersion(version) => {
                    lacks(&format!("answers in version {version}"));
                    continue;
                }
                Heard::Refused => {
                    lacks("refuses connections");
                    continue;
                }
                Heard::Silent => {
                    lacks("does not answer");
                    continue;
                }
                Heard::Unresolved => {
                    lacks("does not resolve");
                    continue;
                }
            };
            if answer.node == own.node {
                if answer.client_address == own.client_address {
                    own_places.extend(at.place);
                } else {
                    twin = Some(at.address.clone());
                }
            } else if answer.cluster_name != cluster_name {
                lacks(&format!("belongs to cluster name {:?}", answer.cluster_name));
            } else {
                let peer = Peer { answer, address: &at.address, places: BTreeSet::new() };
                nodes.entry(answer.node).or_insert(peer).places.extend(at.place);
            }
        }
        Self { own: own.node, nodes, own_places, twin, foreign, missing }
    }

    /// The clusters heard of, each with one address.
    pub(crate) fn clusters(&self) -> BTreeMap<ClusterId, &'a str> {
        let named = self.nodes.values().rev();
        named.filter_map(|peer| Some((peer.answer.cluster_id?, peer.address))).collect()
    }

    /// The Raft addresses of a cluster's nodes.
    pub(crate) fn raft_addresses(&self, cluster_id: ClusterId) -> Vec<String> {
        let members = self.nodes.values().filter(|peer| peer.answer.cluster_id == Some(cluster_id));
        members.map(|peer| peer.answer.raft_address.clone()).collect()
    }

    /// Nodes without a cluster; only those with a place where places count.
    pub(crate) fn empty(&self, places_count: bool) -> impl Iterator<Item = (NodeId, &Peer<'a>)> {
        let empty = self.nodes.iter().filter(move |(_, peer)| {
            peer.answer.cluster_id.is_none() && !(places_count && peer.places.is_empty())
        });
        empty.map(|(node, peer)| (*node, peer))
    }

    /// The node with a lower id that this one has to leave the founding to, if any: a free one, or
    /// one that has promised a founder below this node who answers. A promise to a founder who does
    /// not answer makes its node useless to everybody, and no reason to wait.
    pub(crate) fn rival(&self, places_count: bool) -> Option<(NodeId, &Peer<'a>)> {
        let lower = self.empty(places_count).take_while(|(node, _)| *node < self.own);
        lower.into_iter().find(|(node, peer)| match peer.answer.promise {
            None => true,
            Some(promise) if promise.founder == *node => true,
            Some(promise) => promise.founder < self.own && self.is_empty_node(promise.founder),
        })
    }

    fn is_empty_node(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|peer| peer.answer.cluster_id.is_none())
    }

    /// What the founder of a promise says now; `None`: it does not answer.
    pub(crate) fn founder_says(&self, promise: Promise) -> Option<bool> {
        let founder = self.nodes.get(&promise.founder)?;
        Some(founder.answer.cluster_id.is_none() && founder.answer.promise == Some(promise))
    }
}

impl Peer<'_> {
    /// As a member of a founding.
    pub(crate) fn member(&self) -> FoundingMember {
        FoundingMember {
            node: self.answer.node,
            raft_address: self.answer.raft_address.clone(),
            client_address: self.answer.client_address.clone(),
        }
    }
}
