//! Whatever nodes report, and whenever the leader looks: the invariants that clients rely on.

use proptest::prelude::*;
use statekeeper_machine::{ClusterCommand, Command, NodeId};

use super::duty::{Deed, Duty, DutyId};
use super::trial::{CHECK_TIMEOUT_MS, Trial, node};

const NODES: u64 = 4;

/// What happens between two looks.
#[derive(Clone, Debug)]
enum Happening {
    Pass { ms: u64 },
    Frozen { ms: u64 },
    Coordinator { node: NodeId, shared: bool, up: bool },
    Unmeasured { node: NodeId },
    Kill { node: NodeId },
    Revive { node: NodeId },
    Lead { node: NodeId },
    Refuse { refuse: bool },
    Hold { hold: bool },
    Lose { lose: bool },
}

fn happening() -> impl Strategy<Value = Happening> {
    let node = || (1..=NODES).prop_map(node);
    prop_oneof![
        6 => (50_u64..6_000).prop_map(|ms| Happening::Pass { ms }),
        1 => (2_000_u64..30_000).prop_map(|ms| Happening::Frozen { ms }),
        6 => (node(), any::<bool>(), any::<bool>())
            .prop_map(|(node, shared, up)| Happening::Coordinator { node, shared, up }),
        1 => node().prop_map(|node| Happening::Unmeasured { node }),
        2 => node().prop_map(|node| Happening::Kill { node }),
        2 => node().prop_map(|node| Happening::Revive { node }),
        1 => node().prop_map(|node| Happening::Lead { node }),
        1 => any::<bool>().prop_map(|refuse| Happening::Refuse { refuse }),
        1 => any::<bool>().prop_map(|hold| Happening::Hold { hold }),
        1 => any::<bool>().prop_map(|lose| Happening::Lose { lose }),
    ]
}

/// Coordinators beside nodes 1 and 2 share a host.
fn coordinator(node: NodeId, shared: bool) -> (&'static str, u16) {
    match (node.0, shared) {
        (1, _) => ("c", 8080),
        (2, false) => ("c", 8090),
        (_, true) => ("c", 8080),
        (3, false) => ("c3", 8080),
        _ => ("c4", 8080),
    }
}

fn happen(trial: &mut Trial, leader: &mut NodeId, happening: Happening) {
    match happening {
        Happening::Pass { ms } => trial.run_ms(ms),
        Happening::Frozen { ms } => {
            trial.pass_ms(ms);
            trial.tick();
        }
        Happening::Coordinator { node, shared, up } => {
            trial.coordinator(node, coordinator(node, shared), up);
        }
        Happening::Unmeasured { node } => trial.unmeasured_down(node, coordinator(node, false)),
        Happening::Kill { node } => trial.kill(node),
        Happening::Revive { node } => trial.revive(node),
        Happening::Lead { node } => {
            *leader = node;
            trial.lead(node);
        }
        Happening::Refuse { refuse } => trial.refuse = refuse,
        Happening::Hold { hold } => trial.hold_results = hold,
        Happening::Lose { lose } => trial.lose_results = lose,
    }
}

fn unlisted_by(duty: &Duty) -> Option<NodeId> {
    match duty.deed {
        Deed::Propose(Command::Cluster(ClusterCommand::UnlistMember { node })) => Some(node),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        // A failure prints what happened, smallest first; nothing is written beside the sources.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn there_is_one_record_once_there_was_one_and_the_leader_stays_listed(
        happenings in prop::collection::vec(happening(), 1..60)
    ) {
        let mut trial = Trial::new(NODES);
        let mut leader = node(1);
        for happening in happenings {
            let before = trial.handed_out();
            happen(&mut trial, &mut leader, happening);
            prop_assert!(trial.listed().contains(&leader));
            for (_, duty) in &trial.handed[before..] {
                prop_assert_ne!(unlisted_by(duty), Some(leader));
                prop_assert_ne!(duty.id, DutyId::Promotion, "there are more voters than expected");
            }
        }
        for (_, records) in &trial.records {
            prop_assert_eq!(records.len(), 1);
        }
        for pair in trial.records.windows(2) {
            let apart = pair[1].0 - pair[0].0;
            prop_assert!(apart.as_millis() >= u128::from(CHECK_TIMEOUT_MS), "{:?}", pair);
        }
    }

    #[test]
    fn when_all_is_calm_the_record_is_the_live_one_and_nothing_is_left_to_do(
        happenings in prop::collection::vec(happening(), 1..30),
        strangers in 0_u32..3,
    ) {
        let mut trial = Trial::new(NODES);
        let mut leader = node(1);
        for happening in happenings {
            happen(&mut trial, &mut leader, happening);
        }
        for n in 0..strangers {
            trial.put_discovery(&format!("stranger{n}"), "8080");
        }
        (trial.refuse, trial.hold_results, trial.lose_results) = (false, false, false);
        for id in 1..=NODES {
            trial.revive(node(id));
            trial.coordinator(node(id), coordinator(node(id), false), id == 3);
        }
        // A duty that was lost, then the oldest vouching, then one more round.
        trial.run_ms(5_000 + CHECK_TIMEOUT_MS + 1_100);
        prop_assert_eq!(trial.discovery(), vec![("c3".to_owned(), "8080".to_owned())]);
        prop_assert_eq!(trial.listed().len(), 4);
        let before = trial.handed_out();
        trial.run_ms(30_000);
        prop_assert_eq!(trial.handed_out(), before);
    }
}
