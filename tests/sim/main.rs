//! Simulation of endpoints and machine with a sequencer in the place of Raft.
//!
//! The sequencer reorders, repeats, drops and delays; leaders change, snapshots are restored,
//! connections break, clients die. Everything follows from one seed: `STATEKEEPER_SIM_SEED=n cargo
//! test --test sim one_seed -- --nocapture` plays one again, and `STATEKEEPER_SIM_SEEDS=n` sets how
//! many the long test plays.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod auditor;
mod client;
mod random;
mod requests;
mod world;

use world::World;

/// Seeds played when nothing is said: ten seconds on one core.
const SEEDS: u64 = 10_000;
const STEPS: usize = 400;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// The line that says how a seed is played again.
fn replay(seed: u64) -> String {
    format!("replay: STATEKEEPER_SIM_SEED={seed} cargo test --test sim one_seed -- --nocapture")
}

#[test]
fn many_seeds_keep_every_promise() {
    let first = number("STATEKEEPER_SIM_FIRST_SEED", 0);
    let mut done = World::default_counts();
    for seed in first..first + number("STATEKEEPER_SIM_SEEDS", SEEDS) {
        // The seed is told before a promise breaks, since a panic ends the run.
        let world = std::panic::catch_unwind(|| World::play(seed, STEPS))
            .unwrap_or_else(|_| panic!("seed {seed} breaks a promise\n{}", replay(seed)));
        done.add(&world.counts());
    }
    println!("{done:?}");
    done.assert_everything_happened();
}

#[test]
fn one_seed_plays_the_same_again() {
    let seed = number("STATEKEEPER_SIM_SEED", 1);
    let first = World::play(seed, STEPS);
    let second = World::play(seed, STEPS);
    assert_eq!(first.fingerprint(), second.fingerprint(), "seed {seed}");
    println!("{:?}", first.counts());
}
