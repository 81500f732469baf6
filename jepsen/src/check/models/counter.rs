//! An atomic number of 64 bits.

use serde_json::{Map, Value};

use super::super::model::Model;
use super::super::operation::Operation;
use super::{Built, Told, flag, number, number_of};
use crate::history::Malformed;

/// A number; it wraps as the protocol's `long` does.
pub(crate) struct Counter {
    initial: i64,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CounterOp {
    Get(Told<i64>),
    Set(i64),
    /// Adds; tells the number after it.
    AddGet(i64, Told<i64>),
    /// Adds; tells the number before it.
    GetAdd(i64, Told<i64>),
    GetSet(i64, Told<i64>),
    Cas {
        old: i64,
        new: i64,
        told: Told<bool>,
    },
}

impl Counter {
    pub(crate) fn build(
        operations: &[Operation<'_>],
        params: &Map<String, Value>,
    ) -> Result<Built<Self>, Malformed> {
        let model = Self { initial: number_of(params, "initial", 0)? };
        Built::new(operations, model, |operation| {
            let told = number(operation.result());
            Ok(match operation.f() {
                "get" => number(operation.answer()).known().map(CounterOp::Get),
                "set" => Some(CounterOp::Set(operation.number()?)),
                // Two increments of which nothing is told are the same, however they were asked.
                "add-get" | "get-add" if told == Told::Nothing => {
                    Some(CounterOp::AddGet(operation.number()?, told))
                }
                "add-get" => Some(CounterOp::AddGet(operation.number()?, told)),
                "get-add" => Some(CounterOp::GetAdd(operation.number()?, told)),
                "get-set" => Some(CounterOp::GetSet(operation.number()?, told)),
                "cas" => {
                    let (old, new) = operation.pair()?;
                    let (Some(old), Some(new)) = (old.as_i64(), new.as_i64()) else {
                        return Err(operation.malformed("needs whole numbers"));
                    };
                    Some(CounterOp::Cas { old, new, told: flag(operation.result()) })
                }
                _ => return Err(operation.malformed("is not an operation of a counter")),
            })
        })
    }
}

impl Model for Counter {
    type Op = CounterOp;
    type State = i64;

    fn initial(&self) -> i64 {
        self.initial
    }

    fn step(&self, state: &i64, op: &CounterOp) -> Option<i64> {
        match op {
            CounterOp::Get(told) => told.allows(state).then_some(*state),
            CounterOp::Set(value) => Some(*value),
            CounterOp::AddGet(delta, told) => {
                let after = state.wrapping_add(*delta);
                told.allows(&after).then_some(after)
            }
            CounterOp::GetAdd(delta, told) => {
                told.allows(state).then_some(state.wrapping_add(*delta))
            }
            CounterOp::GetSet(value, told) => told.allows(state).then_some(*value),
            CounterOp::Cas { old, new, told } => {
                let matches = old == state;
                told.allows(&matches).then_some(if matches { *new } else { *state })
            }
        }
    }

    fn idle(&self, _: &i64, op: &CounterOp) -> bool {
        match op {
            CounterOp::Get(_) => true,
            CounterOp::Cas { told, .. } => *told == Told::This(false),
            CounterOp::Set(_)
            | CounterOp::AddGet(..)
            | CounterOp::GetAdd(..)
            | CounterOp::GetSet(..) => false,
        }
    }

    fn blind(&self, op: &CounterOp) -> bool {
        matches!(op, CounterOp::Set(_) | CounterOp::GetSet(_, Told::Nothing))
    }

    fn describe(&self, state: &i64) -> Value {
        Value::from(*state)
    }
}
