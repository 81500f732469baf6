//! The judges against a search by definition, on random small histories; against spoilt ones; and
//! against objects that are right, where they must find nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod definition;
mod simulated;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use statekeeper_jepsen::check::{Budget, Verdict, judge};
use statekeeper_jepsen::history::{EntryType, History};

use definition::linearizable;
use simulated::{Plan, history};

fn plan(model: &'static str, params: Value) -> Plan {
    Plan { model, params, processes: 3, operations: 7, unknown: 12, refused: 5 }
}

fn plans() -> Vec<Plan> {
    vec![
        plan("register", json!({})),
        plan("map", json!({})),
        plan("set", json!({})),
        plan("counter", json!({})),
        plan("lock", json!({"fenced": true, "max-holds": 2})),
        plan("lock", json!({"fenced": true})),
        plan("lock", json!({"max-holds": 2})),
        plan("semaphore", json!({"permits": 2})),
    ]
}

/// One thread: the tests run beside each other.
fn budget() -> Budget {
    Budget { threads: 1, ..Budget::default() }
}

fn verdict(history: &History) -> Verdict {
    judge(history, &budget()).verdict
}

fn expect_same(history: &History, seed: u64) -> bool {
    let valid = linearizable(history);
    let expected = if valid { Verdict::Valid } else { Verdict::Invalid };
    let found = verdict(history);
    assert!(found == expected, "seed {seed}: {found:?}, not {expected:?}: {}", text(history));
    valid
}

fn text(history: &History) -> String {
    let lines = history.entries.iter().map(|entry| serde_json::to_string(entry).unwrap());
    format!("{:?}\n{}", history.header, lines.collect::<Vec<_>>().join("\n"))
}

/// Tells something else at one or two places, or nothing.
fn disturb(history: &mut History, random: &mut StdRng) {
    // A lock that tells `null` tells nothing.
    let absent = history.header.model != "lock";
    for _ in 0..random.random_range(1..3) {
        let at = random.random_range(0..history.entries.len());
        let entry = &mut history.entries[at];
        if entry.kind != EntryType::Ok {
            continue;
        }
        let number = json!(random.random_range(0..5));
        let field = if matches!(entry.f.as_str(), "read" | "get") {
            &mut entry.value
        } else {
            &mut entry.result
        };
        match field {
            Some(Value::Bool(told)) => *told = !*told,
            Some(Value::Array(told)) if !told.is_empty() => drop(told.pop()),
            Some(Value::Array(told)) => told.push(number),
            Some(Value::Object(told)) => drop(told.insert("a".to_owned(), number)),
            Some(told @ Value::Number(_)) if absent && random.random_bool(0.1) => {
                *told = Value::Null
            }
            Some(told) => *told = number,
            None => {}
        }
    }
}

#[test]
fn random_small_histories_are_judged_as_by_definition() {
    let plans = plans();
    let (mut valid, mut invalid) = (0, 0);
    for seed in 0..10_000u64 {
        let plan = &plans[seed as usize % plans.len()];
        let mut history = history(plan, seed);
        let mut random = StdRng::seed_from_u64(seed);
        if random.random_bool(0.8) && !history.entries.is_empty() {
            disturb(&mut history, &mut random);
        }
        if expect_same(&history, seed) { valid += 1 } else { invalid += 1 }
    }
    assert!(valid > 2_000 && invalid > 2_000, "{valid} valid, {invalid} invalid");
}

#[test]
fn an_object_that_is_right_is_never_accused() {
    let plans = plans();
    for seed in 0..1_000u64 {
        let mut plan = plans[seed as usize % plans.len()].clone();
        plan.processes = 2 + seed as usize % 4;
        // Tokens of the definition end at twelve.
        plan.operations = if plan.params["fenced"] == true { 20 } else { 60 };
        plan.unknown = [0, 3, 10][seed as usize % 3];
        let history = history(&plan, seed);
        let judgement = judge(&history, &budget());
        let told = serde_json::to_string_pretty(&judgement).unwrap();
        assert_eq!(judgement.verdict, Verdict::Valid, "seed {seed}: {told}\n{}", text(&history));
    }
}

/// Exchanges what two operations of one kind told.
fn swap_told(history: &mut History, random: &mut StdRng) -> bool {
    let told = |at: &usize| {
        let entry = &history.entries[*at];
        entry.kind == EntryType::Ok && (entry.result.is_some() || entry.f == "read")
    };
    let all: Vec<usize> = (0..history.entries.len()).filter(told).collect();
    let Some(&one) = all.choose(random) else { return false };
    let like = |at: &&usize| {
        let (entry, one) = (&history.entries[**at], &history.entries[one]);
        entry.f == one.f && (&entry.result, &entry.value) != (&one.result, &one.value)
    };
    let others: Vec<usize> = all.iter().filter(like).copied().collect();
    let Some(&other) = others.choose(random) else { return false };
    let (first, second) = (history.entries[one].clone(), history.entries[other].clone());
    let reads = matches!(first.f.as_str(), "read" | "get");
    history.entries[one].result = second.result;
    history.entries[other].result = first.result;
    if reads {
        history.entries[one].value = second.value;
        history.entries[other].value = first.value;
    }
    true
}

/// Takes an acknowledged change out of the history: what it did is there, but nobody did it.
fn drop_change(history: &mut History, random: &mut StdRng) -> bool {
    let changes = ["write", "add", "put", "set", "add-get", "acquire", "put-all"];
    let change = |at: &usize| {
        let entry = &history.entries[*at];
        entry.kind == EntryType::Ok && changes.contains(&entry.f.as_str())
    };
    let all: Vec<usize> = (0..history.entries.len()).filter(change).collect();
    let Some(&at) = all.choose(random) else { return false };
    let process = history.entries[at].process.clone();
    let call = (0..at).rev().find(|call| history.entries[*call].process == process).unwrap();
    history.entries.remove(at);
    history.entries.remove(call);
    true
}

/// Lets an operation return before another begins that ran beside it.
fn return_early(history: &mut History, random: &mut StdRng) -> bool {
    let returns = |at: &usize| history.entries[*at].kind == EntryType::Ok;
    let all: Vec<usize> = (0..history.entries.len()).filter(returns).collect();
    let Some(&at) = all.choose(random) else { return false };
    let process = history.entries[at].process.clone();
    let call = (0..at).rev().find(|call| history.entries[*call].process == process).unwrap();
    if call + 1 == at {
        return false;
    }
    let entry = history.entries.remove(at);
    history.entries.insert(call + 1, entry);
    true
}

#[test]
fn spoilt_histories_are_found_or_valid_by_definition() {
    type Spoil = fn(&mut History, &mut StdRng) -> bool;
    let spoils: [(&str, Spoil, u32); 3] = [
        ("swap_told", swap_told, 60),
        ("drop_change", drop_change, 40),
        ("return_early", return_early, 5),
    ];
    let plans: Vec<Plan> = plans().into_iter().take(5).collect();
    for (name, spoil, percent) in spoils {
        let (mut spoilt, mut found) = (0, 0);
        for seed in 0..600 {
            let plan = &plans[seed as usize % plans.len()];
            let mut history = history(plan, seed);
            let before = history.clone();
            let mut random = StdRng::seed_from_u64(seed);
            if !spoil(&mut history, &mut random) || history == before {
                continue;
            }
            history = simulated::finish(plan.model, history.header.params, history.entries);
            spoilt += 1;
            found += u32::from(!expect_same(&history, seed));
        }
        println!("{name}: {found} of {spoilt} found, the others are valid by definition");
        let enough = found * 100 > spoilt * percent;
        assert!(spoilt > 100 && enough, "{name}: {found} of {spoilt}");
    }
}
