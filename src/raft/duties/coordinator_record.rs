//! The record in the map `discovery-service`: exactly one, of a coordinator that lives.
//!
//! Nobody else fills the map, its readers take the first record they find, and a coordinator that
//! finds a dead one is alone. `RegisterCoordinator` replaces the whole map by one record in one
//! entry, so there are never two nor none in between; what remains to be decided is when.
//!
//! - No record: register, at once.
//! - The record's coordinator is *vouched for* while a node called it up within
//!   `coordinator.check-timeout` and has not measured a silence of that length since. Then it
//!   stays, whoever else is up.
//! - Not vouched for: the up coordinator of the lowest node takes its place. Without one it stays.
//!
//! **In time.** A node says "down" when its coordinator has been silent for the check time-out, and
//! that word counts at once; a node that dies has vouched for the last time at its last report, so
//! its coordinator counts as up for the same time-out, not for `client.member-timeout`. If the
//! leader dies with its coordinator, the next leader vouches from the moment it takes office. All
//! three end within the check time-out and one election.
//!
//! **Without flapping.** The record moves only when it is not vouched for, so a coordinator that
//! comes back does not take it. A node that restarts or reports late changes nothing: its last "up"
//! holds for the time-out, and "down" from a node that never saw it up is no measurement. A record
//! that was written less than the time-out ago stays, whatever is reported, so there is at most one
//! move in each time-out. That rule delays nothing for a coordinator that dies after it was
//! registered: it has not been silent for the time-out before the record is as old. The age is read
//! from the record itself, so it holds across changes of leaders. A leader waits that long before
//! it takes a record for dead of which nobody speaks, and `SETTLE` before it believes the first
//! "down": two nodes may share a coordinator.
//!
//! A record that no node knows (left by a migration, or written by hand) is dead once it is as old
//! as the time-out and the leader has listened for that long. Several records are one too many: one
//! of them that is up is kept; if none is, they count as one dead record when all of them are dead.

use std::time::Duration;

use statekeeper_machine::{Answer, Blob, ClusterCommand, ClusterTime, Name, Query, RecordView};

use super::REPORT_INTERVAL;
use super::duty::DutyId;
use super::reports::Coordinator;
use super::round::Round;

/// Where openLooKeng's nodes look; the map `RegisterCoordinator` writes.
const DISCOVERY_MAP: &str = "discovery-service";
/// Records looked at: one is right, a few are somebody's mistake. All go whatever their number.
const RECORDS_MAX: usize = 16;
/// Every node that answers has reported to a new leader in this time.
const SETTLE: Duration = Duration::from_secs(2 * REPORT_INTERVAL.as_secs());

// req: R-26
/// Proposes another record, if the one that is there may not stay.
pub(super) fn propose(round: &mut Round<'_>) {
    if !round.is_open(DutyId::CoordinatorRecord) {
        return;
    }
    if let Some(Coordinator { host, port }) = successor(round) {
        let (host, port) = (Blob::string(&host), Blob::string(&port.to_string()));
        let command = ClusterCommand::RegisterCoordinator { host, port };
        round.propose(DutyId::CoordinatorRecord, command);
    }
}

/// Who is to be registered now, if anybody.
fn successor(round: &Round<'_>) -> Option<Coordinator> {
    let now = round.view.now;
    let patience = round.settings.coordinator_check_timeout;
    let mut up = round.reports.iter().filter_map(|(_, heard)| heard.coordinator_up(now, patience));
    let (records, more) = records(round);
    if records.is_empty() {
        return up.next();
    }
    let up: Vec<Coordinator> = up.collect();
    if (more || records.len() > 1)
        && let Some(kept) = up.iter().find(|one| records.iter().any(|row| is_of(row, one)))
    {
        return Some(kept.clone());
    }
    let first = up.into_iter().next()?;
    may_go(round, &records).then_some(first)
}

fn records(round: &Round<'_>) -> (Vec<RecordView>, bool) {
    let map = Name::from(DISCOVERY_MAP);
    let page = Query::MapPage { map, after: None, limit: RECORDS_MAX };
    match round.view.machine.query(&page) {
        Answer::Records { records, more } => (records, more),
        answer => unreachable!("a page of a map is answered by records, not by {answer:?}"),
    }
}

/// Whether what is registered counts as dead.
fn may_go(round: &Round<'_>, records: &[RecordView]) -> bool {
    let now = round.view.now;
    let patience = round.settings.coordinator_check_timeout;
    let vouched = |row| {
        let by = |one: &Coordinator| is_of(row, one);
        round.reports.iter().any(|(_, heard)| heard.vouches_for(now, patience).is_some_and(by))
    };
    let measured_down = |row| {
        let by = |one: Coordinator| is_of(row, &one);
        round.reports.iter().any(|(_, heard)| heard.coordinator_down(now).is_some_and(by))
    };
    let listened = round.listened_for();
    let judged = listened >= patience || (listened >= SETTLE && records.iter().all(measured_down));
    let newest = records.iter().map(|row| row.updated_at).max().unwrap_or_default();
    judged && age(round, newest) >= patience && !records.iter().any(vouched)
}

fn age(round: &Round<'_>, written: ClusterTime) -> Duration {
    Duration::from_millis(round.view.cluster_now.0.saturating_sub(written.0))
}

fn is_of(row: &RecordView, coordinator: &Coordinator) -> bool {
    row.key == Blob::string(&coordinator.host)
        && row.value == Blob::string(&coordinator.port.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::duty::DutyId;
    use super::super::trial::{CHECK_TIMEOUT_MS, Trial, node};

    const ONE: (&str, u16) = ("c1", 8080);
    const TWO: (&str, u16) = ("c2", 8080);

    fn record(host: &str, port: u16) -> Vec<(String, String)> {
        vec![(host.to_owned(), port.to_string())]
    }

    /// Three nodes; coordinators beside the first two, the first registered.
    fn two_up() -> Trial {
        let mut trial = Trial::new(3);
        trial.coordinator(node(1), ONE, true);
        trial.coordinator(node(2), TWO, true);
        trial.run_ms(1_200);
        assert_eq!(trial.discovery(), record("c1", 8080));
        trial.run_ms(20_000);
        trial
    }

    fn moves(trial: &Trial) -> usize {
        trial.count(|duty| duty.id == DutyId::CoordinatorRecord)
    }

    #[test]
    fn the_first_coordinator_that_is_up_is_registered_at_once_and_once() {
        let mut trial = Trial::new(3);
        trial.coordinator(node(2), TWO, false);
        trial.run_ms(5_000);
        assert!(trial.discovery().is_empty(), "nobody is up");
        trial.coordinator(node(2), TWO, true);
        trial.run_ms(100);
        assert_eq!(trial.discovery(), record("c2", 8080));
        trial.coordinator(node(1), ONE, true);
        trial.run_ms(60_000);
        assert_eq!(trial.discovery(), record("c2", 8080), "the present one stays");
        assert_eq!(moves(&trial), 1);
    }

    #[test]
    fn a_measured_silence_moves_the_record_at_once_and_it_does_not_go_back() {
        let mut trial = two_up();
        trial.coordinator(node(1), ONE, false);
        trial.run_ms(100);
        assert_eq!(trial.discovery(), record("c2", 8080));
        trial.coordinator(node(1), ONE, true);
        trial.run_ms(60_000);
        assert_eq!(trial.discovery(), record("c2", 8080));
        assert_eq!(moves(&trial), 2);
    }

    #[test]
    fn the_record_of_a_dead_node_moves_within_the_check_time_out() {
        let mut trial = Trial::new(3);
        trial.coordinator(node(2), TWO, true);
        trial.run_ms(20_000);
        trial.coordinator(node(3), ("c3", 80), true);
        trial.run_ms(2_000);
        trial.kill(node(2));
        trial.run_ms(CHECK_TIMEOUT_MS - 1_100);
        assert_eq!(trial.discovery(), record("c2", 8080));
        trial.run_ms(1_200);
        assert_eq!(trial.discovery(), record("c3", 80));
    }

    #[test]
    fn after_the_leader_died_with_its_coordinator_the_next_one_moves_the_record_in_time() {
        let mut trial = two_up();
        trial.kill(node(1));
        trial.lead(node(2));
        trial.run_ms(CHECK_TIMEOUT_MS - 200);
        assert_eq!(trial.discovery(), record("c1", 8080), "the dead node may be late");
        trial.run_ms(400);
        assert_eq!(trial.discovery(), record("c2", 8080));
    }

    #[test]
    fn a_new_leader_keeps_the_record_whose_node_reports_late() {
        let mut trial = two_up();
        trial.kill(node(1));
        trial.lead(node(2));
        trial.run_ms(CHECK_TIMEOUT_MS - 1_500);
        trial.revive(node(1));
        trial.run_ms(60_000);
        assert_eq!(trial.discovery(), record("c1", 8080));
        assert_eq!(moves(&trial), 1);
    }

    #[test]
    fn a_new_leader_believes_down_once_all_have_spoken() {
        let mut trial = two_up();
        trial.lead(node(2));
        trial.coordinator(node(1), ONE, false);
        trial.run_ms(1_900);
        assert_eq!(trial.discovery(), record("c1", 8080));
        trial.run_ms(300);
        assert_eq!(trial.discovery(), record("c2", 8080));
    }

    #[test]
    fn a_new_leader_does_not_believe_a_node_that_has_measured_nothing() {
        let mut trial = two_up();
        trial.lead(node(2));
        trial.unmeasured_down(node(1), ONE);
        trial.run_ms(CHECK_TIMEOUT_MS - 100);
        assert_eq!(trial.discovery(), record("c1", 8080));
        trial.run_ms(200);
        assert_eq!(trial.discovery(), record("c2", 8080));
    }

    #[test]
    fn a_node_that_restarts_does_not_lose_the_record() {
        let mut trial = two_up();
        trial.kill(node(1));
        trial.run_ms(2_000);
        trial.forget_coordinator(node(1));
        trial.revive(node(1));
        trial.run_ms(2_000);
        trial.unmeasured_down(node(1), ONE);
        trial.run_ms(2_000);
        trial.coordinator(node(1), ONE, true);
        trial.run_ms(60_000);
        assert_eq!(trial.discovery(), record("c1", 8080));
        assert_eq!(moves(&trial), 1);
    }

    #[test]
    fn a_coordinator_that_does_not_come_up_after_its_nodes_restart_loses_the_record() {
        let mut trial = two_up();
        trial.unmeasured_down(node(1), ONE);
        trial.run_ms(CHECK_TIMEOUT_MS + 100);
        assert_eq!(trial.discovery(), record("c2", 8080));
    }

    // checks: R-26
    #[test]
    fn with_all_down_the_record_stays_and_the_first_one_back_gets_it() {
        let mut trial = two_up();
        trial.coordinator(node(2), TWO, false);
        trial.coordinator(node(1), ONE, false);
        trial.run_ms(60_000);
        assert_eq!(trial.discovery(), record("c1", 8080));
        trial.coordinator(node(2), TWO, true);
        trial.run_ms(100);
        assert_eq!(trial.discovery(), record("c2", 8080));
        trial.coordinator(node(1), ONE, true);
        trial.run_ms(30_000);
        assert_eq!(trial.discovery(), record("c2", 8080));
        assert_eq!(moves(&trial), 2);
    }

    #[test]
    fn with_all_down_the_registered_one_back_first_changes_nothing() {
        let mut trial = two_up();
        trial.coordinator(node(2), TWO, false);
        trial.coordinator(node(1), ONE, false);
        trial.run_ms(60_000);
        trial.coordinator(node(1), ONE, true);
        trial.coordinator(node(2), TWO, true);
        trial.run_ms(60_000);
        assert_eq!(trial.discovery(), record("c1", 8080));
        assert_eq!(moves(&trial), 1);
    }

    #[test]
    fn two_coordinators_on_one_host_are_told_apart_by_their_port() {
        let mut trial = Trial::new(3);
        trial.coordinator(node(1), ("c", 8080), true);
        trial.coordinator(node(2), ("c", 8090), true);
        trial.run_ms(20_000);
        assert_eq!(trial.discovery(), record("c", 8080));
        trial.coordinator(node(1), ("c", 8080), false);
        trial.run_ms(100);
        assert_eq!(trial.discovery(), record("c", 8090));
        trial.coordinator(node(2), ("c", 8090), false);
        trial.coordinator(node(1), ("c", 8080), true);
        trial.run_ms(CHECK_TIMEOUT_MS - 300);
        assert_eq!(trial.discovery(), record("c", 8090), "written less than a time-out ago");
        trial.run_ms(400);
        assert_eq!(trial.discovery(), record("c", 8080));
    }

    #[test]
    fn a_coordinator_that_two_nodes_see_stays_while_one_of_them_sees_it() {
        let mut trial = Trial::new(3);
        trial.coordinator(node(1), ONE, true);
        trial.coordinator(node(2), ONE, true);
        trial.coordinator(node(3), TWO, true);
        trial.run_ms(20_000);
        trial.coordinator(node(1), ONE, false);
        trial.run_ms(30_000);
        assert_eq!(trial.discovery(), record("c1", 8080));
        trial.coordinator(node(2), ONE, false);
        trial.run_ms(100);
        assert_eq!(trial.discovery(), record("c2", 8080));
    }

    #[test]
    fn reports_that_flap_move_the_record_at_most_once_in_a_time_out() {
        let mut trial = two_up();
        let before = moves(&trial);
        for turn in 0..400 {
            trial.coordinator(node(1), ONE, turn % 2 == 0);
            trial.coordinator(node(2), TWO, turn % 3 == 0);
            trial.run_ms(250);
        }
        let moved = moves(&trial) - before;
        assert!((1..=11).contains(&moved), "100 s of flapping, {moved} moves");
    }

    #[test]
    fn a_record_nobody_knows_is_replaced_when_it_is_old_enough() {
        let mut trial = Trial::new(3);
        trial.put_discovery("left-over", "8080");
        trial.run_ms(30_000);
        assert_eq!(trial.discovery(), record("left-over", 8080), "nobody is up");
        trial.coordinator(node(2), TWO, true);
        trial.run_ms(100);
        assert_eq!(trial.discovery(), record("c2", 8080));

        let mut trial = Trial::new(3);
        trial.run_ms(60_000);
        trial.coordinator(node(2), TWO, true);
        trial.put_discovery("by-hand", "8080");
        trial.run_ms(CHECK_TIMEOUT_MS - 200);
        assert_eq!(trial.discovery(), record("by-hand", 8080));
        trial.run_ms(400);
        assert_eq!(trial.discovery(), record("c2", 8080));
    }

    #[test]
    fn of_several_records_one_that_is_up_remains() {
        let mut trial = two_up();
        trial.put_discovery("stranger", "80");
        trial.put_discovery("c2", "8080");
        trial.run_ms(100);
        assert_eq!(trial.discovery(), record("c1", 8080));

        let mut trial = Trial::new(3);
        trial.put_discovery("x", "80");
        trial.put_discovery("y", "80");
        trial.coordinator(node(2), TWO, true);
        trial.run_ms(CHECK_TIMEOUT_MS + 100);
        assert_eq!(trial.discovery(), record("c2", 8080));
    }

    #[test]
    fn a_removed_record_is_there_again() {
        let mut trial = two_up();
        trial.clear_discovery();
        trial.run_ms(100);
        assert_eq!(trial.discovery(), record("c1", 8080));
    }

    #[test]
    fn the_coordinator_of_a_removed_node_is_not_vouched_for() {
        let mut trial = two_up();
        trial.voters.remove(&node(1));
        trial.lead(node(2));
        trial.run_ms(CHECK_TIMEOUT_MS + 100);
        assert_eq!(trial.discovery(), record("c2", 8080));
    }
}
