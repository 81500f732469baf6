//! Every operation once, with the answer that every client must give: `exercise.jsonl`, one step a
//! line. What it finds is a mistake of a client, of a driver, or of the server.
//!
//! A step has the fields of an operation, and one expectation: `ok` (the answer), `silent` (done,
//! nothing told), `fail`, `becomes` (a read that answers so within seconds), `ids` (so many, all
//! new) or `fence` (`new`, or the `same` as before). Under the name of a client stands what differs
//! for it: `none`, it does not have the operation; `silent`, it does not tell; `skip`, it has not
//! done what came before.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{Client, Op, Outcome};

const STEPS: &str = include_str!("exercise.jsonl");
/// Each step by itself is quick.
const WITHIN: Duration = Duration::from_secs(10);
/// What is to become true becomes true within this time.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What earlier steps left behind.
#[derive(Default)]
struct Past {
    ids: BTreeSet<i64>,
    fence: i64,
}

/// Runs all steps and tells each answer that is not the expected one.
///
/// `kind` is the name under which a step may say that it differs; `suffix` makes the names of the
/// objects, which must be new.
pub async fn run(client: &mut dyn Client, kind: &str, suffix: &str) -> Vec<String> {
    let mut past = Past::default();
    let mut differences = Vec::new();
    for (index, line) in STEPS.lines().enumerate() {
        let told = match serde_json::from_str::<Value>(line) {
            Ok(step) => run_step(client, &step, (kind, suffix), &mut past).await,
            Err(error) => Err(error.to_string()),
        };
        if let Err(difference) = told {
            differences.push(format!("{kind}, step {}: {line}: {difference}", index + 1));
        }
    }
    differences
}

async fn run_step(
    client: &mut dyn Client,
    step: &Value,
    (kind, suffix): (&str, &str),
    past: &mut Past,
) -> Result<(), String> {
    let mut fields = step.clone();
    fields["name"] = format!("exercise-{suffix}").into();
    let mut op: Op = serde_json::from_value(fields).map_err(|error| error.to_string())?;
    // A null that is written is an argument; serde makes it the missing one, and no step has it.
    op.value = step.get("value").cloned();
    let differs = step[kind].as_str();
    if differs == Some("skip") {
        return Ok(());
    }
    if let Some(wanted) = step.get("becomes").filter(|_| differs.is_none()) {
        return becomes(client, &op, wanted).await;
    }
    let outcome = client.call(&op, WITHIN).await;
    if differs == Some("none") || step["fail"] == true {
        return expect(matches!(outcome, Outcome::Fail { .. }), &outcome);
    }
    let Outcome::Ok { value, result } = &outcome else { return expect(false, &outcome) };
    if differs == Some("silent") || step["silent"] == true {
        return expect(value.is_none() && result.is_none(), &outcome);
    }
    if let Some(count) = step["ids"].as_u64() {
        let ids = result.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
        let fresh = ids.iter().filter_map(Value::as_i64).filter(|id| past.ids.insert(*id)).count();
        return expect(ids.len() as u64 == count && fresh == ids.len(), &outcome);
    }
    if let Some(wanted) = step["fence"].as_str() {
        let Some(fence) = result.as_ref().and_then(Value::as_i64) else {
            // The Python client tells whether, and tells the fence where it has one.
            return expect(false, &outcome);
        };
        let good = if wanted == "new" { fence > past.fence } else { fence == past.fence };
        past.fence = fence;
        return expect(good, &outcome);
    }
    let wanted = step.get("ok").ok_or("a step that expects nothing")?;
    let told = result.clone().map(sorted);
    let both = value.is_none() || value == result;
    expect(both && told.as_ref() == Some(wanted), &outcome)
}

async fn becomes(client: &mut dyn Client, op: &Op, wanted: &Value) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let outcome = client.call(op, WITHIN).await;
        if matches!(&outcome, Outcome::Ok { result: Some(told), .. } if told == wanted) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return expect(false, &outcome);
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

fn expect(good: bool, outcome: &Outcome) -> Result<(), String> {
    if good { Ok(()) } else { Err(format!("{outcome:?}")) }
}

/// Lists of keys and items have no order: texts first, as in the steps.
fn sorted(told: Value) -> Value {
    match told {
        Value::Array(mut items) => {
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        other => other,
    }
}
