//! What a change of the membership would do, and the rules that forbid it. Pure: from the status
//! of one node. Raft checks again; this says it before, and for `dry_run` without doing it.

use std::time::Duration;

use statekeeper_machine::NodeId;

use super::limits::PROMOTION_SILENCE_MAX;
use super::problem::Problem;
use super::quorum::{self, answers};
use super::schema::api_object;
use crate::consensus::{MembershipChange, PROMOTION_LAG_ENTRIES_MAX, PeerStatus, Role, Status};

api_object! {
    /// A change of the membership.
    pub(super) struct Plan {
        /// What changes: add-learner, promote, remove or transfer-leader.
        change: String,
        /// The node it is about.
        node_id: String,
        /// False for a dry run.
        done: bool,
        /// Nodes with a vote before.
        voters_before: Vec<String>,
        /// Nodes with a vote after.
        voters_after: Vec<String>,
        /// Nodes without a vote after.
        learners_after: Vec<String>,
        /// Voters that must answer after.
        quorum_after: u64,
        /// Voters that may fail after, when all are well.
        failures_tolerated_after: u64,
        /// What is allowed but worth knowing.
        warnings: Vec<String>,
    }
}

/// The plan of a change, or the rule that forbids it.
pub(super) fn plan(
    status: &Status,
    silence_max: Duration,
    change: &MembershipChange,
) -> Result<Plan, Problem> {
    let mut voters = nodes(status, true);
    let mut learners = nodes(status, false);
    let before = voters.clone();
    let mut warnings = Vec::new();
    let (name, node) = match change {
        MembershipChange::AddLearner { node, .. } => {
            if voters.contains(node) || learners.contains(node) {
                return refused(format!("node {node} belongs to the cluster already"));
            }
            learners.push(*node);
            learners.sort();
            ("add-learner", *node)
        }
        MembershipChange::Promote { node } => {
            may_promote(status, *node)?;
            learners.retain(|other| other != node);
            voters.push(*node);
            voters.sort();
            ("promote", *node)
        }
        MembershipChange::Remove { node } => {
            let was_voter = peer(status, *node)?.voter;
            learners.retain(|other| other != node);
            voters.retain(|other| other != node);
            if was_voter {
                may_lose_voter(status, silence_max, &voters)?;
            }
            if status.leader == Some(*node) {
                warnings.push("the node leads: it hands over first".to_owned());
            }
            ("remove", *node)
        }
        MembershipChange::TransferLeader { to } => {
            may_lead(status, silence_max, *to)?;
            ("transfer-leader", *to)
        }
    };
    if voters != before && voters.len().is_multiple_of(2) {
        let fewer = voters.len() - 1;
        warnings.push(format!(
            "{} voters tolerate no more failures than {fewer}: use an odd number",
            voters.len()
        ));
    }
    if status.role != Role::Leader {
        warnings.push("lag and health are known to the leader only, which checks them".to_owned());
    }
    let texts = |nodes: &[NodeId]| nodes.iter().map(NodeId::to_string).collect();
    let quorum = quorum::needed(voters.len());
    Ok(Plan {
        change: name.to_owned(),
        node_id: node.to_string(),
        done: false,
        voters_before: texts(&before),
        voters_after: texts(&voters),
        learners_after: texts(&learners),
        quorum_after: quorum as u64,
        failures_tolerated_after: voters.len().saturating_sub(quorum) as u64,
        warnings,
    })
}

/// The voter that shall lead when the operator names none: healthy, and nearest to the leader.
pub(super) fn best_successor(status: &Status, silence_max: Duration) -> Result<NodeId, Problem> {
    let candidates = status.peers.iter().filter(|peer| {
        peer.voter && Some(peer.node) != status.leader && healthy(status, peer, silence_max)
    });
    let best = candidates.max_by_key(|peer| (peer.matched_index, std::cmp::Reverse(peer.node)));
    match best {
        Some(peer) => Ok(peer.node),
        None => refused("there is no other voter that answers and could lead".to_owned()),
    }
}

fn nodes(status: &Status, voter: bool) -> Vec<NodeId> {
    status.peers.iter().filter(|peer| peer.voter == voter).map(|peer| peer.node).collect()
}

fn peer(status: &Status, node: NodeId) -> Result<&PeerStatus, Problem> {
    let found = status.peers.iter().find(|peer| peer.node == node);
    found.ok_or_else(|| Problem::NotFound { what: "node", name: node.to_string() })
}

fn may_promote(status: &Status, node: NodeId) -> Result<(), Problem> {
    let peer = peer(status, node)?;
    if peer.voter {
        return refused(format!("node {node} has a vote already"));
    }
    if status.role != Role::Leader {
        return Ok(());
    }
    let lag = status.last_log_index.saturating_sub(peer.matched_index.unwrap_or(0));
    if lag > PROMOTION_LAG_ENTRIES_MAX {
        return refused(format!(
            "node {node} lacks {lag} entries: a learner is promoted within \
             {PROMOTION_LAG_ENTRIES_MAX}; wait until it has caught up"
        ));
    }
    let Some(silent) = peer.silent_for else {
        return refused(format!(
            "node {node} has not answered the leader yet: try again in a moment, or check the \
             network"
        ));
    };
    if silent > PROMOTION_SILENCE_MAX {
        return refused(format!(
            "node {node} has not answered for {} s: start it, or check the network",
            PROMOTION_SILENCE_MAX.as_secs()
        ));
    }
    Ok(())
}

fn may_lose_voter(
    status: &Status,
    silence_max: Duration,
    voters: &[NodeId],
) -> Result<(), Problem> {
    if voters.is_empty() {
        return refused("the last voter cannot be removed".to_owned());
    }
    if status.role != Role::Leader {
        return Ok(());
    }
    let well =
        |peer: &&PeerStatus| voters.contains(&peer.node) && answers(status, peer, silence_max);
    let (healthy, needed) =
        (status.peers.iter().filter(well).count(), quorum::needed(voters.len()));
    if healthy < needed {
        return refused(format!(
            "{healthy} of the {} voters left would answer and {needed} must: bring a node back \
             first, or add and promote one",
            voters.len()
        ));
    }
    Ok(())
}

fn may_lead(status: &Status, silence_max: Duration, node: NodeId) -> Result<(), Problem> {
    let peer = peer(status, node)?;
    if !peer.voter {
        return refused(format!("node {node} has no vote: promote it first"));
    }
    if status.leader == Some(node) {
        return refused(format!("node {node} leads already"));
    }
    if !healthy(status, peer, silence_max) {
        return refused(format!("node {node} does not answer"));
    }
    Ok(())
}

/// Others than the leader know of no silence: they take a peer for healthy.
fn healthy(status: &Status, peer: &PeerStatus, silence_max: Duration) -> bool {
    status.role != Role::Leader || answers(status, peer, silence_max)
}

fn refused<T>(rule: String) -> Result<T, Problem> {
    Err(Problem::Refused { rule })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    const SILENCE_MAX: Duration = Duration::from_secs(1);

    /// A leader with id 1; each row is a node: voter, matched index, silence in milliseconds.
    fn leader(rows: &[(bool, u64, u64)]) -> Status {
        let peers = rows.iter().zip(1..).map(|((voter, matched, silent_ms), id)| PeerStatus {
            node: NodeId(id),
            matched_index: Some(*matched),
            silent_for: Some(Duration::from_millis(*silent_ms)),
            voter: *voter,
            description: None,
        });
        Status {
            node: NodeId(1),
            role: Role::Leader,
            leader: Some(NodeId(1)),
            last_log_index: 5_000,
            peers: peers.collect(),
            ..Status::default()
        }
    }

    fn rule(status: &Status, change: MembershipChange) -> String {
        plan(status, SILENCE_MAX, &change).unwrap_err().to_string()
    }

    #[test]
    fn a_removal_that_leaves_no_healthy_quorum_is_refused() {
        let remove = |id| MembershipChange::Remove { node: NodeId(id) };
        let status = leader(&[(true, 5_000, 0), (true, 5_000, 10), (true, 10, 60_000)]);
        let refused = rule(&status, remove(2));
        assert!(refused.starts_with("1 of the 2 voters left"), "{refused}");
        let plan = plan(&status, SILENCE_MAX, &remove(3)).unwrap();
        assert_eq!(
            (plan.voters_after, plan.failures_tolerated_after),
            (vec!["1".into(), "2".into()], 0)
        );
        assert_eq!(plan.warnings.len(), 1, "an even number is warned of: {:?}", plan.warnings);
        assert!(rule(&leader(&[(true, 1, 0)]), remove(1)).contains("last voter"));
    }

    #[test]
    fn only_a_learner_that_caught_up_and_answers_is_promoted() {
        let promote = || MembershipChange::Promote { node: NodeId(2) };
        let with = |row| leader(&[(true, 5_000, 0), row]);
        assert!(rule(&with((false, 3_999, 0)), promote()).contains("lacks 1001 entries"));
        assert!(rule(&with((false, 5_000, 2_001)), promote()).contains("has not answered"));
        assert!(rule(&with((true, 5_000, 0)), promote()).contains("has a vote already"));
        let plan = plan(&with((false, 4_000, 2_000)), SILENCE_MAX, &promote()).unwrap();
        assert_eq!(plan.voters_after, ["1", "2"]);
        assert!(plan.learners_after.is_empty());
    }

    #[test]
    fn leadership_goes_to_a_voter_that_answers() {
        let status =
            leader(&[(true, 9, 0), (true, 7, 0), (true, 8, 0), (true, 9, 5_000), (false, 9, 0)]);
        assert_eq!(best_successor(&status, SILENCE_MAX), Ok(NodeId(3)));
        let to = |id| MembershipChange::TransferLeader { to: NodeId(id) };
        assert!(rule(&status, to(1)).contains("leads already"));
        assert!(rule(&status, to(4)).contains("does not answer"));
        assert!(rule(&status, to(5)).contains("no vote"));
        assert!(matches!(plan(&status, SILENCE_MAX, &to(6)), Err(Problem::NotFound { .. })));
        assert!(best_successor(&leader(&[(true, 1, 0)]), SILENCE_MAX).is_err());
    }

    #[test]
    fn a_known_node_is_not_added_again() {
        let status = leader(&[(true, 1, 0)]);
        let add =
            |id| MembershipChange::AddLearner { node: NodeId(id), raft_address: "a:1".into() };
        assert!(rule(&status, add(1)).contains("already"));
        let plan = plan(&status, SILENCE_MAX, &add(9)).unwrap();
        assert_eq!((plan.learners_after, plan.voters_after), (vec!["9".into()], vec!["1".into()]));
    }
}
