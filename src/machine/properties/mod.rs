//! What holds for every log: properties of the whole machine over random histories.

mod history;
mod holds;

use proptest::prelude::*;

use crate::event::{Event, WaitKey};
use crate::machine::Machine;
use crate::outcome::Reply;
use crate::proposal::{Applied, LogEntry};
pub(crate) use history::histories;
use holds::Watch;

const STEPS_MAX: usize = 80;

/// All properties together take about a second; `PROPTEST_CASES=20000` looks longer. A log that
/// failed becomes a golden script, so proptest's own files of them are not kept.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_same_log_gives_the_same_replies_events_and_state(log in histories(STEPS_MAX)) {
        let (mut one, mut other) = (Machine::new(), Machine::new());
        prop_assert_eq!(outputs(&mut one, &log), outputs(&mut other, &log));
        prop_assert_eq!(one.digest(), other.digest());
    }

    #[test]
    fn a_restored_machine_goes_on_as_the_one_it_was_taken_from(
        log in histories(STEPS_MAX),
        every in 1..20_usize,
    ) {
        let (mut whole, mut split) = (Machine::new(), Machine::new());
        for part in log.chunks(every) {
            prop_assert_eq!(outputs(&mut whole, part), outputs(&mut split, part));
            prop_assert_eq!(whole.digest(), split.digest());
            split = restored(&split);
            prop_assert_eq!(whole.digest(), split.digest());
        }
    }

    #[test]
    fn what_is_derived_says_what_the_state_says(log in histories(STEPS_MAX)) {
        let mut machine = Machine::new();
        for entry in log {
            machine.apply(entry.clone());
            prop_assert_eq!(machine.state_bytes(), machine.recounted_bytes(), "{:?}", entry);
            let anew = restored(&machine);
            prop_assert_eq!(machine.state_bytes(), anew.state_bytes(), "{:?}", entry);
            prop_assert_eq!(&machine.deadlines, &anew.deadlines, "{:?}", entry);
            prop_assert_eq!(machine.maps.locks.derived(), anew.maps.locks.derived(), "{:?}", entry);
            for (name, map) in &machine.maps.maps {
                prop_assert_eq!(map.derived(), anew.maps.maps[name].derived(), "{:?}", entry);
            }
        }
    }

    #[test]
    fn nothing_is_overdue_after_an_entry(log in histories(STEPS_MAX)) {
        let mut machine = Machine::new();
        for entry in log {
            machine.apply(entry.clone());
            if let Some(next) = machine.next_deadline() {
                // What an entry itself makes due at once ends with the next one.
                let made_now = next == machine.time();
                prop_assert!(next > machine.time() || made_now, "{:?}", entry);
            }
        }
    }

    #[test]
    fn a_frozen_view_stays_as_it_was(log in histories(STEPS_MAX), at in 0..STEPS_MAX) {
        let mut machine = Machine::new();
        let (before, after) = log.split_at(at.min(log.len()));
        outputs(&mut machine, before);
        let digest = machine.digest();
        let frozen = machine.freeze();
        outputs(&mut machine, after);
        let image: Vec<_> = frozen.blocks().collect();
        prop_assert_eq!(Machine::restore(image).expect("the image is whole").digest(), digest);
    }

    // checks: R-13
    #[test]
    fn a_command_sent_again_changes_nothing(log in histories(STEPS_MAX)) {
        let mut machine = Machine::new();
        let mut sent = Vec::new();
        for entry in log {
            let first = machine.apply(entry.clone()).reply;
            if entry.origin.is_none() {
                continue;
            }
            let digest = machine.digest();
            let again = LogEntry { at: machine.time(), ..entry.clone() };
            // Something the entry itself made due would end before its copy is looked at.
            if machine.next_deadline().is_none_or(|next| next > machine.time()) {
                let Applied { reply, events } = machine.apply(again);
                prop_assert_eq!(&events, &[], "{:?}", entry);
                prop_assert_eq!(machine.digest(), digest, "{:?}", entry);
                // A call that waited may have been answered within the entry it came with.
                let known = reply == first || waits(&first);
                prop_assert!(known, "{:?}: {:?}, then {:?}", entry, first, reply);
            }
            sent.push(entry);
        }
        // Late copies, when all that waited may have ended.
        machine.apply(expire(&machine));
        let digest = machine.digest();
        for entry in sent {
            let entry = LogEntry { at: machine.time(), ..entry };
            let applied = machine.apply(entry.clone());
            prop_assert_eq!(&applied.events, &[], "{:?}", entry);
            prop_assert_eq!(machine.digest(), digest, "{:?} {:?}", entry, applied.reply);
        }
    }

    #[test]
    fn holds_end_only_by_those_who_may_end_them(log in histories(STEPS_MAX)) {
        let mut machine = Machine::new();
        let mut watch = Watch::default();
        for entry in log {
            let before = watch.look(&machine);
            let applied = machine.apply(entry.clone());
            watch.judge(&before, &machine, &entry, &applied).map_err(TestCaseError::fail)?;
        }
    }

    #[test]
    fn every_wait_is_answered_once(log in histories(STEPS_MAX)) {
        let mut machine = Machine::new();
        let mut open = std::collections::BTreeSet::<WaitKey>::new();
        for entry in log {
            let wait = entry.origin.as_ref().map_or_else(
                || entry.command.wait_key(&NOWHERE),
                |origin| entry.command.wait_key(origin),
            );
            let Applied { reply, events } = machine.apply(entry.clone());
            for event in events {
                if let Event::WaitEnded { wait, .. } = event {
                    prop_assert!(open.remove(&wait), "{:?} had no wait {:?}", entry, wait);
                }
            }
            if waits(&reply) {
                open.insert(wait.expect("a call that waits has a wait key"));
            }
            for wait in &open {
                let state = machine.wait_state(wait);
                prop_assert_eq!(&state, &crate::view::WaitState::Waiting, "{:?}", wait);
            }
        }
    }
}

const NOWHERE: crate::proposal::Origin = crate::proposal::Origin {
    node: crate::ids::NodeId(0),
    start: 0,
    sequence: 0,
    answered_below: 0,
};

fn waits(reply: &Reply) -> bool {
    *reply == Ok(crate::outcome::Outcome::Waiting)
}

fn expire(machine: &Machine) -> LogEntry {
    LogEntry {
        at: machine.time().plus_ms(10_000_000),
        proposer: crate::ids::NodeId(1),
        origin: None,
        command: crate::command::Command::Cluster(crate::command::ClusterCommand::Expire),
    }
}

fn outputs(machine: &mut Machine, log: &[LogEntry]) -> Vec<(Reply, Vec<Event>)> {
    log.iter()
        .map(|entry| {
            let Applied { reply, events } = machine.apply(entry.clone());
            (reply, events)
        })
        .collect()
}

fn restored(machine: &Machine) -> Machine {
    let image: Vec<_> = machine.freeze().blocks().collect();
    Machine::restore(image).expect("the image is whole")
}
