//! When which fault is done: everything drawn from the seed before the run begins.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;

use super::Row;

/// One fault of the plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planned {
    /// From the start of the main phase, milliseconds.
    pub at_ms: u64,
    /// How long it holds, milliseconds.
    pub lasts_ms: u64,
    /// Its kind.
    pub fault: &'static str,
    /// What its own choices come from.
    pub draw: u64,
}

/// Faults that come one after the other.
pub type Lane = Vec<Planned>;

/// How long faults hold and the times between them, in a main phase of this length.
struct Times {
    quiet: Duration,
    holds: (u64, u64),
    rests: (u64, u64),
}

impl Times {
    /// The times of the design; a short run has shorter ones, so that each fault is done.
    fn of(time: Duration) -> Self {
        if time >= Duration::from_secs(60) {
            Self { quiet: Duration::from_secs(5), holds: (2_000, 12_000), rests: (4_000, 10_000) }
        } else {
            Self { quiet: Duration::from_secs(2), holds: (1_500, 5_000), rests: (2_500, 4_000) }
        }
    }
}

/// Draws the faults of each lane. Each row of a lane comes once before any comes again.
pub fn schedule(lanes: &[Vec<&'static Row>], time: Duration, seed: u64) -> Vec<Lane> {
    let times = Times::of(time);
    let end = millis(time);
    let mut planned = Vec::new();
    for (number, rows) in lanes.iter().enumerate() {
        let mut draw = StdRng::seed_from_u64(seed ^ (number as u64 + 1).wrapping_mul(0x9e37_79b9));
        let mut lane = Lane::new();
        let mut bag: Vec<&'static Row> = Vec::new();
        // Lanes begin one after the other: faults alone come before faults together.
        let mut at = millis(times.quiet) + number as u64 * draw.random_range(500..3_000);
        loop {
            if bag.is_empty() {
                bag.clone_from(rows);
            }
            let row = bag.swap_remove(draw.random_range(0..bag.len()));
            let lasts = draw.random_range(times.holds.0..=times.holds.1);
            if at + lasts + 1_000 > end {
                break;
            }
            lane.push(Planned { at_ms: at, lasts_ms: lasts, fault: row.name, draw: draw.random() });
            at += lasts + draw.random_range(times.rests.0..=times.rests.1);
        }
        planned.push(lane);
    }
    planned
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::lanes;
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_faults_and_another_does_not() {
        let lanes = lanes("all").unwrap();
        let of = |seed| schedule(&lanes, Duration::from_secs(120), seed);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn faults_of_a_lane_do_not_overlap_and_end_in_time_and_each_kind_comes() {
        let lanes = lanes("process,network").unwrap();
        let planned = schedule(&lanes, Duration::from_secs(400), 3);
        assert_eq!(planned.len(), 2);
        for (rows, lane) in lanes.iter().zip(&planned) {
            for pair in lane.windows(2) {
                assert!(pair[0].at_ms + pair[0].lasts_ms < pair[1].at_ms);
            }
            assert!(lane.last().is_some_and(|last| last.at_ms + last.lasts_ms < 400_000));
            assert!(rows.iter().all(|row| lane.iter().any(|one| one.fault == row.name)));
        }
    }

    #[test]
    fn a_short_run_has_its_faults_too() {
        let planned = schedule(&lanes("kill").unwrap(), Duration::from_secs(15), 1);
        assert!(!planned[0].is_empty() && planned[0].len() <= 4, "{planned:?}");
    }
}
