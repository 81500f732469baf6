//! `ClusterClock`: what cluster time it is here.
//!
//! It is the time of the last entry plus what the monotonic clock has counted since. So it may lag
//! behind the time of the cluster, by what an entry needs to get here, and never runs ahead:
//! nothing ends early because a clock jumped or two clocks differ. Only over a stop of this process
//! the wall clock is asked, and only forwards. A leader's clock runs freely: its own entries,
//! applied a moment after they were stamped, must not set it back.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use statekeeper_machine::{ClusterTime, NodeId};

/// Cluster time on this node.
#[derive(Debug)]
pub(crate) struct ClusterClock {
    node: NodeId,
    base: Mutex<Base>,
}

#[derive(Clone, Copy, Debug)]
struct Base {
    time: ClusterTime,
    at: Instant,
}

impl ClusterClock {
    pub(crate) fn new(node: NodeId) -> Self {
        Self { node, base: Mutex::new(Base { time: ClusterTime(0), at: Instant::now() }) }
    }

    /// The time now.
    pub(crate) fn now(&self) -> ClusterTime {
        let base = *self.base.lock();
        base.time.plus_ms(millis(base.at.elapsed()))
    }

    /// An entry was applied and the machine's time is now this.
    pub(crate) fn applied(&self, proposer: NodeId, time: ClusterTime) {
        if proposer != self.node {
            *self.base.lock() = Base { time, at: Instant::now() };
        }
    }

    /// The state was replaced by one of this time, or recovered and the downtime bridged.
    pub(crate) fn set(&self, time: ClusterTime) {
        *self.base.lock() = Base { time, at: Instant::now() };
    }

    /// A cluster begins, at the wall clock of its founder.
    pub(crate) fn found(&self) {
        let mut base = self.base.lock();
        if base.time == ClusterTime(0) {
            *base = Base { time: ClusterTime(wall_ms()), at: Instant::now() };
        }
    }
}

/// The wall clock, milliseconds since the epoch.
pub(crate) fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entries_of_others_set_it_and_its_own_do_not() {
        let clock = ClusterClock::new(NodeId(1));
        clock.applied(NodeId(2), ClusterTime(5_000));
        assert!((5_000..6_000).contains(&clock.now().0));
        clock.applied(NodeId(1), ClusterTime(4_000));
        assert!(clock.now().0 >= 5_000, "an own entry sets it back");
        clock.applied(NodeId(2), ClusterTime(4_500));
        assert!((4_500..5_000).contains(&clock.now().0), "it may lag, and never runs ahead");
    }

    #[test]
    fn a_founder_starts_at_its_wall_clock_and_only_then() {
        let clock = ClusterClock::new(NodeId(1));
        clock.found();
        assert!(clock.now().0 > 1_500_000_000_000);
        clock.set(ClusterTime(7_000));
        clock.found();
        assert!((7_000..8_000).contains(&clock.now().0));
    }
}
