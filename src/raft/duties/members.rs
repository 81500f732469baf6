//! Which nodes clients are told of: described as they describe themselves, off the list while they
//! are silent, forgotten after they left.
//!
//! A node answers when replication hears from it or when it reports. It is taken off the list after
//! `client.member-timeout` without either, and put back by a report of the last half of that time:
//! the gap between the two is what keeps a node with a bad line from going on and off with every
//! packet. It changes sides at most once in each time-out. This node itself is never taken off, and
//! the state would refuse it.
//!
//! A node that Raft no longer counts in is not listened to; it is off the list after the same
//! time-out, and all traces of it go a minute later.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use statekeeper_machine::{ClusterCommand, NodeDescription, NodeId};

use super::duty::DutyId;
use super::round::Round;

/// How long a node must be out of the membership before its traces go: long enough for an operator
/// to take a removal back, and for a change of membership to settle.
const FORGET_AFTER: Duration = Duration::from_secs(60);
/// Proposals about nodes in one round; the next round has the rest.
const PROPOSALS_MAX: usize = 8;

/// What is known of the nodes' answers.
#[derive(Debug, Default)]
pub(super) struct Members {
    answered: BTreeMap<NodeId, Instant>,
    outside_since: BTreeMap<NodeId, Instant>,
}

impl Members {
    /// Proposes what the list of nodes lacks.
    pub(super) fn propose(&mut self, round: &mut Round<'_>) {
        let machine = round.view.machine;
        let described: BTreeMap<NodeId, NodeDescription> =
            machine.nodes().into_iter().map(|node| (node.node, node)).collect();
        let listed: BTreeSet<NodeId> =
            machine.view().members.iter().map(|member| member.node).collect();
        self.note_answers(round, &described);
        let commands: Vec<(NodeId, ClusterCommand)> = self
            .describe_or_list(round, &described, &listed)
            .chain(self.unlist(round, &listed))
            .chain(self.forget(round, &described))
            .collect();
        let mut left = PROPOSALS_MAX;
        for (node, command) in commands {
            if left > 0 && round.propose(DutyId::Node(node), command) {
                left -= 1;
            }
        }
    }

    fn note_answers(&mut self, round: &Round<'_>, described: &BTreeMap<NodeId, NodeDescription>) {
        let view = round.view;
        let by_raft = view
            .peers
            .iter()
            .filter_map(|(node, peer)| Some((*node, view.now.checked_sub(peer.silent_for?)?)));
        let by_report = round.reports.iter().map(|(node, heard)| (node, heard.at));
        for (node, at) in by_raft.chain(by_report) {
            let answered = self.answered.entry(node).or_insert(at);
            *answered = at.max(*answered);
        }
        self.answered.retain(|node, _| view.is_member(*node) || described.contains_key(node));
        self.outside_since.retain(|node, _| described.contains_key(node));
        for node in described.keys() {
            if view.is_member(*node) {
                self.outside_since.remove(node);
            } else {
                self.outside_since.entry(*node).or_insert(view.now);
            }
        }
    }

    fn describe_or_list(
        &self,
        round: &Round<'_>,
        described: &BTreeMap<NodeId, NodeDescription>,
        listed: &BTreeSet<NodeId>,
    ) -> impl Iterator<Item = (NodeId, ClusterCommand)> {
        let now = round.view.now;
        let news = round.settings.member_timeout / 2;
        let fresh = round
            .reports
            .iter()
            .filter(move |(_, heard)| now.saturating_duration_since(heard.at) < news);
        fresh.filter_map(move |(node, heard)| {
            if described.get(&node) != Some(&heard.description) {
                return Some((node, ClusterCommand::DescribeNode(heard.description.clone())));
            }
            (!listed.contains(&node)).then_some((node, ClusterCommand::ListMember { node }))
        })
    }

    fn unlist(
        &self,
        round: &Round<'_>,
        listed: &BTreeSet<NodeId>,
    ) -> impl Iterator<Item = (NodeId, ClusterCommand)> {
        let silent = |node: &NodeId| {
            let silence = round.silence_since(self.answered.get(node).copied());
            *node != round.settings.node && silence >= round.settings.member_timeout
        };
        let nodes: Vec<NodeId> = listed.iter().copied().filter(silent).collect();
        nodes.into_iter().map(|node| (node, ClusterCommand::UnlistMember { node }))
    }

    fn forget(
        &self,
        round: &Round<'_>,
        described: &BTreeMap<NodeId, NodeDescription>,
    ) -> impl Iterator<Item = (NodeId, ClusterCommand)> {
        let gone = |node: &NodeId| {
            let outside = self.outside_since.get(node);
            *node != round.settings.node
                && outside.is_some_and(|since| round.silence_since(Some(*since)) >= FORGET_AFTER)
        };
        let nodes: Vec<NodeId> = described.keys().copied().filter(gone).collect();
        nodes.into_iter().map(|node| (node, ClusterCommand::ForgetNode { node }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::{Trial, node};

    #[test]
    fn reports_describe_and_list_every_node_of_a_new_cluster() {
        let mut trial = Trial::undescribed(3);
        trial.run_ms(1_500);
        assert_eq!(trial.listed(), vec![node(1), node(2), node(3)]);
        let before = trial.handed_out();
        trial.run_ms(30_000);
        assert_eq!(trial.handed_out(), before, "nothing to do while nothing changes");
    }

    #[test]
    fn a_silent_node_leaves_the_list_after_the_time_out_and_comes_back_with_a_report() {
        let mut trial = Trial::new(3);
        trial.run_ms(1_000);
        trial.kill(node(3));
        trial.run_ms(9_000);
        assert!(trial.listed().contains(&node(3)));
        trial.run_ms(1_200);
        assert!(!trial.listed().contains(&node(3)));
        trial.run_ms(60_000);
        assert_eq!((trial.unlisted(), trial.relisted()), (1, 0), "its last report is no answer");
        trial.revive(node(3));
        trial.run_ms(1_200);
        assert!(trial.listed().contains(&node(3)));
    }

    #[test]
    fn a_node_that_answers_replication_stays_though_its_reports_are_lost() {
        let mut trial = Trial::new(3);
        trial.mute_reports(node(3));
        trial.run_ms(30_000);
        assert!(trial.listed().contains(&node(3)));
    }

    #[test]
    fn a_node_with_a_bad_line_changes_sides_at_most_once_in_a_time_out() {
        let mut trial = Trial::new(3);
        for _ in 0..10 {
            trial.kill(node(3));
            trial.run_ms(9_500);
            trial.revive(node(3));
            trial.run_ms(500);
        }
        assert_eq!(trial.unlisted(), 0, "shorter than the time-out");
        for _ in 0..10 {
            trial.kill(node(3));
            trial.run_ms(11_500);
            trial.revive(node(3));
            trial.run_ms(2_500);
        }
        assert_eq!(trial.unlisted(), 10);
        assert_eq!(trial.relisted(), 10);
    }

    #[test]
    fn a_new_leader_counts_every_silence_anew_and_is_never_off_the_list() {
        let mut trial = Trial::new(3);
        trial.kill(node(2));
        trial.kill(node(3));
        trial.run_ms(9_000);
        trial.take_office();
        trial.run_ms(9_500);
        assert_eq!(trial.listed().len(), 3);
        trial.run_ms(1_000);
        assert_eq!(trial.listed(), vec![node(1)]);
        // Its own reports do not come either, and it still is not taken off.
        trial.kill(node(1));
        trial.run_ms(30_000);
        assert_eq!(trial.listed(), vec![node(1)]);
    }

    #[test]
    fn a_changed_address_is_described_once() {
        let mut trial = Trial::new(3);
        trial.run_ms(2_000);
        let before = trial.handed_out();
        trial.move_node(node(2), "10.0.0.99");
        trial.run_ms(3_000);
        assert_eq!(trial.handed_out(), before + 1);
        assert_eq!(&*trial.description(node(2)).expect("described").client_host, "10.0.0.99");
    }

    #[test]
    fn a_node_that_cannot_make_up_its_mind_is_described_at_most_once_a_second() {
        let mut trial = Trial::new(3);
        trial.run_ms(1_000);
        let before = trial.handed_out();
        for turn in 0..200 {
            trial.move_node(node(2), if turn % 2 == 0 { "10.0.0.98" } else { "10.0.0.99" });
            trial.report(node(2));
            trial.run_ms(50);
        }
        assert!(trial.handed_out() - before <= 11, "10 s");
    }

    #[test]
    fn a_removed_node_is_unlisted_forgotten_and_not_described_again_by_its_reports() {
        let mut trial = Trial::new(3);
        trial.run_ms(1_000);
        trial.voters.remove(&node(3));
        trial.run_ms(12_000);
        assert!(!trial.listed().contains(&node(3)), "it still reports, and is not heard");
        assert!(trial.description(node(3)).is_some());
        trial.run_ms(50_000);
        assert!(trial.description(node(3)).is_none());
        let before = trial.handed_out();
        trial.run_ms(10_000);
        assert_eq!(trial.handed_out(), before);
    }

    #[test]
    fn a_node_taken_back_within_the_minute_is_not_forgotten() {
        let mut trial = Trial::new(3);
        trial.voters.remove(&node(3));
        trial.run_ms(50_000);
        trial.learners.insert(node(3));
        trial.run_ms(20_000);
        assert_eq!(trial.forgotten(), 0);
        assert!(trial.listed().contains(&node(3)));
    }

    #[test]
    fn one_round_proposes_a_bounded_number() {
        let mut trial = Trial::undescribed(30);
        trial.report_all();
        trial.tick();
        assert_eq!(trial.handed_out(), super::PROPOSALS_MAX);
        trial.run_ms(1_000);
        assert_eq!(trial.listed().len(), 30);
    }
}
