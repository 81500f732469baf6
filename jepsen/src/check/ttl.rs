//! Entries with a time to live: not gone early, gone in time, and not gone by an old timer.
//!
//! Each write that gives a time to live adds an operation `end` for what it wrote, callable from
//! invocation + TTL - early slack, due by completion + TTL + late slack. It takes the entry away if
//! that is still there. The rest is the search.

use serde_json::{Map, Value, json};

use super::model::Model;
use super::models::{Built, EntryOp, Values, number_of};
use super::operation::Operation;
use super::wgl::Call;
use crate::history::{Entry, Malformed};

/// One key of a map whose entries end.
pub(crate) struct Ttl {
    values: Values,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TtlOp {
    /// An operation, and the number of what it writes; 0: it does not end.
    Entry(EntryOp, u32),
    /// The end of what was written under that number.
    End(u32),
}

impl Ttl {
    pub(crate) fn build(
        operations: &[Operation<'_>],
        entries: &[Entry],
        params: &Map<String, Value>,
    ) -> Result<Built<Self>, Malformed> {
        let slack = |name| Ok(number_of(params, name, 0)?.saturating_mul(NANOS_PER_MS));
        let (early, late) = (slack("early-slack-ms")?, slack("late-slack-ms")?);
        let mut values = Values::new();
        let mut built =
            Built { model: Self { values: Values::new() }, calls: Vec::new(), sources: Vec::new() };
        for (number, operation) in (1..).zip(operations) {
            let Some(op) = EntryOp::parse(operation, &mut values)? else { continue };
            let writes = !matches!(op, EntryOp::Remove(_) | EntryOp::RemoveIf(..));
            let ttl = operation.asked.ttl.filter(|ttl| *ttl > 0 && writes);
            let op = TtlOp::Entry(op, if ttl.is_some() { number } else { 0 });
            let write = built.calls.len();
            let invoked = line(operation.invoked);
            let returned = operation.returned.map(line);
            built.push(Call { op, invoked, returned, after: None }, operation.source(None));
            let Some(ttl) = ttl else { continue };
            let ttl = i64::try_from(ttl).unwrap_or(i64::MAX).saturating_mul(NANOS_PER_MS);
            let begun = time(operation.asked).saturating_add(ttl).saturating_sub(early);
            let due = operation.answered.map(|answered| {
                let due = time(answered).saturating_add(ttl).saturating_add(late);
                between(entries.partition_point(|entry| time(entry) <= due))
            });
            // Moments of the clock fall between lines: as early, and as late, as they may.
            let invoked = between(entries.partition_point(|entry| time(entry) < begun));
            let call = Call { op: TtlOp::End(number), invoked, returned: due, after: Some(write) };
            built.push(call, operation.source(Some("end of the time to live")));
        }
        built.model.values = values;
        Ok(built)
    }
}

const NANOS_PER_MS: i64 = 1_000_000;

fn time(entry: &Entry) -> i64 {
    i64::try_from(entry.time).unwrap_or(i64::MAX)
}

/// The moment of a line.
fn line(at: usize) -> u64 {
    2 * at as u64 + 1
}

/// The moment before a line and after the one before it.
fn between(at: usize) -> u64 {
    2 * at as u64
}

impl Model for Ttl {
    type Op = TtlOp;
    /// The value, and the number it was written under.
    type State = (u32, u32);

    fn initial(&self) -> Self::State {
        (0, 0)
    }

    fn step(&self, state: &Self::State, op: &TtlOp) -> Option<Self::State> {
        let (value, written) = *state;
        match op {
            TtlOp::Entry(op, number) => {
                let after = op.step(value)?;
                let written = if op.writes(value) { *number } else { written };
                Some(if after == 0 { (0, 0) } else { (after, written) })
            }
            TtlOp::End(number) if *number == written => Some((0, 0)),
            TtlOp::End(_) => Some(*state),
        }
    }

    fn idle(&self, state: &Self::State, op: &TtlOp) -> bool {
        match op {
            TtlOp::Entry(op, _) => op.is_idle(),
            // It ends only what was written before it: what is gone by now does not come back.
            TtlOp::End(number) => *number != state.1,
        }
    }

    fn describe(&self, state: &Self::State) -> Value {
        json!({ "value": self.values.value(state.0), "ends": state.1 != 0 })
    }
}
