//! Clocks that are false for one process.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use statekeeper_jepsen::cluster::clock::Clock;
use statekeeper_jepsen::cluster::preload::Preload;
use tempfile::tempdir;

use crate::node::Node;

const HOUR_MS: i64 = 3_600_000;
/// Between two programs' readings lies the start of one of them.
const SLACK_MS: i64 = 2000;

/// How far a program's clock is ahead of ours.
fn ahead_ms(preload: &Preload) -> i64 {
    let date = Command::new("date").arg("+%s%3N").envs(preload.environment()).output().unwrap();
    let told: i64 = String::from_utf8_lossy(&date.stdout).trim().parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    told - i64::try_from(now).unwrap()
}

#[track_caller]
fn expect_near(one: i64, other: i64) {
    assert!((one - other).abs() <= SLACK_MS, "{one}, not {other}");
}

#[test]
fn a_program_sees_jumps_and_the_truth_again() {
    let dir = tempdir().unwrap();
    let preload = Preload::new(&dir.path().join("block")).unwrap();
    let mut clock = Clock::new(&preload);
    expect_near(ahead_ms(&preload), 0);
    assert_eq!(clock.shown().unwrap().readings, 0);
    clock.jump(HOUR_MS).unwrap();
    expect_near(ahead_ms(&preload), HOUR_MS);
    let shown = clock.shown().unwrap();
    assert_eq!((shown.readings > 0, shown.ahead_ns), (true, HOUR_MS * 1_000_000));
    clock.jump(-2 * HOUR_MS).unwrap();
    expect_near(ahead_ms(&preload), -HOUR_MS);
    clock.heal().unwrap();
    expect_near(ahead_ms(&preload), 0);
}

#[test]
fn a_program_sees_drift_and_strobe() {
    let dir = tempdir().unwrap();
    let preload = Preload::new(&dir.path().join("block")).unwrap();
    let mut clock = Clock::new(&preload);
    clock.drift(1000.0).unwrap();
    let begin = Instant::now();
    sleep(Duration::from_millis(100));
    let ahead = ahead_ms(&preload);
    let most = i64::try_from(begin.elapsed().as_millis()).unwrap() * 1000;
    assert!((100_000 - SLACK_MS..=most + SLACK_MS).contains(&ahead), "{ahead} of {most}");
    // What was gained stays when the drift ends.
    clock.drift(0.0).unwrap();
    assert!(ahead_ms(&preload) >= ahead);
    clock.heal().unwrap();
    clock.strobe(Duration::from_secs(100), Duration::from_millis(50)).unwrap();
    let seen: Vec<i64> = (0..40).map(|_| ahead_ms(&preload)).collect();
    assert!(seen.iter().any(|ahead| *ahead > 98_000), "{seen:?}");
    assert!(seen.iter().any(|ahead| *ahead < -98_000), "{seen:?}");
}

#[test]
fn a_node_lives_with_a_false_clock_and_its_time_outs_stay_true() {
    let dir = tempdir().unwrap();
    let preload = Preload::new(&dir.path().join("block")).unwrap();
    let mut clock = Clock::new(&preload);
    let node = Node::start(dir.path(), &dir.path().join("data"), preload.environment());
    for (key, ms) in [(1, HOUR_MS), (2, -2 * HOUR_MS), (3, 100)] {
        let before = clock.shown().unwrap();
        clock.jump(ms).unwrap();
        let begin = Instant::now();
        node.put(key).unwrap();
        assert!(begin.elapsed() < Duration::from_secs(2));
        sleep(Duration::from_millis(1500));
        let shown = clock.shown().unwrap();
        assert!(shown.readings > before.readings, "the node never asked what time it is");
    }
    node.expect(1..=3);
}
