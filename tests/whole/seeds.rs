//! Many seeds, each played by a process of its own, as many at a time as there are processors.

use std::collections::BTreeMap;
use std::ops::Range;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use parking_lot::Mutex;

use crate::play::Report;

/// Begins the line of a play that kept every promise.
const PLAYED: &str = "played: ";
/// Begins the line that says which promise was broken.
pub(crate) const BROKEN: &str = "broken: ";

/// The line by which a process tells of its play.
pub(crate) fn line(seed: u64, report: &Report) -> String {
    let Report { fingerprint, lines, counts } = report;
    let counts: Vec<_> = counts.iter().map(|(name, count)| format!("{name}={count}")).collect();
    format!("{PLAYED}{seed} {fingerprint:016x} {lines} {}", counts.join(" "))
}

/// The line that says how a seed is played again.
pub(crate) fn replay(seed: u64) -> String {
    format!(
        "replay: STATEKEEPER_WHOLE_SEED={seed} cargo test --test whole one_seed -- --exact \
         --nocapture"
    )
}

fn play(seed: u64, trace: Option<&std::path::Path>) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["one_seed", "--exact", "--nocapture"]);
    command.env("STATEKEEPER_WHOLE_SEED", seed.to_string());
    if let Some(trace) = trace {
        command.env("STATEKEEPER_WHOLE_TRACE", trace);
    }
    command.output().unwrap()
}

/// The line that a process tells of its play, or its whole output when a promise was broken.
fn played(seed: u64) -> Result<String, String> {
    let output = play(seed, None);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| Some(&line[line.find(PLAYED)?..]));
    match line {
        Some(line) if output.status.success() => Ok(line.to_owned()),
        _ => Err(text + &String::from_utf8_lossy(&output.stderr)),
    }
}

/// Plays all seeds and panics with the first ones that break a promise; the sums of their counts.
pub(crate) fn play_all(seeds: Range<u64>, twice_one_in: u64) -> BTreeMap<String, u64> {
    let next = AtomicU64::new(seeds.start);
    let (sums, broken) = (Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    let worker = || {
        while broken.lock().is_empty() {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= seeds.end {
                return;
            }
            match played(seed) {
                Ok(line) => {
                    if seed.is_multiple_of(twice_one_in) && played(seed).as_ref() != Ok(&line) {
                        let otherwise = format!("seed {seed} plays otherwise the second time");
                        broken.lock().push(format!("{otherwise}\n{}", replay(seed)));
                    }
                    add(&mut sums.lock(), &line);
                }
                Err(output) => broken.lock().push(format!("seed {seed}:\n{output}")),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(worker);
        }
    });
    let broken = broken.into_inner();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    sums.into_inner()
}

fn add(sums: &mut BTreeMap<String, u64>, line: &str) {
    for pair in line.split(' ') {
        if let Some((name, count)) = pair.split_once('=') {
            *sums.entry(name.to_owned()).or_default() += count.parse::<u64>().unwrap();
        }
    }
}

/// The whole trace of a play.
pub(crate) fn whole_trace(seed: u64) -> String {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("trace");
    let output = play(seed, Some(&path));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    std::fs::read_to_string(path).unwrap()
}
