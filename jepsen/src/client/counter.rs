//! A counter on one key of a map: reads, and compare-and-sets in a loop, by any client.
//!
//! Invariant: one operation changes the counter at most once. A race that was lost for certain is
//! run again within the time; a try of unknown outcome ends the operation, unknown.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer;
use super::{Client, Op, Outcome};

/// What the key counts as while it is absent.
const INITIAL: i64 = 0;

/// Performs an operation on a counter through the map operations of the same client.
pub(super) async fn perform<C: Client>(client: &mut C, op: &Op, within: Duration) -> Outcome {
    let deadline = Instant::now() + within;
    if op.f == "cas" {
        let numbers = answer::pair(op).map(|(old, new)| (old.as_i64(), new.as_i64()));
        return match numbers {
            Some((Some(old), Some(new))) => {
                exchange(client, op, Step::Cas(old, new), deadline).await
            }
            _ => answer::cannot(op, "the value must be two numbers"),
        };
    }
    let argument = op.value.as_ref().and_then(Value::as_i64);
    match (op.f.as_str(), argument) {
        ("get", _) => match read(client, op, within).await {
            Ok(number) => answer::ok(op, json!(number.unwrap_or(INITIAL))),
            Err(outcome) => outcome,
        },
        ("set", Some(_)) => client.call(&on_map(op, "set", op.value.clone()), within).await,
        ("add-get", Some(number)) => exchange(client, op, Step::AddGet(number), deadline).await,
        ("get-add", Some(number)) => exchange(client, op, Step::GetAdd(number), deadline).await,
        ("get-set", Some(number)) => exchange(client, op, Step::GetSet(number), deadline).await,
        (_, _) => answer::cannot(op, "not an operation of a counter, or without its number"),
    }
}

#[derive(Clone, Copy)]
enum Step {
    AddGet(i64),
    GetAdd(i64),
    GetSet(i64),
    Cas(i64, i64),
}

async fn exchange<C: Client>(client: &mut C, op: &Op, step: Step, deadline: Instant) -> Outcome {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Outcome::Fail { error: "lost every race within the time".to_owned() };
        }
        let before = match read(client, op, left).await {
            Ok(number) => number,
            Err(outcome) => return outcome,
        };
        let old = before.unwrap_or(INITIAL);
        let (new, told) = match step {
            Step::AddGet(number) => (old.wrapping_add(number), json!(old.wrapping_add(number))),
            Step::GetAdd(number) => (old.wrapping_add(number), json!(old)),
            Step::GetSet(number) => (number, json!(old)),
            Step::Cas(expected, _) if expected != old => return answer::ok(op, json!(false)),
            Step::Cas(_, new) => (new, json!(true)),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        match change(client, op, (before, new), left).await {
            Outcome::Ok { result: Some(Value::Bool(false)), .. } => {}
            Outcome::Ok { .. } => return answer::ok(op, told),
            other => return other,
        }
    }
}

async fn read<C: Client>(
    client: &mut C,
    op: &Op,
    within: Duration,
) -> Result<Option<i64>, Outcome> {
    match client.call(&on_map(op, "get", None), within).await {
        Outcome::Ok { value: None | Some(Value::Null), .. } => Ok(None),
        Outcome::Ok { value: Some(value), .. } => match value.as_i64() {
            Some(number) => Ok(Some(number)),
            None => Err(Outcome::Violation { error: format!("a counter at {value}") }),
        },
        other => Err(other),
    }
}

/// One compare-and-set; `None` expects the absent value.
async fn change<C: Client>(
    client: &mut C,
    op: &Op,
    (old, new): (Option<i64>, i64),
    within: Duration,
) -> Outcome {
    client.call(&on_map(op, "cas", Some(json!([old, new]))), within).await
}

fn on_map(op: &Op, f: &str, value: Option<Value>) -> Op {
    let (object, name, key) = ("map".to_owned(), op.name.clone(), op.key.clone());
    Op { object, name, f: f.to_owned(), key, value, ttl: None }
}
