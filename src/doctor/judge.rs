//! From what was seen to what an operator is told: a pure function.

mod local;
mod neighbours;

use super::finding::Finding;
use super::observations::{DataState, NodeState, Observations};
use super::seeds::MarkerFound;
use super::{AddressFound, Reached, SeedsState};
use statekeeper_machine::{ClusterId, NodeId};

pub use neighbours::address_finding;

/// Clocks that differ by this and more are told.
const CLOCK_DIFFERENCE_MS_MAX: u64 = 500;

/// What an address is compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// `state-store.cluster`.
    pub cluster_name: String,
    /// The cluster of the data directory, else that of the marker.
    pub cluster_id: Option<ClusterId>,
    /// This node's id.
    pub own_node: Option<NodeId>,
    /// `host:port` that this node advertises to clients.
    pub own_address: String,
    /// Whether this node runs.
    pub own_runs: bool,
    /// Whether the cluster serves, as far as is known: then a node that is missing is no failure.
    pub cluster_serves: bool,
    /// `raft.bootstrap-expect`.
    pub expect: u16,
}

/// All findings, in the order in which an operator should read them.
pub fn findings(seen: &Observations) -> Vec<Finding> {
    let expected = Expected::of(seen);
    let mut findings = local::configuration(seen);
    findings.extend(local::data(&seen.data, &seen.node));
    findings.extend(seen.ports.iter().map(|port| local::port(port, seen)));
    findings.extend(local::node(seen));
    if let Some(seeds) = &seen.seeds {
        findings.extend(local::seeds(seeds, &expected));
    }
    if let Some(multicast) = &seen.multicast {
        findings.push(neighbours::multicast(multicast, &expected));
    }
    findings.extend(seen.addresses.iter().map(|found| address_finding(found, &expected)));
    findings.extend(neighbours::own_place(&seen.addresses, &expected));
    findings.extend(neighbours::clocks(&seen.addresses, &expected));
    findings.push(neighbours::coordinator(seen.coordinator.as_ref()));
    findings
}

impl Expected {
    /// What the observations expect.
    pub fn of(seen: &Observations) -> Self {
        let (own_node, of_data) = match &seen.data.state {
            DataState::There { node, cluster_id, .. } => (*node, *cluster_id),
            DataState::Absent | DataState::Refused(_) => (None, None),
        };
        let of_marker = seen.seeds.as_ref().and_then(|seeds| match &seeds.state {
            SeedsState::There { look, .. } => match &look.marker {
                MarkerFound::Present(marker) => Some(marker.founding.cluster_id),
                MarkerFound::Absent | MarkerFound::Unusable(_) => None,
            },
            SeedsState::Absent | SeedsState::Refused(_) => None,
        });
        let cluster_id = of_data.or(of_marker);
        Self {
            cluster_name: seen.cluster_name.clone(),
            cluster_id,
            own_node,
            own_address: seen.own_address.clone(),
            own_runs: matches!(seen.node, NodeState::Up(_)),
            cluster_serves: cluster_serves(seen, own_node, cluster_id),
            expect: seen.expect,
        }
    }
}

/// Whether a majority is there: the node knows, or so many answer.
fn cluster_serves(
    seen: &Observations,
    own_node: Option<NodeId>,
    cluster_id: Option<ClusterId>,
) -> bool {
    match &seen.node {
        NodeState::Up(node) => {
            // A leader that has just lost its quorum takes a moment to step down.
            let quorum = node.quorum_margin.is_none_or(|margin| margin >= 0);
            node.leader.is_some() && !node.isolated && quorum
        }
        NodeState::Down { .. } | NodeState::Mute { .. } => {
            let mut nodes: Vec<NodeId> = seen
                .addresses
                .iter()
                .filter_map(|AddressFound { reached, .. }| match reached {
                    Reached::Node(found) if cluster_id.is_some() => Some(&found.answer),
                    _ => None,
                })
                .filter(|answer| answer.cluster_id == cluster_id && Some(answer.node) != own_node)
                .map(|answer| answer.node)
                .collect();
            nodes.sort();
            nodes.dedup();
            nodes.len() > usize::from(seen.expect) / 2
        }
    }
}

/// A time in words, short.
fn milliseconds(time: std::time::Duration) -> String {
    let us = time.as_micros();
    if us < 10_000 {
        format!("{}.{} ms", us / 1_000, us / 100 % 10)
    } else {
        format!("{} ms", us / 1_000)
    }
}
