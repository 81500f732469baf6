//! `Flights`: which duties are under way, and which rest after their result.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::duty::DutyId;

/// A result that did not come back in this time will not: longer than any commit that still
/// succeeds in a cluster its clients can use.
const OVERDUE: Duration = Duration::from_secs(5);
/// Rest after a failure, and after a success of what should not happen more often anyway.
const REST: Duration = Duration::from_secs(1);
/// Rest after a failure of what has to happen within 100 ms.
const SHORT_REST: Duration = Duration::from_millis(100);

/// Duties that may not be handed out now.
#[derive(Debug, Default)]
pub(super) struct Flights {
    /// Until when.
    closed: BTreeMap<DutyId, Instant>,
}

impl Flights {
    /// Whether the duty may be handed out.
    pub(super) fn is_open(&self, now: Instant, id: DutyId) -> bool {
        self.closed.get(&id).is_none_or(|until| *until <= now)
    }

    /// Notes that the duty was handed out.
    pub(super) fn leave(&mut self, now: Instant, id: DutyId) {
        self.closed.insert(id, now + OVERDUE);
    }

    /// Notes a result. One that comes from an earlier term only shortens or prolongs a rest.
    pub(super) fn land(&mut self, now: Instant, id: DutyId, applied: bool) {
        if !self.closed.contains_key(&id) {
            return;
        }
        match rest(id, applied) {
            None => self.closed.remove(&id),
            Some(rest) => self.closed.insert(id, now + rest),
        };
    }

    /// Drops what is over.
    pub(super) fn forget_overdue(&mut self, now: Instant) {
        self.closed.retain(|_, until| *until > now);
    }
}

fn rest(id: DutyId, applied: bool) -> Option<Duration> {
    match id {
        // Batches keep their own account: no number comes twice.
        DutyId::Touches(_) => None,
        DutyId::Expire => (!applied).then_some(SHORT_REST),
        DutyId::Node(_) | DutyId::MapLocks(_) | DutyId::Promotion | DutyId::CoordinatorRecord => {
            Some(REST)
        }
    }
}
