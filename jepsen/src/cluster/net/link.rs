//! What a link does to a packet: faults, chance, time.
//!
//! One direction between two ends. Decides and counts, and performs nothing: the switch does.

use std::time::{Duration, Instant};

use rand::Rng;
use serde::Serialize;

/// How long a packet waits at most for its turn on a link with a rate; a router of the world has
/// as little room, and without a limit a slow link would hold all that was ever sent.
const QUEUE_MAX: Duration = Duration::from_secs(1);

/// What a link does in one direction. The default is perfect.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// No packet arrives.
    pub cut: bool,
    /// The share of packets that do not arrive, 0 to 1.
    pub loss: f64,
    /// How much later than sent a packet arrives.
    pub delay: Duration,
    /// Up to so much is added to each packet's delay, evenly: packets overtake one another.
    pub jitter: Duration,
    /// The share of packets that arrive twice, 0 to 1.
    pub duplicate: f64,
    /// The share of packets with a flipped bit, 0 to 1: the receiver's kernel drops them for their
    /// wrong checksum.
    pub corrupt: f64,
    /// Ends the connection of every TCP segment, by a reset to both ends.
    pub reset: bool,
    /// Packets queue for their turn, a second at most, then they are lost.
    pub bytes_per_second: Option<u64>,
}

impl Link {
    pub(super) fn assert_valid(&self) {
        for share in [self.loss, self.duplicate, self.corrupt] {
            assert!((0.0..=1.0).contains(&share), "{share} is no share");
        }
        assert!(self.bytes_per_second != Some(0), "a rate of nothing is a cut");
    }
}

/// What a link has done, in packets. A packet may count in several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Handed to the receiver's kernel, copies and corrupted ones too.
    pub passed: u64,
    /// Dropped since the link was cut.
    pub cut: u64,
    /// Dropped by chance, for a full queue, or refused by the receiver's device.
    pub lost: u64,
    /// Sent on later than they came.
    pub delayed: u64,
    /// Arrived before one that was sent earlier.
    pub reordered: u64,
    /// Sent on a second time.
    pub duplicated: u64,
    /// Sent on with a flipped bit.
    pub corrupted: u64,
    /// Segments that were answered with resets instead of being sent on.
    pub reset: u64,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Dropped and counted.
    Drop,
    /// To be answered with resets.
    Reset,
    /// Sent on, perhaps twice.
    Pass(Flight, Option<Flight>),
}

/// One copy of a packet under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flight {
    /// When it arrives, if not at once.
    pub(super) due: Option<Instant>,
    /// Which bit to flip, counted around.
    pub(super) flip: Option<u32>,
}

/// A link, what is under way on it, and what it has done.
#[derive(Default)]
pub(super) struct Route {
    link: Link,
    perfect: Perfect,
    /// When the last packet of a link with a rate has left.
    free_at: Option<Instant>,
    /// When the latest of the packets that were held back arrives.
    last_due: Option<Instant>,
    pub(super) counters: Counters,
}

/// Whether the link is the default one: known without comparing for each packet.
struct Perfect(bool);

impl Default for Perfect {
    fn default() -> Perfect {
        Perfect(true)
    }
}

impl Route {
    pub(super) fn set(&mut self, link: Link) {
        self.perfect = Perfect(link == Link::default());
        self.link = link;
        self.free_at = None;
    }

    pub(super) fn is_perfect(&self) -> bool {
        self.perfect.0
    }

    pub(super) fn is_cut(&self) -> bool {
        self.link.cut
    }

    /// Decides on a packet. `ends_connections` says whether resets can answer it.
    pub(super) fn judge(
        &mut self,
        bytes: usize,
        ends_connections: impl FnOnce() -> bool,
        now: Instant,
        chance: &mut impl Rng,
    ) -> Verdict {
        if self.perfect.0 && self.last_due.is_none() {
            return Verdict::Pass(Flight::default(), None);
        }
        if self.link.cut {
            self.counters.cut += 1;
            return Verdict::Drop;
        }
        if self.link.reset && ends_connections() {
            self.counters.reset += 1;
            return Verdict::Reset;
        }
        let lost = happens(self.link.loss, chance);
        let Some(leaves) = self.turn(bytes, now).filter(|_| !lost) else {
            self.counters.lost += 1;
            return Verdict::Drop;
        };
        let first = self.flight(leaves, now, chance);
        let copy = happens(self.link.duplicate, chance);
        self.counters.duplicated += u64::from(copy);
        Verdict::Pass(first, copy.then(|| self.flight(leaves, now, chance)))
    }

    /// When a packet has left a link with a rate; nothing if the queue is full.
    fn turn(&mut self, bytes: usize, now: Instant) -> Option<Instant> {
        let Some(rate) = self.link.bytes_per_second else { return Some(now) };
        let begins = self.free_at.map_or(now, |free| free.max(now));
        if begins - now > QUEUE_MAX {
            return None;
        }
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(rate);
        // A rate of a byte a second and the largest packet stay far below the limit of 64 bits.
        let leaves = begins + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.free_at = Some(leaves);
        Some(leaves)
    }

    fn flight(&mut self, leaves: Instant, now: Instant, chance: &mut impl Rng) -> Flight {
        let flip = happens(self.link.corrupt, chance).then(|| chance.random());
        self.counters.corrupted += u64::from(flip.is_some());
        let jitter = match self.link.jitter {
            Duration::ZERO => Duration::ZERO,
            jitter => jitter.mul_f64(chance.random()),
        };
        let due = leaves + self.link.delay + jitter;
        self.last_due = self.last_due.filter(|last| *last > now);
        self.counters.reordered += u64::from(self.last_due.is_some_and(|last| due < last));
        if due == now {
            return Flight { due: None, flip };
        }
        self.counters.delayed += 1;
        self.last_due = self.last_due.max(Some(due));
        Flight { due: Some(due), flip }
    }
}

/// Draws only where there is something to decide, so that a perfect link uses up no chance.
fn happens(share: f64, chance: &mut impl Rng) -> bool {
    share > 0.0 && chance.random_bool(share)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const BYTES: usize = 1000;

    struct Trial {
        route: Route,
        chance: StdRng,
        now: Instant,
    }

    impl Trial {
        fn of(link: Link) -> Trial {
            let mut route = Route::default();
            route.set(link);
            Trial { route, chance: StdRng::seed_from_u64(7), now: Instant::now() }
        }

        fn judge(&mut self) -> Verdict {
            self.route.judge(BYTES, || true, self.now, &mut self.chance)
        }

        fn delays(&mut self, count: usize) -> Vec<Duration> {
            let mut delays = Vec::new();
            for _ in 0..count {
                if let Verdict::Pass(flight, _) = self.judge() {
                    delays.push(flight.due.unwrap_or(self.now) - self.now);
                }
            }
            delays
        }
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_perfect_link_sends_on_at_once_and_counts_nothing() {
        let mut trial = Trial::of(Link::default());
        assert_eq!(trial.judge(), Verdict::Pass(Flight::default(), None));
        assert_eq!(trial.route.counters, Counters::default());
    }

    #[test]
    fn a_cut_goes_before_a_reset() {
        let mut trial = Trial::of(Link { cut: true, reset: true, ..Link::default() });
        assert_eq!(trial.judge(), Verdict::Drop);
        assert_eq!(trial.route.counters, Counters { cut: 1, ..Counters::default() });
    }

    #[test]
    fn only_what_belongs_to_a_connection_is_reset() {
        let mut trial = Trial::of(Link { reset: true, ..Link::default() });
        let other = trial.route.judge(BYTES, || false, trial.now, &mut trial.chance);
        assert_eq!(other, Verdict::Pass(Flight::default(), None));
        assert_eq!(trial.judge(), Verdict::Reset);
        assert_eq!(trial.route.counters.reset, 1);
    }

    #[test]
    fn the_share_that_is_lost_is_the_one_asked_for() {
        let mut trial = Trial::of(Link { loss: 0.3, ..Link::default() });
        let passed = trial.delays(10_000).len();
        assert!((6_800..7_200).contains(&passed), "{passed}");
        assert_eq!(trial.route.counters.lost, 10_000 - passed as u64);
    }

    #[test]
    fn a_delay_alone_reorders_nothing() {
        let mut trial = Trial::of(Link { delay: millis(20), ..Link::default() });
        assert_eq!(trial.delays(2), [millis(20), millis(20)]);
        let expected = Counters { delayed: 2, ..Counters::default() };
        assert_eq!(trial.route.counters, expected);
    }

    #[test]
    fn jitter_lets_packets_overtake() {
        let mut trial = Trial::of(Link { delay: millis(5), jitter: millis(10), ..Link::default() });
        let delays = trial.delays(1_000);
        assert!(delays.iter().all(|delay| (millis(5)..=millis(15)).contains(delay)));
        assert!(delays.iter().max() > Some(&millis(14)) && delays.iter().min() < Some(&millis(6)));
        assert!(trial.route.counters.reordered > 400, "{:?}", trial.route.counters);
    }

    #[test]
    fn a_packet_of_a_healed_link_overtakes_what_was_held_back() {
        let mut trial = Trial::of(Link { delay: millis(20), ..Link::default() });
        trial.judge();
        trial.route.set(Link::default());
        assert_eq!(trial.delays(1), [Duration::ZERO]);
        assert_eq!(trial.route.counters.reordered, 1);
        trial.now += millis(21);
        trial.judge();
        assert_eq!(trial.route.counters.reordered, 1);
        assert_eq!(trial.route.last_due, None, "the short way is open again");
    }

    #[test]
    fn a_rate_spaces_packets_and_loses_what_does_not_fit_the_queue() {
        let mut trial = Trial::of(Link { bytes_per_second: Some(100_000), ..Link::default() });
        let delays = trial.delays(200);
        assert_eq!(delays[..2], [millis(10), millis(20)]);
        assert_eq!(delays.len(), 101);
        assert_eq!(trial.route.counters.lost, 99);
    }

    #[test]
    fn a_copy_has_a_fate_of_its_own() {
        let link = Link { duplicate: 1.0, jitter: millis(10), ..Link::default() };
        let mut trial = Trial::of(link);
        let Verdict::Pass(first, Some(second)) = trial.judge() else { panic!("not two") };
        assert_ne!(first.due, second.due);
        assert_eq!(trial.route.counters.duplicated, 1);
    }

    #[test]
    fn the_same_seed_decides_the_same() {
        let link = Link { loss: 0.5, jitter: millis(10), corrupt: 0.5, ..Link::default() };
        let (mut one, mut other) = (Trial::of(link.clone()), Trial::of(link));
        other.now = one.now;
        for _ in 0..100 {
            assert_eq!(one.judge(), other.judge());
        }
    }
}
