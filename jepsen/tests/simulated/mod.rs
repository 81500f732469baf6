//! Histories of objects that are atomic: operations take effect at one moment between their call
//! and their return, answers get lost, requests get lost or arrive late.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};
use statekeeper_jepsen::history::{Entry, EntryType, Header, History, Process};

use super::definition::{Act, initial, outcomes, tells_nothing};

/// What to simulate.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) model: &'static str,
    pub(crate) params: Value,
    pub(crate) processes: usize,
    pub(crate) operations: usize,
    /// Share of operations of which the client learns nothing, in percent.
    pub(crate) unknown: u32,
    /// Share of operations that are refused, in percent.
    pub(crate) refused: u32,
}

struct Open {
    process: u64,
    act: Act,
    effect: Effect,
    /// The client still waits.
    waits: bool,
}

enum Effect {
    Coming,
    Took(Value),
    Never,
}

/// A history of an object that is right.
pub(crate) fn history(plan: &Plan, seed: u64) -> History {
    let params = plan.params.as_object().unwrap().clone();
    let mut random = StdRng::seed_from_u64(seed);
    let mut state = initial(plan.model);
    let mut open: Vec<Open> = Vec::new();
    let mut entries: Vec<Entry> = Vec::new();
    let mut idle: Vec<u64> = (0..plan.processes as u64).collect();
    let (mut fresh, mut begun) = (plan.processes as u64, 0);
    for _ in 0..plan.operations * 60 {
        match random.random_range(0..3) {
            0 if begun < plan.operations && !idle.is_empty() => {
                let process = idle.swap_remove(random.random_range(0..idle.len()));
                let mut act = act(plan.model, process % plan.processes as u64, &mut random);
                if act.f == "get-fence" && params.get("fenced").is_none() {
                    // Without fences there is nothing to ask.
                    act.f = "lock-count".to_owned();
                }
                entries.push(line(process, EntryType::Invoke, &act));
                open.push(Open { process, act, effect: Effect::Coming, waits: true });
                begun += 1;
            }
            1 => {
                let coming = |one: &&mut Open| matches!(one.effect, Effect::Coming);
                let mut ready: Vec<_> = open.iter_mut().filter(coming).collect();
                if ready.is_empty() {
                    continue;
                }
                let at = random.random_range(0..ready.len());
                let one = &mut ready[at];
                let next = outcomes(plan.model, &params, &state, &one.act);
                if let Some((next, told)) = choose(next, &mut random) {
                    state = next;
                    one.effect = Effect::Took(told);
                }
            }
            _ if !open.is_empty() => {
                let at = random.random_range(0..open.len());
                end(plan, at, &mut open, &mut entries, &mut random, (&mut idle, &mut fresh));
            }
            _ => {}
        }
        if begun == plan.operations && open.iter().all(|one| !one.waits) {
            break;
        }
    }
    finish(plan.model, params, entries)
}

/// Ends the wait of a client, one way or another.
fn end(
    plan: &Plan,
    at: usize,
    open: &mut Vec<Open>,
    entries: &mut Vec<Entry>,
    random: &mut StdRng,
    (idle, fresh): (&mut Vec<u64>, &mut u64),
) {
    let one = &mut open[at];
    let chance = random.random_range(0..100);
    let never_ends = one.act.f == "expire";
    if one.waits && (never_ends || chance < plan.unknown) {
        entries.push(line(one.process, EntryType::Info, &one.act));
        one.waits = false;
        // Lost on the way, or still to arrive.
        if matches!(one.effect, Effect::Coming) && random.random_bool(0.5) {
            one.effect = Effect::Never;
        }
        // The owner of the lock goes on under a new number.
        let step = plan.processes as u64;
        *fresh += step - *fresh % step + one.process % step;
        idle.push(*fresh);
        *fresh += 1;
        return;
    }
    match &one.effect {
        Effect::Took(told) if one.waits => {
            let mut line = line(one.process, EntryType::Ok, &one.act);
            if matches!(one.act.f.as_str(), "read" | "get") {
                line.value = Some(told.clone());
            } else if !tells_nothing(&one.act.f) {
                line.result = Some(told.clone());
            }
            entries.push(line);
            idle.push(one.process);
            open.swap_remove(at);
        }
        Effect::Coming if one.waits && chance < plan.unknown + plan.refused => {
            entries.push(line(one.process, EntryType::Fail, &one.act));
            idle.push(one.process);
            open.swap_remove(at);
        }
        Effect::Took(_) | Effect::Coming | Effect::Never => {}
    }
}

fn choose(mut from: Vec<(Value, Value)>, random: &mut StdRng) -> Option<(Value, Value)> {
    // Tokens: mostly the next, so that they do not run out.
    let most = from.len().min(2);
    (most > 0).then(|| from.swap_remove(random.random_range(0..most)))
}

/// Sets indexes and times.
pub(crate) fn finish(model: &str, params: Map<String, Value>, mut entries: Vec<Entry>) -> History {
    for (at, entry) in entries.iter_mut().enumerate() {
        entry.index = at as u64;
        entry.time = at as u64 * 1_000_000;
    }
    let header = Header { history: 1, name: "simulated".into(), model: model.into(), params };
    History { header, entries }
}

/// A line of an operation.
pub(crate) fn line(process: u64, kind: EntryType, act: &Act) -> Entry {
    let mut line = Entry::new(Process::Client(process), kind, &act.f);
    let given = |value: &Value| (!value.is_null()).then(|| value.clone());
    line.key = given(&act.key);
    line.value = given(&act.value);
    line.client = given(&act.client);
    line
}

/// An operation of a workload: few values and keys, so that they meet.
pub(crate) fn act(model: &str, owner: u64, random: &mut StdRng) -> Act {
    let value = |random: &mut StdRng| json!(random.random_range(1..4));
    let of = |names: &[&str], random: &mut StdRng| (*names.choose(random).unwrap()).to_owned();
    let mut act =
        Act { f: String::new(), key: json!("k"), value: Value::Null, client: Value::Null };
    match model {
        "register" => {
            act.f = of(&["read", "read", "write", "cas"], random);
            act.value = match act.f.as_str() {
                "write" => value(random),
                "cas" => json!([value(random), value(random)]),
                _ => Value::Null,
            };
        }
        "counter" => {
            act.f = of(&["get", "set", "add-get", "get-add", "get-set", "cas"], random);
            act.value = match act.f.as_str() {
                "get" => Value::Null,
                "cas" => json!([value(random), value(random)]),
                _ => value(random),
            };
        }
        "map" => {
            act.f = of(&MAP, random);
            act.key = json!(of(&["a", "b"], random));
            act.value = match act.f.as_str() {
                "put" | "set" | "put-if-absent" | "replace" | "remove-if" => value(random),
                "replace-if" => json!([value(random), value(random)]),
                "get-all" => json!(["a", "b"]),
                "put-all" => json!({"a": value(random), "b": value(random)}),
                _ => Value::Null,
            };
            if matches!(act.f.as_str(), "size" | "is-empty" | "keys" | "entries" | "clear") {
                act.key = Value::Null;
            }
        }
        "set" => {
            act.f = of(&["add", "add", "remove", "contains", "read", "size", "clear"], random);
            if matches!(act.f.as_str(), "add" | "remove" | "contains") {
                act.value = value(random);
            }
        }
        "lock" => {
            act.f = of(&LOCK, random);
            act.client = json!(format!("c{owner}"));
        }
        "semaphore" => {
            act.f = of(&["acquire", "try-acquire", "release", "release", "available"], random);
            act.client = json!(format!("c{owner}"));
        }
        other => panic!("no model {other}"),
    }
    act
}

const MAP: [&str; 16] = [
    "get",
    "put",
    "set",
    "put-if-absent",
    "replace",
    "replace-if",
    "remove",
    "remove-if",
    "delete",
    "contains",
    "size",
    "keys",
    "entries",
    "get-all",
    "put-all",
    "clear",
];
const LOCK: [&str; 9] = [
    "acquire",
    "acquire",
    "try-acquire",
    "try-acquire",
    "release",
    "release",
    "expire",
    "is-locked",
    "get-fence",
];
