//! The times of the bootstrap; tests shorten some of them.

use std::time::Duration;

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// One question about who is there: several round trips on a busy network.
    pub ask_timeout: Duration,
    /// One promise, which the other node writes to its disk first.
    pub promise_timeout: Duration,
    /// Between two looks around: three nodes started together found within a second.
    pub pause: Duration,
    /// Between two looks around once `patience` is over.
    pub pause_long: Duration,
    /// How long a node looks around often.
    pub patience: Duration,
    /// Nothing of a running cluster is heard in the seed directory for so long before a founding;
    /// running nodes look once a second whether their marker and seeds are there.
    pub quiet_seed_directory: Duration,
    /// The same for multicast: more than two announcements of every node.
    pub quiet_multicast: Duration,
    /// An address heard by multicast counts for so long: three announcements, and some delay.
    pub heard_for: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            ask_timeout: Duration::from_secs(1),
            promise_timeout: Duration::from_secs(5),
            pause: Duration::from_millis(150),
            pause_long: Duration::from_secs(1),
            patience: Duration::from_secs(30),
            quiet_seed_directory: Duration::from_secs(3),
            quiet_multicast: Duration::from_secs(5),
            heard_for: Duration::from_secs(7),
        }
    }
}
