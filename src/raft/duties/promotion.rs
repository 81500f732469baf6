//! Learners become voters by themselves while there are fewer than `raft.bootstrap-expect`; beyond
//! that it is the operator's choice.
//!
//! Only a learner that is nearly up to date and answers: one that is far behind would count for the
//! majority and could not help to make one.

use std::time::Duration;

use super::duty::{Deed, DutyId};
use super::round::Round;
use super::view::PeerSight;
use crate::consensus::MembershipChange;

/// Entries a learner may lack.
const LAG_ENTRIES_MAX: u64 = 1_000;
/// How old its last answer may be.
const SILENCE_MAX: Duration = Duration::from_secs(2);

/// Proposes one promotion, if one is due and no change of the membership is under way.
pub(super) fn propose(round: &mut Round<'_>) {
    let view = round.view;
    if view.membership_changing || view.voters.len() >= round.settings.bootstrap_expect {
        return;
    }
    let ready = |node: &&_| view.peers.get(*node).is_some_and(is_caught_up);
    if let Some(node) = view.learners.iter().find(ready).copied() {
        let change = MembershipChange::Promote { node };
        round.hand_out(DutyId::Promotion, Deed::ChangeMembership(change));
    }
}

fn is_caught_up(peer: &PeerSight) -> bool {
    peer.lag_entries.is_some_and(|lag| lag <= LAG_ENTRIES_MAX)
        && peer.silent_for.is_some_and(|silence| silence <= SILENCE_MAX)
}

#[cfg(test)]
mod tests {
    use super::super::duty::DutyId;
    use super::super::trial::{Trial, node};

    #[test]
    fn caught_up_learners_are_promoted_one_by_one_up_to_what_was_expected() {
        let mut trial = Trial::new(1);
        for n in 2..=5 {
            trial.add_learner(node(n), 0);
        }
        trial.run_ms(500);
        assert_eq!(trial.voters.len(), 2, "one change at a time");
        trial.run_ms(20_000);
        assert_eq!(trial.voters.iter().copied().collect::<Vec<_>>(), [node(1), node(2), node(3)]);
        assert_eq!(trial.learners.len(), 2);
    }

    #[test]
    fn a_learner_that_lags_or_is_silent_is_passed_over() {
        let mut trial = Trial::new(1);
        trial.add_learner(node(2), 1_001);
        trial.add_learner(node(3), 0);
        trial.kill(node(3));
        trial.run_ms(10_000);
        assert_eq!(trial.voters.len(), 1);
        trial.add_learner(node(4), 1_000);
        trial.run_ms(100);
        assert!(trial.voters.contains(&node(4)));
    }

    #[test]
    fn a_lag_that_is_not_known_is_not_taken_for_none() {
        let mut trial = Trial::new(1);
        trial.add_learner(node(2), 0);
        trial.peers.get_mut(&node(2)).expect("added").lag_entries = None;
        trial.run_ms(5_000);
        assert_eq!(trial.voters.len(), 1);
    }

    #[test]
    fn nothing_is_promoted_while_another_change_is_under_way() {
        let mut trial = Trial::new(1);
        trial.add_learner(node(2), 0);
        trial.membership_changing = true;
        trial.run_ms(5_000);
        assert_eq!(trial.count(|duty| duty.id == DutyId::Promotion), 0);
        trial.membership_changing = false;
        trial.run_ms(100);
        assert_eq!(trial.count(|duty| duty.id == DutyId::Promotion), 1);
    }
}
