//! Simulation of the whole cluster: real `RaftNode`s over openraft and the plain-file log, a
//! simulated disk, network and clock, all in one thread and out of one seed.
//!
//! The named invariants are asked with every change of a log and every few milliseconds; faults
//! come, then all is healed and must serve. Each seed is played in a process of its own, since
//! libraries count in static variables. `STATEKEEPER_WHOLE_SEED=n cargo test --test whole one_seed
//! -- --exact --nocapture` plays one again and shows the end of its trace when a promise breaks;
//! `STATEKEEPER_WHOLE_TRACE=file` keeps all of it. `STATEKEEPER_WHOLE_SEEDS=n` sets how many the
//! long test plays, `STATEKEEPER_WHOLE_FIRST_SEED=n` with which it begins; `cargo xtask soak` goes
//! on with ever more.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod clients;
mod cluster;
mod disk;
mod faults;
mod invariants;
mod network;
mod panics;
mod play;
#[path = "../sim/random.rs"]
#[allow(dead_code, reason = "the other simulation uses the rest")]
mod random;
mod seeds;
#[allow(unsafe_code, reason = "a C function cannot be defined without it")]
mod surroundings;
mod trace;
mod watch;
mod watched_log;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// Seeds played when nothing is said: about two minutes on two cores.
const SEEDS: u64 = 200;
/// Of so many seeds, one is played twice.
const TWICE_ONE_IN: u64 = 10;
/// From so many seeds on, a fault that never happened is a mistake of the simulation.
const SEEDS_WITH_EVERY_FAULT: u64 = 20;
/// Futures of openraft are large in a build without optimisation.
const STACK_BYTES: usize = 16 * 1024 * 1024;
/// A play takes a second or two of real time; one that takes so long spins without the simulated
/// time going on.
const LIMIT: Duration = Duration::from_secs(120);

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn many_seeds_keep_every_promise() {
    let first = number("STATEKEEPER_WHOLE_FIRST_SEED", 0);
    let count = number("STATEKEEPER_WHOLE_SEEDS", SEEDS);
    let counts = seeds::play_all(first..first + count, TWICE_ONE_IN);
    println!("{counts:?}");
    if count >= SEEDS_WITH_EVERY_FAULT {
        let happened = |name: &str| counts.get(name).is_some_and(|count| *count > 0);
        let missing: Vec<_> = play::must_happen().into_iter().filter(|it| !happened(it)).collect();
        assert!(missing.is_empty(), "these never happened: {missing:?}");
    }
}

#[test]
fn one_seed() {
    let seed = number("STATEKEEPER_WHOLE_SEED", 1);
    panics::note_all();
    let (told, end) = sync_channel(1);
    let player = move || {
        let played = catch_unwind(AssertUnwindSafe(|| play::play(seed)));
        surroundings::let_go();
        // Whoever waits has given up, and ended the process.
        let _ = told.send(played);
    };
    let _player = thread::Builder::new().stack_size(STACK_BYTES).spawn(player).unwrap();
    let broken = match end.recv_timeout(LIMIT) {
        Ok(Ok(report)) => return println!("{}", seeds::line(seed, &report)),
        Ok(Err(_)) => panics::first().unwrap_or_default().replace('\n', " "),
        Err(RecvTimeoutError::Timeout) => format!("Progress: no end within {LIMIT:?}"),
        Err(RecvTimeoutError::Disconnected) => "the player is gone".to_owned(),
    };
    trace::tail().iter().for_each(|line| println!("{line}"));
    println!("{}{broken}", seeds::BROKEN);
    println!("{}", seeds::replay(seed));
    // The player may still be running, and what it holds is not to be dropped in its midst.
    std::process::exit(1);
}

#[test]
fn one_seed_plays_the_same_again() {
    let seed = number("STATEKEEPER_WHOLE_SEED", 1);
    let (first, second) = (seeds::whole_trace(seed), seeds::whole_trace(seed));
    assert!(!first.is_empty());
    let differs = first.lines().zip(second.lines()).find(|(one, other)| one != other);
    assert_eq!(differs, None, "seed {seed} plays otherwise");
    assert_eq!(first, second, "seed {seed} plays otherwise");
}
