//! Judging one part by the search, and telling what is wrong with it.

use rustc_hash::FxHashSet;
use serde_json::Value;

use super::model::Model;
use super::models::{Built, Source};
use super::operation::Operation;
use super::shrink::{Keep, shrink};
use super::verdict::{CheckerResult, Verdict, Violation};
use super::wgl::{Call, Found, Limits, search};
use crate::history::{Entry, Malformed};

/// One part of a history: a key, an object.
pub(crate) struct Part<'a> {
    /// The lines of the whole history.
    pub(crate) entries: &'a [Entry],
    /// The key or object.
    pub(crate) key: Value,
    /// Its operations.
    pub(crate) operations: &'a [Operation<'a>],
    /// Which operations may be left out when a violation is made smaller.
    pub(crate) keep: Keep,
    /// Lines that belong to it beside those of its operations.
    pub(crate) others: Vec<usize>,
}

/// Judges a part. `build` makes the calls of some of its operations.
///
/// # Errors
/// `build` finds a fault of the harness.
pub(crate) fn judge<'a, M: Model>(
    part: &Part<'a>,
    limits: Limits,
    build: impl Fn(&[Operation<'a>]) -> Result<Built<M>, Malformed>,
) -> Result<CheckerResult, Malformed> {
    let built = build(part.operations)?;
    let (found, steps) = search(&built.model, &built.calls, limits);
    let mut result = CheckerResult::new();
    result.count("steps", steps);
    match found {
        Found::Order(_) => {}
        Found::Unknown => {
            result.verdict = Verdict::Unknown;
            result.unknown.push(part.key.clone());
        }
        Found::Nothing { stuck, states } => {
            result.verdict = Verdict::Invalid;
            let states = states.iter().map(|state| built.model.describe(state)).collect();
            let mut violation = explain(part, &built, stuck, states, limits);
            let line = built.sources[stuck].returned.unwrap_or(part.entries.len());
            let invalid = |some: &[Operation<'a>], limits| match build(some) {
                Ok(built) => match search(&built.model, &built.calls, limits) {
                    (Found::Nothing { .. }, steps) => (true, steps),
                    (Found::Order(_) | Found::Unknown, steps) => (false, steps),
                },
                Err(_) => (false, 0),
            };
            let kept = shrink(part.operations, line, part.keep, limits, invalid);
            violation.shrunken = lines(part, &kept, line);
            result.violations.push(violation);
        }
    }
    Ok(result)
}

fn explain<M: Model>(
    part: &Part<'_>,
    built: &Built<M>,
    stuck: usize,
    states: Vec<Value>,
    limits: Limits,
) -> Violation {
    let end = built.calls[stuck].returned.unwrap_or(u64::MAX);
    let source = built.sources[stuck];
    let at = source.returned.or(Some(source.invoked)).and_then(|line| part.entries.get(line));
    let begun = |call: &Call<M::Op>| call.invoked < end;
    let open = |call: &Call<M::Op>| begun(call) && call.returned.is_none_or(|at| at >= end);
    let calls = built.calls.iter().zip(&built.sources);
    // Those that returned later come first: of the others there may be many.
    let mut opened: Vec<_> = calls.filter(|(call, _)| open(call)).collect();
    opened.sort_by_key(|(call, _)| (call.returned.is_none(), std::cmp::Reverse(call.invoked)));
    let opened = opened.iter().take(OPEN_MAX).filter_map(|(_, source)| part.invocation(source));
    Violation {
        key: part.key.clone(),
        what: part.what(&source, at),
        at: at.map_or(0, |entry| entry.index),
        order: order(part, built, stuck, end, limits),
        open: opened.cloned().collect(),
        states,
        shrunken: Vec::new(),
    }
}

/// The last of an order that explains everything before the return that cannot be explained.
fn order<M: Model>(
    part: &Part<'_>,
    built: &Built<M>,
    stuck: usize,
    end: u64,
    limits: Limits,
) -> Vec<u64> {
    let mut calls = built.calls.clone();
    for (at, call) in calls.iter_mut().enumerate() {
        call.returned = call.returned.filter(|returned| *returned < end && at != stuck);
        // Whatever begins later: not before the last return.
        call.invoked = if call.invoked < end { call.invoked } else { u64::MAX };
    }
    let (Found::Order(order), _) = search(&built.model, &calls, limits) else {
        return Vec::new();
    };
    let last = order.iter().skip(order.len().saturating_sub(ORDER_MAX));
    let entries = last.filter_map(|call| part.invocation(&built.sources[*call]));
    entries.map(|entry| entry.index).collect()
}

/// The lines of some operations and of what else belongs to the part, up to a line. Completions
/// after that line are left out: what is open at the end is open at the end.
fn lines(part: &Part<'_>, kept: &[Operation<'_>], line: usize) -> Vec<Entry> {
    let processes: FxHashSet<_> = kept.iter().map(|one| one.invoked).collect();
    let mut at: Vec<usize> = processes.into_iter().collect();
    at.extend(kept.iter().filter_map(|one| one.returned));
    at.extend(part.others.iter().copied().filter(|other| *other <= line));
    at.sort_unstable();
    at.dedup();
    at.into_iter().filter_map(|at| part.entries.get(at)).cloned().collect()
}

impl<'a> Part<'a> {
    fn invocation(&self, source: &Source) -> Option<&'a Entry> {
        self.entries.get(source.invoked)
    }

    fn what(&self, source: &Source, at: Option<&Entry>) -> String {
        let Some(entry) = at else {
            return "no order explains the end of the history".to_owned();
        };
        let index = entry.index;
        let told = |field: &Option<Value>| {
            field.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string)
        };
        match (source.meaning, super::events::is_event(entry)) {
            (Some(meaning), _) => {
                format!("no order explains the {meaning} of what was written at index {index}")
            }
            (None, true) => {
                let (value, old) = (told(&entry.value), told(&entry.old));
                let f = &entry.f;
                format!("no order explains the event {f} ({old} -> {value}) at index {index}")
            }
            (None, false) => {
                let (f, result) =
                    (&entry.f, told(entry.result.as_ref().map_or(&entry.value, |_| &entry.result)));
                format!("no order explains that {f} told {result} at index {index}")
            }
        }
    }
}

/// How many open operations are told.
const OPEN_MAX: usize = 16;
/// How much of an order is told.
const ORDER_MAX: usize = 40;
