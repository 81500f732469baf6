//! What judging costs: a run's history must be judged in a small part of the run's time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use statekeeper_jepsen::check::{Budget, Judgement, Verdict, judge};
use statekeeper_jepsen::history::{Entry, EntryType, Header, History, Process};

struct Load {
    keys: usize,
    operations: usize,
    processes: usize,
    /// In thousandths.
    unknown: u32,
    /// Values are unique, or one of five.
    unique: bool,
}

enum Stage {
    Called,
    Took(Value, bool),
    Lost,
}

/// Registers that are right: half reads, a quarter writes, a quarter compare-and-sets.
fn registers(load: &Load, seed: u64) -> History {
    let mut random = StdRng::seed_from_u64(seed);
    let mut entries = Vec::new();
    let mut process = 0;
    for key in 0..load.keys {
        let mut value = Value::Null;
        let mut next = 0;
        let mut open: Vec<(Entry, Stage)> = Vec::new();
        let mut begun = 0;
        while begun < load.operations || !open.is_empty() {
            if open.len() < load.processes && begun < load.operations && random.random_bool(0.5) {
                process += 1;
                begun += 1;
                let mut fresh = || {
                    next += 1;
                    if load.unique { json!(next) } else { json!(random.random_range(0..5)) }
                };
                let (f, asked) = match begun % 4 {
                    0 => ("write", fresh()),
                    2 => ("cas", json!([value, fresh()])),
                    _ => ("read", Value::Null),
                };
                let mut entry = Entry::new(Process::Client(process), EntryType::Invoke, f);
                entry.key = Some(json!(key));
                entry.value = Some(asked);
                entries.push(entry.clone());
                open.push((entry, Stage::Called));
            } else if !open.is_empty() {
                let at = random.random_range(0..open.len());
                let (entry, stage) = &mut open[at];
                if matches!(stage, Stage::Called) {
                    let lost = random.random_range(0..2000) < load.unknown;
                    *stage = if lost { Stage::Lost } else { take(entry, &mut value) };
                    continue;
                }
                let (mut entry, stage) = open.swap_remove(at);
                let forgotten = random.random_range(0..2000) < load.unknown;
                match stage {
                    Stage::Took(told, matched) if !forgotten => {
                        entry.kind = EntryType::Ok;
                        entry.result = (entry.f == "cas").then(|| json!(matched));
                        entry.value = if entry.f == "read" { Some(told) } else { entry.value };
                    }
                    _ => entry.kind = EntryType::Info,
                }
                entries.push(entry);
            }
        }
    }
    for (at, entry) in entries.iter_mut().enumerate() {
        entry.index = at as u64;
        entry.time = at as u64;
    }
    let header = Header {
        history: 1,
        name: "registers".into(),
        model: "register".into(),
        params: serde_json::Map::new(),
    };
    History { header, entries }
}

fn take(entry: &Entry, value: &mut Value) -> Stage {
    let asked = entry.value.clone().unwrap();
    let matched = entry.f == "cas" && asked[0] == *value;
    if entry.f == "write" {
        *value = asked;
    } else if matched {
        *value = asked[1].clone();
    }
    Stage::Took(value.clone(), matched)
}

fn timed(name: &str, history: &History) -> (Judgement, Duration) {
    let started = Instant::now();
    let judgement = judge(history, &Budget::default());
    let took = started.elapsed();
    println!("{name}: {took:?}, {:?}, {}", judgement.verdict, status("VmHWM"));
    println!("  {:?}", judgement.checkers["register"].counts);
    (judgement, took)
}

fn status(field: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with(field)).unwrap_or_default().to_owned()
}

#[test]
fn many_keys_are_judged_at_once() {
    for unique in [false, true] {
        let load = Load { keys: 100, operations: 1000, processes: 5, unknown: 10, unique };
        let mut history = registers(&load, 1);
        let (judgement, took) = timed("100 x 1000, 5", &history);
        assert_eq!(judgement.verdict, Verdict::Valid);
        assert!(took < Duration::from_secs(3), "{took:?}");

        let read = history
            .entries
            .iter()
            .rposition(|entry| entry.f == "read" && entry.kind == EntryType::Ok);
        history.entries[read.unwrap()].value = Some(json!("nobody wrote this"));
        let (judgement, took) = timed("the same with one wrong read", &history);
        assert_eq!(judgement.verdict, Verdict::Invalid);
        assert!(took < Duration::from_secs(5), "{took:?}");
        let (_, violation) = judgement.violations().next().unwrap();
        // Values that are written again and again keep their writers.
        let lines = violation.shrunken.len();
        assert!(!unique || lines <= 6, "{lines}: {}", violation.what);
    }
}
