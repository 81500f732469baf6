//! Making a violation small: what comes after it goes first, then operations, while it still is a
//! violation.
//!
//! Only operations whose absence cannot itself be a violation are left out: a value that is read
//! keeps its writer, a release keeps its acquire.

use std::collections::HashMap;

use serde_json::Value;

use super::operation::Operation;
use super::wgl::Limits;

/// What may be left out beside operations that change nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Everything else stays.
    Changes,
    /// Changes go when nobody mentions their values.
    Mentioned,
    /// All operations of one client go together.
    Clients,
    /// Nothing is left out but what comes after the violation.
    All,
}

/// The operations that are kept; `line` is where the violation shows. `invalid` tells whether some
/// operations are a violation, and the steps that took.
pub(crate) fn shrink<'a>(
    operations: &[Operation<'a>],
    line: usize,
    keep: Keep,
    limits: Limits,
    invalid: impl Fn(&[Operation<'a>], Limits) -> (bool, u64),
) -> Vec<Operation<'a>> {
    let mut shrinking = Shrinking { left: STEPS_MAX, limits, invalid };
    let mut kept = operations.to_vec();
    let cut = cut(operations, line);
    if shrinking.still(&cut) {
        kept = cut;
    }
    if keep == Keep::All {
        return kept;
    }
    shrinking.drop_some(&mut kept, |_, operation| changes_nothing(operation));
    match keep {
        Keep::Changes | Keep::All => {}
        Keep::Mentioned => {
            // Each that goes may free the one it mentioned.
            while shrinking.drop_some(&mut kept, |all, operation| unmentioned(all, operation)) {}
        }
        Keep::Clients => {
            let mut clients: Vec<String> = kept.iter().map(Operation::client).collect();
            clients.sort_unstable();
            clients.dedup();
            for client in clients {
                let mut fewer = kept.clone();
                fewer.retain(|operation| operation.client() != client);
                if shrinking.still(&fewer) {
                    kept = fewer;
                }
            }
        }
    }
    shrinking.drop_some(&mut kept, |_, operation| changes_nothing(operation));
    kept
}

/// The history as it was when the violation showed.
fn cut<'a>(operations: &[Operation<'a>], line: usize) -> Vec<Operation<'a>> {
    let begun = operations.iter().filter(|operation| operation.invoked <= line);
    let cut = begun.map(|operation| match operation.returned {
        Some(returned) if returned > line => {
            Operation { returned: None, answered: None, ..*operation }
        }
        _ => *operation,
    });
    cut.collect()
}

struct Shrinking<F> {
    left: u64,
    limits: Limits,
    invalid: F,
}

impl<F> Shrinking<F> {
    fn still<'a>(&mut self, operations: &[Operation<'a>]) -> bool
    where
        F: Fn(&[Operation<'a>], Limits) -> (bool, u64),
    {
        let limits = Limits { steps: self.left.min(self.limits.steps), ..self.limits };
        let (invalid, steps) = (self.invalid)(operations, limits);
        // Building costs as well.
        self.left = self.left.saturating_sub(steps + operations.len() as u64);
        invalid && self.left > 0
    }

    /// Drops what may be dropped, in chunks that get smaller. Whether anything went.
    fn drop_some<'a>(
        &mut self,
        kept: &mut Vec<Operation<'a>>,
        may: impl Fn(&[Operation<'a>], &Operation<'a>) -> bool,
    ) -> bool
    where
        F: Fn(&[Operation<'a>], Limits) -> (bool, u64),
    {
        let before = kept.len();
        let mut chunk = kept.len();
        while chunk > 0 && self.left > 0 {
            let mut end = kept.len();
            while end > 0 {
                let start = end.saturating_sub(chunk);
                let all = kept.clone();
                let mut fewer = kept.clone();
                let mut place = 0;
                fewer.retain(|operation| {
                    let inside = (start..end).contains(&place);
                    place += 1;
                    !(inside && may(&all, operation))
                });
                if fewer.len() < kept.len() && self.still(&fewer) {
                    *kept = fewer;
                }
                end = start;
            }
            chunk /= 2;
        }
        kept.len() < before
    }
}

/// Steps that shrinking may cost, all in all.
const STEPS_MAX: u64 = 20_000_000;

/// Whether an operation only looks: without it nothing else can be wrong.
fn changes_nothing(operation: &Operation<'_>) -> bool {
    let refused = matches!(operation.result(), Some(Value::Bool(false)))
        || (operation.f() == "try-acquire"
            && operation.result().and_then(Value::as_i64) == Some(0));
    match operation.f() {
        "read" | "get" | "contains" | "size" | "is-empty" | "keys" | "entries" | "get-all"
        | "is-locked" | "lock-count" | "get-fence" | "available" => true,
        "cas" | "replace-if" | "remove-if" | "try-acquire" | "release" | "add" | "remove" => {
            refused
        }
        _ => false,
    }
}

/// Whether nobody else mentions what the operation writes.
fn unmentioned(all: &[Operation<'_>], operation: &Operation<'_>) -> bool {
    let written = written(operation);
    if written.is_empty() {
        return false;
    }
    let mut mentions: HashMap<&Value, ()> = HashMap::new();
    for other in all.iter().filter(|other| other.invoked != operation.invoked) {
        if changes_nothing(other) || !matches!(other.f(), "write" | "set" | "put" | "add") {
            flat(other.asked.value.as_ref(), &mut mentions);
        }
        let told = other.answered;
        flat(told.and_then(|told| told.result.as_ref()), &mut mentions);
        if changes_nothing(other) {
            flat(told.and_then(|told| told.value.as_ref()), &mut mentions);
        }
    }
    written.iter().all(|value| !mentions.contains_key(value))
}

fn written<'a>(operation: &Operation<'a>) -> Vec<&'a Value> {
    let value = operation.asked.value.as_ref();
    match (operation.f(), value) {
        ("cas" | "replace-if", Some(Value::Array(pair))) => pair.get(1).into_iter().collect(),
        ("put-all", Some(Value::Object(pairs))) => pairs.values().collect(),
        ("write" | "set" | "put" | "put-if-absent" | "replace" | "add", value) => {
            value.into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn flat<'a>(value: Option<&'a Value>, into: &mut HashMap<&'a Value, ()>) {
    match value {
        None | Some(Value::Null | Value::Bool(_)) => {}
        Some(Value::Array(values)) => values.iter().for_each(|value| flat(Some(value), into)),
        Some(Value::Object(pairs)) => pairs.values().for_each(|value| flat(Some(value), into)),
        Some(value) => {
            into.insert(value, ());
        }
    }
}
