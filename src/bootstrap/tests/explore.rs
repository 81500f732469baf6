//! Every order of events in small worlds, and random orders in larger ones: never two clusters,
//! and one as soon as nothing goes wrong any more.

use super::world::{Faults, World};
use crate::bootstrap::Arbiter;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

fn digest(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

/// Visits every reachable state and gives their number; every so many states, lets one settle.
fn explore(start: World, states_max: usize) -> usize {
    const SETTLE_EVERY: usize = 97;
    let mut seen = HashSet::from([digest(&start)]);
    let mut open = vec![start];
    let mut visited = 0usize;
    while let Some(world) = open.pop() {
        visited += 1;
        assert!(visited <= states_max, "more than {states_max} states");
        if visited.is_multiple_of(SETTLE_EVERY)
            && let Err(stuck) = world.clone().settle()
        {
            panic!("never settles from {world:#?}; stuck at {stuck:#?}");
        }
        for event in world.events() {
            let mut next = world.clone();
            next.apply(event);
            if seen.insert(digest(&next)) {
                open.push(next);
            }
        }
    }
    visited
}

const CALM: Faults = Faults { losses: 0, crashes: 0 };

fn list(places: u16) -> Arbiter {
    Arbiter::StaticList { places }
}

#[test]
fn every_order_without_faults_ends_in_one_cluster() {
    for (arbiter, nodes, expect) in [
        (Arbiter::Alone, 1, 1),
        (list(1), 1, 1),
        (list(2), 2, 2),
        (list(3), 3, 2),
        (list(3), 3, 3),
        (Arbiter::SeedDirectory, 1, 1),
        (Arbiter::SeedDirectory, 2, 1),
        (Arbiter::SeedDirectory, 2, 2),
        (Arbiter::SeedDirectory, 3, 3),
        (Arbiter::Multicast, 2, 2),
        (Arbiter::Multicast, 3, 2),
    ] {
        let states = explore(World::new(arbiter, nodes, expect, CALM), 2_000_000);
        println!("{arbiter}, {nodes} nodes, expect {expect}: {states} states");
    }
}

// checks: R-25
#[test]
fn every_order_with_losses_and_crashes_ends_in_at_most_one_cluster() {
    for (arbiter, nodes, expect, losses, crashes) in [
        (Arbiter::Alone, 1, 1, 0, 3),
        (list(2), 2, 2, 2, 2),
        (list(3), 3, 3, 1, 0),
        (list(3), 3, 3, 0, 1),
        (Arbiter::SeedDirectory, 2, 1, 1, 1),
        (Arbiter::SeedDirectory, 2, 1, 2, 2),
        (Arbiter::SeedDirectory, 3, 1, 0, 0),
        (Arbiter::SeedDirectory, 2, 2, 2, 2),
        (Arbiter::SeedDirectory, 3, 1, 0, 1),
    ] {
        let faults = Faults { losses, crashes };
        let states = explore(World::new(arbiter, nodes, expect, faults), 2_000_000);
        println!("{arbiter}, {nodes} nodes, expect {expect}, {faults:?}: {states} states");
    }
}

/// Runs one random order with faults, then lets the world settle.
fn random_run(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let nodes = random.random_range(1..=4usize);
    let all = u16::try_from(nodes).unwrap();
    let (arbiter, expect) = match random.random_range(0..3) {
        0 => (list(all), random.random_range(all / 2 + 1..=all)),
        1 => (Arbiter::SeedDirectory, random.random_range(1..=all)),
        _ => (Arbiter::Multicast, random.random_range(all / 2 + 1..=all)),
    };
    let faults = Faults { losses: random.random_range(0..20), crashes: random.random_range(0..10) };
    let mut world = World::new(arbiter, nodes, expect, faults).with_slow_looks();
    for _ in 0..random.random_range(0..400) {
        let events = world.events();
        if events.is_empty() {
            break;
        }
        world.apply(events[random.random_range(0..events.len())]);
    }
    if let Err(stuck) = world.settle() {
        panic!("seed {seed}: never settles: {stuck:#?}");
    }
}

#[test]
fn random_orders_with_many_faults_settle_in_one_cluster() {
    let first: u64 = rand::rng().random();
    for seed in (first..).take(20_000) {
        let run = std::panic::catch_unwind(|| random_run(seed));
        assert!(run.is_ok(), "replay with seed {seed}");
    }
}

/// The twin of the random test: put the seed it printed here.
#[test]
fn one_seed_replays() {
    random_run(1);
}
