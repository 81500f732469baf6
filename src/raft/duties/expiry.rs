//! `Expire`, when something is due and no other entry comes to end it.
//!
//! Times to live, sessions, waits and leases end with any entry at or after their deadline, so
//! under load this proposes nothing. Idle records end by `Expire` alone, and any `Expire` ends
//! those that are idle: therefore all reads collected here go into the log before it, whatever it
//! was proposed for.

use std::time::{Duration, Instant};

use statekeeper_machine::{ClusterCommand, ClusterTime};

use super::duty::DutyId;
use super::round::Round;
use super::touches::Touches;
use super::view::DutyView;

/// How long to wait for another entry that ends what is due. With a tick every 50 ms this keeps the
/// promise of 100 ms.
const PATIENCE: Duration = Duration::from_millis(25);
/// Idle times are seconds: one entry ends all that fell due in this time.
const IDLE_PATIENCE: Duration = Duration::from_millis(100);
/// Reads collected by other nodes while nobody led arrive within this time of taking office.
const OFFICE_PATIENCE: Duration = Duration::from_secs(1);

/// Proposes all collected reads and `Expire`, if something is due.
pub(super) fn propose(round: &mut Round<'_>, touches: &mut Touches, office: Instant) {
    let view = round.view;
    let in_office = view.now.saturating_duration_since(office);
    let due = is_over(view, view.machine.next_deadline(), PATIENCE)
        || (in_office >= OFFICE_PATIENCE
            && is_over(view, view.machine.next_idle_deadline(), IDLE_PATIENCE));
    if due && round.is_open(DutyId::Expire) && touches.flush_all(round) {
        round.propose(DutyId::Expire, ClusterCommand::Expire);
    }
}

/// When `propose` has something to do, as far as the state tells now.
pub(super) fn due_at(view: &DutyView<'_>) -> Option<Instant> {
    let fixed = view.machine.next_deadline().map(|at| (at, PATIENCE));
    let idle = view.machine.next_idle_deadline().map(|at| (at, IDLE_PATIENCE));
    let wait = |(at, patience): (ClusterTime, Duration)| {
        Duration::from_millis(at.0.saturating_sub(view.cluster_now.0)).saturating_add(patience)
    };
    let soonest = fixed.into_iter().chain(idle).map(wait).min()?;
    view.now.checked_add(soonest)
}

fn is_over(view: &DutyView<'_>, deadline: Option<ClusterTime>, patience: Duration) -> bool {
    let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    deadline.is_some_and(|at| at.plus_ms(patience_ms) <= view.cluster_now)
}

#[cfg(test)]
mod tests {
    use super::super::duty::{Deed, Duty};
    use super::super::trial::{Trial, node};
    use statekeeper_machine::{Command, MapSettings};

    fn is_expire(duty: &Duty) -> bool {
        matches!(duty.deed, Deed::Propose(Command::Cluster(super::ClusterCommand::Expire)))
    }

    fn idle(max_idle_ms: u64) -> MapSettings {
        MapSettings { max_idle_ms, ..MapSettings::default() }
    }

    #[test]
    fn a_record_is_gone_within_100_ms_of_its_end_when_nothing_else_comes() {
        for offset in 0..50 {
            let mut trial = Trial::new(1);
            trial.pass_ms(offset);
            trial.put("m", "k", 1_000);
            trial.run_ms(950);
            assert!(trial.has("m", "k"));
            trial.run_ms(150);
            assert!(!trial.has("m", "k"), "offset {offset}");
            assert_eq!(trial.count(is_expire), 1);
        }
    }

    #[test]
    fn nothing_is_proposed_while_other_entries_end_what_is_due() {
        let mut trial = Trial::new(1);
        for n in 0..50 {
            trial.put("m", &format!("k{n}"), 100 + n * 10);
        }
        for _ in 0..50 {
            trial.pass_ms(10);
            trial.barrier();
            trial.tick();
        }
        assert_eq!(trial.count(is_expire), 0);
    }

    #[test]
    fn an_idle_record_ends_by_expire_alone() {
        let mut trial = Trial::new(1);
        trial.configure("m", idle(2_000));
        trial.put("m", "k", 0);
        trial.run_ms(1_900);
        assert!(trial.has("m", "k"));
        trial.run_ms(400);
        assert!(!trial.has("m", "k"));
    }

    #[test]
    fn reads_go_into_the_log_before_expire() {
        let mut trial = Trial::new(1);
        trial.configure("m", idle(2_000));
        trial.put("m", "k", 0);
        trial.put("m", "unread", 0);
        trial.run_ms(1_990);
        trial.read("m", "k");
        trial.pass_ms(120);
        trial.tick();
        let kinds: Vec<bool> = trial.handed.iter().map(|(_, duty)| is_expire(duty)).collect();
        assert_eq!(kinds, [false, true], "touches, then expire, in one round");
        assert!(trial.has("m", "k"));
        assert!(!trial.has("m", "unread"));
    }

    #[test]
    fn an_expire_for_a_time_to_live_spares_idle_records_that_were_read_too() {
        let mut trial = Trial::new(1);
        trial.configure("m", idle(2_000));
        trial.put("m", "k", 0);
        trial.put("short", "s", 2_010);
        trial.run_ms(1_990);
        trial.read("m", "k");
        trial.pass_ms(60);
        trial.tick();
        assert_eq!(trial.count(is_expire), 1);
        assert!(trial.has("m", "k"));
    }

    #[test]
    fn idle_records_wait_for_late_reads_after_a_change_of_leader() {
        let mut trial = Trial::new(2);
        trial.configure("m", idle(2_000));
        trial.put("m", "k", 0);
        trial.pass_ms(3_000);
        let read_at = trial.cluster_now();
        trial.office(node(1));
        trial.take_office();
        trial.run_ms(500);
        trial.read_at("m", "k", read_at);
        trial.run_ms(900);
        assert!(trial.has("m", "k"), "the read of another node came after the office");
        trial.run_ms(1_000);
        assert!(!trial.has("m", "k"));
    }
}
