//! The judges against a search by definition, on random small histories; against spoilt ones; and
//! against objects that are right, where they must find nothing.

mod definition;
mod simulated;

use rand::rngs::StdRng;
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
            Some(told @ Value::Number(_)) if absent && random.random_bool(0.1) => *told = Value::Null,
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
