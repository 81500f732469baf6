//! What an answer means in the words of the history: the same for every way to the cluster.

use serde_json::Value;

use super::{Op, Outcome};

/// An operation that happened and answered this.
///
/// A `read` or a `get` tells its answer as `value` and as `result`: models of registers look at
/// the one, models of maps at the other. Changes without an answer of their own tell nothing.
pub(super) fn ok(op: &Op, answer: Value) -> Outcome {
    match op.f.as_str() {
        "get" | "read" => Outcome::Ok { value: Some(answer.clone()), result: Some(answer) },
        "write" | "set" | "delete" | "clear" | "put-all" | "release" => silent(),
        _ => Outcome::Ok { value: None, result: Some(answer) },
    }
}

/// An operation that happened and told nothing.
pub(super) fn silent() -> Outcome {
    Outcome::Ok { value: None, result: None }
}

/// Why a client cannot do what a generator asks: a mistake of the plan, and nothing was sent.
pub(super) fn cannot(op: &Op, why: &str) -> Outcome {
    Outcome::Fail { error: format!("not sent: {} {}: {why}", op.object, op.f) }
}

/// The two values of a compare-and-set.
pub(super) fn pair(op: &Op) -> Option<(&Value, &Value)> {
    match op.value.as_ref()?.as_array()?.as_slice() {
        [old, new] => Some((old, new)),
        _ => None,
    }
}

/// The key of an operation that needs one.
pub(super) fn key(op: &Op) -> &Value {
    op.key.as_ref().unwrap_or(&Value::Null)
}

/// The argument of an operation that needs one.
pub(super) fn value(op: &Op) -> &Value {
    op.value.as_ref().unwrap_or(&Value::Null)
}

/// A key as it stands in the object of `entries`, `get-all` and `put-all`.
pub(super) fn key_text(key: &Value) -> String {
    match key {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
