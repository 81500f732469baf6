//! `Contradiction`: the neighbourhood belongs to another cluster of the same name than the data
//! directory, so the directory was put in the wrong place or is left over from an earlier cluster.
//!
//! A node whose cluster is there never stops: what the most of the neighbours say decides, this
//! node among them, and the marker of the seed directory only where no neighbour is of its cluster.

use super::view::{Heard, MarkerView, View};
use statekeeper_machine::{ClusterId, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// Who names another cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contradiction {
    /// That cluster.
    pub(crate) cluster_id: ClusterId,
    /// The nodes, or the marker, in words.
    pub(crate) said_by: String,
}

/// Looks for one in what was heard.
pub(crate) fn find(
    own: NodeId,
    cluster_id: ClusterId,
    cluster_name: &str,
    view: &View,
) -> Option<Contradiction> {
    let mut clusters: BTreeMap<ClusterId, BTreeSet<(NodeId, &str)>> = BTreeMap::new();
    for at in &view.heard {
        if let Heard::Node(answer) = &at.heard
            && answer.node != own
            && answer.cluster_name == cluster_name
            && let Some(theirs) = answer.cluster_id
        {
            clusters.entry(theirs).or_default().insert((answer.node, &at.address));
        }
    }
    let same = clusters.remove(&cluster_id).map_or(0, |nodes| nodes.len());
    let most = clusters.into_iter().max_by_key(|(_, nodes)| nodes.len());
    if let Some((cluster_id, nodes)) = most
        && nodes.len() > same + 1
    {
        let nodes: Vec<_> =
            nodes.iter().map(|(node, address)| format!("node {node} at {address}")).collect();
        return Some(Contradiction { cluster_id, said_by: nodes.join(", ") });
    }
    match &view.marker {
        MarkerView::Present(marker)
            if same == 0
                && marker.cluster_name == cluster_name
                && marker.founding.cluster_id != cluster_id =>
        {
            let said_by = "the marker of the seed directory".to_owned();
            Some(Contradiction { cluster_id: marker.founding.cluster_id, said_by })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::founding::Founding;
    use crate::bootstrap::marker::Marker;
    use crate::bootstrap::view::{HeardAt, PeerAnswer};

    const OWN: NodeId = NodeId(1);
    const OURS: ClusterId = ClusterId(0xa);
    const THEIRS: ClusterId = ClusterId(0xb);

    fn heard(nodes: &[(u64, ClusterId)]) -> View {
        let answer = |(node, cluster_id): &(u64, ClusterId)| HeardAt {
            address: format!("10.0.0.{node}:5701"),
            place: None,
            heard: Heard::Node(PeerAnswer {
                cluster_name: "hetu".to_owned(),
                cluster_id: Some(*cluster_id),
                node: NodeId(*node),
                raft_address: String::new(),
                client_address: String::new(),
                promise: None,
                expect: 3,
            }),
        };
        View {
            heard: nodes.iter().map(answer).collect(),
            marker: MarkerView::Unused,
            own_address_listed: None,
        }
    }

    fn marked(cluster_id: ClusterId, nodes: &[(u64, ClusterId)]) -> View {
        let founding = Founding { founder: NodeId(2), cluster_id, members: Vec::new() };
        let marker = Marker { cluster_name: "hetu".to_owned(), founding };
        View { marker: MarkerView::Present(marker), ..heard(nodes) }
    }

    fn contradicts(view: &View) -> bool {
        find(OWN, OURS, "hetu", view).is_some()
    }

    #[test]
    fn most_of_the_nodes_decide() {
        assert!(!contradicts(&heard(&[])));
        assert!(!contradicts(&heard(&[(1, OURS), (2, THEIRS)])), "one against one");
        assert!(contradicts(&heard(&[(1, OURS), (2, THEIRS), (3, THEIRS)])));
        assert!(!contradicts(&heard(&[(2, THEIRS), (3, THEIRS), (4, OURS)])), "two against two");
        assert!(find(OWN, OURS, "other", &heard(&[(2, THEIRS), (3, THEIRS)])).is_none());
    }

    #[test]
    fn a_marker_decides_where_nobody_else_is_of_the_cluster() {
        assert!(contradicts(&marked(THEIRS, &[])));
        assert!(!contradicts(&marked(THEIRS, &[(2, OURS)])));
        assert!(!contradicts(&marked(OURS, &[(2, THEIRS)])));
    }
}
