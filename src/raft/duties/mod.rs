//! What a leader proposes by itself, as a machine without I/O: reports, touches and results go in,
//! duties come out, time is an argument.
//!
//! Invariants:
//! - Nothing is decided before this leader's own `Office` entry is applied, so never on a state
//!   that lacks entries of an earlier leader.
//! - Silence is counted from the moment this node began to listen: from taking office, or from the
//!   end of a stall of its own. Nobody is held to have been silent while nobody listened.
//! - A duty that was handed out is not handed out again until its result came back or it is
//!   overdue. All commands here may be applied twice without harm, so an overdue duty is simply
//!   repeated.
//! - What one call hands out is bounded.
//!
//! Deliberately absent: `Office` and `Found` (proposed where leadership is learnt), timers,
//! sockets, and the decisions of operators.

mod coordinator_record;
mod duty;
mod expiry;
mod flights;
mod map_lock_release;
mod members;
mod promotion;
mod reports;
mod round;
mod touches;
mod view;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod trial;

use std::time::{Duration, Instant};

use statekeeper_machine::{NodeId, Touch};

pub(crate) use duty::{Deed, Duty, DutyId};
pub(crate) use reports::{CoordinatorSign, Report};
pub(crate) use view::{DutyView, PeerSight};

use flights::Flights;
use map_lock_release::MapLockRelease;
use members::Members;
use reports::Reports;
use round::Round;
use touches::Touches;

/// How often every node, the leader itself included, must report; also at once when something in
/// its report changed. What "no longer reports" means is counted in this.
pub(crate) const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// How often to look when nothing else calls for it sooner.
pub(crate) const TICK_INTERVAL: Duration = Duration::from_millis(50);
/// A leader that did not look for this long was itself away (frozen, starved, asleep with its
/// host).
const STALL: Duration = Duration::from_secs(2);

/// What a leader's duties depend on.
#[derive(Clone, Debug)]
pub(crate) struct DutySettings {
    /// This node.
    pub(crate) node: NodeId,
    /// `client.member-timeout`.
    pub(crate) member_timeout: Duration,
    /// `coordinator.check-timeout`.
    pub(crate) coordinator_check_timeout: Duration,
    /// `raft.bootstrap-expect`.
    pub(crate) bootstrap_expect: usize,
}

/// The duties of a leader.
#[derive(Debug)]
pub(crate) struct Duties {
    settings: DutySettings,
    reports: Reports,
    flights: Flights,
    touches: Touches,
    members: Members,
    map_lock_release: MapLockRelease,
    took_office_at: Option<Instant>,
    listening_since: Option<Instant>,
    looked_at: Option<Instant>,
}

impl Duties {
    /// Duties of a node that does not lead yet.
    pub(crate) fn new(settings: DutySettings) -> Self {
        Self {
            settings,
            reports: Reports::default(),
            flights: Flights::default(),
            touches: Touches::default(),
            members: Members::default(),
            map_lock_release: MapLockRelease::default(),
            took_office_at: None,
            listening_since: None,
            looked_at: None,
        }
    }

    /// Begins a term: what an earlier one knew is forgotten, every silence is counted anew.
    pub(crate) fn take_office(&mut self, now: Instant) {
        self.reports = Reports::default();
        self.flights = Flights::default();
        self.members = Members::default();
        self.map_lock_release = MapLockRelease::default();
        self.touches.forget();
        self.took_office_at = Some(now);
        self.listening_since = Some(now);
        self.looked_at = Some(now);
    }

    /// Ends a term: nothing is handed out until the next one.
    pub(crate) fn leave_office(&mut self) {
        self.took_office_at = None;
        self.listening_since = None;
        self.touches.forget();
    }

    /// Takes in what a node says of itself; the leader reports to itself too.
    pub(crate) fn heard(&mut self, now: Instant, report: Report) {
        if self.took_office_at.is_none() {
            return;
        }
        self.map_lock_release.saw(now, &report.clients_here);
        self.reports.hear(now, report);
    }

    /// Takes in reads that this or another node has counted.
    pub(crate) fn touched(&mut self, now: Instant, touches: Vec<Touch>) {
        if self.took_office_at.is_some() {
            self.touches.collect(now, touches);
        }
    }

    /// Says what became of a duty: applied, or not (refused, given up, unknown).
    pub(crate) fn done(&mut self, now: Instant, id: DutyId, applied: bool) {
        if let DutyId::Touches(batch) = id {
            self.touches.done(now, batch, applied);
        }
        self.flights.land(now, id, applied);
    }

    /// What to do now. The order is the order in which commands must enter the log.
    pub(crate) fn tick(&mut self, view: &DutyView<'_>) -> Vec<Duty> {
        let Some((office, since)) = self.listen(view.now) else { return Vec::new() };
        // Until its own office is applied, the state may lack what an earlier leader got committed.
        if view.machine.cluster().and_then(|info| info.leader) != Some(self.settings.node) {
            return Vec::new();
        }
        self.flights.forget_overdue(view.now);
        self.reports.retain(|node| view.is_member(node));
        let mut round = Round::new(view, &self.settings, &self.reports, &mut self.flights, since);
        self.touches.flush_due(&mut round);
        expiry::propose(&mut round, &mut self.touches, office);
        self.members.propose(&mut round);
        self.map_lock_release.propose(&mut round);
        promotion::propose(&mut round);
        coordinator_record::propose(&mut round);
        round.into_duties()
    }

    /// When to call `tick` next, unless the state changes before; `None` out of office.
    pub(crate) fn deadline(&self, view: &DutyView<'_>) -> Option<Instant> {
        self.took_office_at?;
        let due = [expiry::due_at(view), self.touches.due_at()];
        let soonest = due.into_iter().flatten().min();
        let latest = view.now + TICK_INTERVAL;
        Some(soonest.map_or(latest, |due| due.clamp(view.now, latest)))
    }

    /// Reads that were dropped because too many keys were read; for the metrics.
    pub(crate) fn touches_dropped(&self) -> u64 {
        self.touches.dropped()
    }

    /// Notes that this node looks, and answers since when it held office and since when it listens.
    fn listen(&mut self, now: Instant) -> Option<(Instant, Instant)> {
        let office = self.took_office_at?;
        let looked_at = self.looked_at.replace(now);
        if looked_at.is_some_and(|looked| now.saturating_duration_since(looked) > STALL) {
            self.listening_since = Some(now);
        }
        Some((office, self.listening_since?))
    }
}

#[cfg(test)]
mod tests {
    use super::trial::{Trial, node};
    use super::*;

    #[test]
    fn nothing_is_proposed_before_the_own_office_is_applied() {
        let mut trial = Trial::new(3);
        trial.office(node(2));
        trial.take_office();
        trial.kill(node(3));
        trial.run_ms(20_000);
        assert_eq!(trial.handed_out(), 0);
        trial.office(node(1));
        trial.run_ms(1_000);
        assert!(trial.handed_out() > 0, "the dead node is taken off the list");
    }

    #[test]
    fn nothing_is_proposed_out_of_office() {
        let mut trial = Trial::new(3);
        trial.kill(node(3));
        trial.duties.leave_office();
        trial.run_ms(20_000);
        assert_eq!(trial.handed_out(), 0);
    }

    #[test]
    fn a_duty_without_a_result_is_repeated_only_when_it_is_overdue() {
        let mut trial = Trial::new(3);
        trial.hold_results = true;
        trial.kill(node(3));
        trial.run_ms(14_000);
        assert_eq!(trial.count(|duty| duty.id == DutyId::Node(node(3))), 1);
        trial.run_ms(2_000);
        assert_eq!(trial.count(|duty| duty.id == DutyId::Node(node(3))), 2);
    }

    #[test]
    fn a_duty_that_failed_is_repeated_after_a_pause() {
        let mut trial = Trial::new(3);
        trial.refuse = true;
        trial.kill(node(3));
        trial.run_ms(14_200);
        let tries = trial.count(|duty| duty.id == DutyId::Node(node(3)));
        assert!((3..=5).contains(&tries), "about one a second, not one a tick: {tries}");
    }

    #[test]
    fn a_leader_that_was_away_itself_holds_nobody_silent() {
        let mut trial = Trial::new(3);
        trial.run_ms(1_000);
        trial.kill(node(2));
        trial.kill(node(3));
        trial.pass_ms(60_000);
        trial.tick();
        trial.revive(node(2));
        trial.revive(node(3));
        trial.run_ms(5_000);
        assert_eq!(trial.listed(), vec![node(1), node(2), node(3)]);
        assert_eq!(trial.unlisted(), 0);
    }

    #[test]
    fn a_leader_that_was_away_itself_leaves_the_record_where_it_is() {
        let mut trial = Trial::new(3);
        trial.coordinator(node(2), ("c2", 8080), true);
        trial.coordinator(node(3), ("c3", 8080), true);
        trial.run_ms(20_000);
        let before = trial.discovery();
        trial.pass_ms(60_000);
        trial.report(node(3));
        trial.tick();
        trial.run_ms(20_000);
        assert_eq!(trial.discovery(), before);
        assert_eq!(trial.records.len(), 1);
    }

    #[test]
    fn the_deadline_is_the_next_tick_at_the_latest() {
        let mut trial = Trial::new(1);
        assert_eq!(trial.deadline_in(), Some(TICK_INTERVAL));
        trial.put("m", "k", 10);
        assert_eq!(trial.deadline_in(), Some(Duration::from_millis(35)));
        trial.duties.leave_office();
        assert_eq!(trial.deadline_in(), None);
    }
}
