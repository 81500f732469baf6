//! Linearizability by definition: every order that real time allows, tried one after another on
//! objects written down a second time. Slow, without memory, and without any of the shortcuts of
//! the search that it is to check.

use serde_json::{Map, Value, json};
use statekeeper_jepsen::history::{Entry, EntryType, History, Process};

/// One operation.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) f: String,
    pub(crate) key: Value,
    pub(crate) value: Value,
    pub(crate) client: Value,
}

/// What may become of an operation in a state: the next state and what it tells. Empty: it cannot
/// happen now. More than one: the object is free to choose.
pub(crate) fn outcomes(
    model: &str,
    params: &Map<String, Value>,
    state: &Value,
    act: &Act,
) -> Vec<(Value, Value)> {
    match model {
        "register" => register(state, act),
        "counter" => counter(state, act),
        "map" => map(state, act),
        "set" => set(state, act),
        "lock" => lock(params, state, act),
        "semaphore" => semaphore(params, state, act),
        other => panic!("no model {other}"),
    }
}

/// The state at the beginning.
pub(crate) fn initial(model: &str) -> Value {
    match model {
        "register" => Value::Null,
        "counter" => json!(0),
        "map" => json!({}),
        "set" => json!([]),
        "lock" => json!({"owner": null, "holds": 0, "token": 0}),
        "semaphore" => json!({}),
        other => panic!("no model {other}"),
    }
}

fn register(state: &Value, act: &Act) -> Vec<(Value, Value)> {
    let next = match act.f.as_str() {
        "read" => (state.clone(), state.clone()),
        "write" => (act.value.clone(), Value::Null),
        "cas" if act.value[0] == *state => (act.value[1].clone(), json!(true)),
        "cas" => (state.clone(), json!(false)),
        other => panic!("{other}"),
    };
    vec![next]
}

fn counter(state: &Value, act: &Act) -> Vec<(Value, Value)> {
    let (now, value) = (state.as_i64().unwrap(), act.value.as_i64().unwrap_or(0));
    let next = match act.f.as_str() {
        "get" => (now, json!(now)),
        "set" => (value, Value::Null),
        "add-get" => (now + value, json!(now + value)),
        "get-add" => (now + value, json!(now)),
        "get-set" => (value, json!(now)),
        "cas" if act.value[0] == *state => (act.value[1].as_i64().unwrap(), json!(true)),
        "cas" => (now, json!(false)),
        other => panic!("{other}"),
    };
    vec![(json!(next.0), next.1)]
}

fn map(state: &Value, act: &Act) -> Vec<(Value, Value)> {
    let mut next = state.as_object().unwrap().clone();
    let key = act.key.as_str().unwrap_or_default().to_owned();
    let old = next.get(&key).cloned().unwrap_or(Value::Null);
    let told = match act.f.as_str() {
        "get" => old,
        "contains" => json!(!old.is_null()),
        "put" | "set" => {
            next.insert(key, act.value.clone());
            if act.f == "put" { old } else { Value::Null }
        }
        "put-if-absent" => {
            next.entry(key).or_insert(act.value.clone());
            old
        }
        "replace" => {
            if !old.is_null() {
                next.insert(key, act.value.clone());
            }
            old
        }
        "replace-if" => {
            let matches = !old.is_null() && old == act.value[0];
            if matches {
                next.insert(key, act.value[1].clone());
            }
            json!(matches)
        }
        "remove" => {
            next.remove(&key);
            old
        }
        "delete" => {
            next.remove(&key);
            Value::Null
        }
        "remove-if" => {
            let matches = !old.is_null() && old == act.value;
            if matches {
                next.remove(&key);
            }
            json!(matches)
        }
        "size" => json!(next.len()),
        "is-empty" => json!(next.is_empty()),
        "keys" => Value::from(next.keys().cloned().collect::<Vec<_>>()),
        "entries" => Value::Object(next.clone()),
        "clear" => {
            next.clear();
            Value::Null
        }
        "put-all" => {
            next.extend(act.value.as_object().unwrap().clone());
            Value::Null
        }
        "get-all" => {
            let asked = act.value.as_array().unwrap().iter().filter_map(Value::as_str);
            let found = asked.filter_map(|key| Some((key.to_owned(), next.get(key)?.clone())));
            Value::Object(found.collect())
        }
        other => panic!("{other}"),
    };
    vec![(Value::Object(next), told)]
}

fn set(state: &Value, act: &Act) -> Vec<(Value, Value)> {
    let mut next = state.as_array().unwrap().clone();
    let there = next.contains(&act.value);
    let told = match act.f.as_str() {
        "add" => {
            if !there {
                next.push(act.value.clone());
                next.sort_by_key(Value::to_string);
            }
            json!(!there)
        }
        "remove" => {
            next.retain(|element| *element != act.value);
            json!(there)
        }
        "contains" => json!(there),
        "read" => Value::from(next.clone()),
        "size" => json!(next.len()),
        "is-empty" => json!(next.is_empty()),
        "clear" => {
            next.clear();
            Value::Null
        }
        other => panic!("{other}"),
    };
    vec![(Value::from(next), told)]
}

/// Tokens that an object may choose from; small histories tell smaller ones.
const TOKENS: i64 = 12;

fn lock(params: &Map<String, Value>, state: &Value, act: &Act) -> Vec<(Value, Value)> {
    let limit = params.get("max-holds").map_or(1, |limit| limit.as_i64().unwrap());
    let fenced = params.get("fenced").is_some_and(|fenced| fenced.as_bool().unwrap());
    let (owner, holds) = (&state["owner"], state["holds"].as_i64().unwrap());
    let token = state["token"].as_i64().unwrap();
    let mine = *owner == act.client;
    let same = |told: Value| vec![(state.clone(), told)];
    match act.f.as_str() {
        "acquire" | "try-acquire" if owner.is_null() => {
            let tokens = if fenced { token + 1..=TOKENS } else { 0..=0 };
            let held = |token: i64| json!({"owner": act.client, "holds": 1, "token": token});
            let told = |token: i64| if fenced { json!(token) } else { json!(true) };
            tokens.map(|token| (held(token), told(token))).collect()
        }
        "acquire" | "try-acquire" if mine && holds < limit => {
            let next = json!({"owner": owner, "holds": holds + 1, "token": token});
            vec![(next, if fenced { json!(token) } else { json!(true) })]
        }
        "try-acquire" => same(if fenced { json!(0) } else { json!(false) }),
        "acquire" => Vec::new(),
        "release" if mine => {
            let owner = if holds == 1 { &Value::Null } else { owner };
            vec![(json!({"owner": owner, "holds": holds - 1, "token": token}), Value::Null)]
        }
        "release" => Vec::new(),
        "expire" if mine => {
            vec![(json!({"owner": null, "holds": 0, "token": token}), Value::Null)]
        }
        "expire" => same(Value::Null),
        "is-locked" => same(json!(!owner.is_null())),
        "lock-count" => same(json!(holds)),
        "get-fence" => same(json!(if owner.is_null() { 0 } else { token })),
        other => panic!("{other}"),
    }
}

fn semaphore(params: &Map<String, Value>, state: &Value, act: &Act) -> Vec<(Value, Value)> {
    let mut next = state.as_object().unwrap().clone();
    let client = act.client.to_string();
    let taken: i64 = next.values().map(|held| held.as_i64().unwrap()).sum();
    let free = params["permits"].as_i64().unwrap() - taken;
    let mine = next.get(&client).map_or(0, |held| held.as_i64().unwrap());
    let asked = act.value.as_i64().unwrap_or(1);
    let told = match act.f.as_str() {
        "acquire" if free < asked => return Vec::new(),
        "release" if mine < asked => return Vec::new(),
        "try-acquire" if free < asked => json!(false),
        "acquire" | "try-acquire" => {
            next.insert(client, json!(mine + asked));
            json!(true)
        }
        "release" => {
            next.insert(client, json!(mine - asked));
            Value::Null
        }
        "expire" => {
            next.remove(&client);
            Value::Null
        }
        "available" => json!(free),
        other => panic!("{other}"),
    };
    vec![(Value::Object(next), told)]
}

/// Whether one atomic object could have answered so; for small histories.
pub(crate) fn linearizable(history: &History) -> bool {
    let mut calls: Vec<Call> = Vec::new();
    for (at, entry) in history.entries.iter().enumerate() {
        let Process::Client(process) = entry.process else { continue };
        if entry.kind == EntryType::Invoke {
            let act = act(entry);
            calls.push(Call { process, act, begun: at, ended: None, told: None, happened: true });
            continue;
        }
        let call = calls.iter_mut().rev().find(|call| call.process == process).unwrap();
        match entry.kind {
            EntryType::Ok => {
                call.ended = Some(at);
                call.told = told(entry);
            }
            EntryType::Fail => call.happened = false,
            EntryType::Info | EntryType::Invoke | EntryType::Event => {}
        }
    }
    calls.retain(|call| call.happened);
    let header = &history.header;
    let mut placed = vec![false; calls.len()];
    explore(&header.model, &header.params, &initial(&header.model), &calls, &mut placed)
}

struct Call {
    process: u64,
    act: Act,
    begun: usize,
    ended: Option<usize>,
    told: Option<Value>,
    happened: bool,
}

fn act(entry: &Entry) -> Act {
    let process = serde_json::to_value(&entry.process).unwrap();
    Act {
        f: entry.f.clone(),
        key: entry.key.clone().unwrap_or(Value::Null),
        value: entry.value.clone().unwrap_or(Value::Null),
        client: entry.client.clone().unwrap_or(process),
    }
}

fn told(entry: &Entry) -> Option<Value> {
    match entry.f.as_str() {
        "read" | "get" => entry.result.clone().or(entry.value.clone()),
        _ => entry.result.clone(),
    }
}

fn explore(
    model: &str,
    params: &Map<String, Value>,
    state: &Value,
    calls: &[Call],
    placed: &mut Vec<bool>,
) -> bool {
    let left = |placed: &[bool]| (0..calls.len()).filter(|at| !placed[*at]).collect::<Vec<_>>();
    let open = left(placed);
    let must: Vec<usize> = open.iter().filter_map(|at| calls[*at].ended).collect();
    let Some(first) = must.iter().min() else { return true };
    for at in open.into_iter().filter(|at| calls[*at].begun < *first) {
        for (next, told) in outcomes(model, params, state, &calls[at].act) {
            let call = &calls[at];
            let silent = call.told.is_none() || (told.is_null() && tells_nothing(&call.act.f));
            if silent || call.told.as_ref() == Some(&told) {
                placed[at] = true;
                let found = explore(model, params, &next, calls, placed);
                placed[at] = false;
                if found {
                    return true;
                }
            }
        }
    }
    false
}

/// Operations that tell nothing when they succeed.
pub(crate) fn tells_nothing(f: &str) -> bool {
    matches!(f, "write" | "set" | "delete" | "clear" | "put-all" | "release" | "expire")
}
