//! A bound that a cluster keeps only while it is well: it begins anew whenever another node leads,
//! nobody does, or a link is bad, since other faults may go on meanwhile.

use std::time::{Duration, Instant};

use super::Arena;

/// How often somebody looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A time that runs only while the cluster is well.
pub(super) struct Patience {
    within: Duration,
    since: Instant,
    /// Who led under which term when it began.
    leader: Option<(usize, u64)>,
}

impl Patience {
    /// Begins now.
    pub(super) fn new(within: Duration) -> Self {
        Self { within, since: Instant::now(), leader: None }
    }

    /// Waits a little; whether the time is over.
    pub(super) async fn is_over(&mut self, arena: &Arena) -> bool {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let leader = arena.cluster().leader().await.map(|led| (led.node, led.term));
        if leader.is_none() || leader != self.leader || !arena.cluster().net().is_perfect() {
            self.leader = leader;
            self.since = Instant::now();
        }
        self.since.elapsed() >= self.within
    }
}
