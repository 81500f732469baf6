//! A register: read, write, compare-and-set.

use serde_json::{Map, Value};

use super::super::model::Model;
use super::super::operation::Operation;
use super::{Built, Told, Values, flag};
use crate::history::Malformed;

/// A register and its values.
pub(crate) struct Register {
    initial: u32,
    values: Values,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RegisterOp {
    Read(Told<u32>),
    Write(u32),
    Cas { old: u32, new: u32, told: Told<bool> },
}

impl Register {
    pub(crate) fn build(
        operations: &[Operation<'_>],
        params: &Map<String, Value>,
    ) -> Result<Built<Self>, Malformed> {
        let mut values = Values::new();
        let initial = values.number(params.get("initial").unwrap_or(&Value::Null));
        let model = Self { initial, values: Values::new() };
        let mut built = Built::new(operations, model, |operation| {
            Ok(match operation.f() {
                "read" => Told::read(operation.answer(), |value| Some(values.number(value)))
                    .known()
                    .map(RegisterOp::Read),
                "write" => Some(RegisterOp::Write(values.number(operation.argument()?))),
                "cas" => {
                    let (old, new) = operation.pair()?;
                    // One that came back without a flag matched: a mismatch is told.
                    let told = match operation.answered {
                        Some(answered) if answered.result.is_none() => Told::This(true),
                        _ => flag(operation.result()),
                    };
                    let (old, new) = (values.number(old), values.number(new));
                    Some(RegisterOp::Cas { old, new, told })
                }
                _ => return Err(operation.malformed("is not an operation of a register")),
            })
        })?;
        built.model.values = values;
        Ok(built)
    }
}

impl Model for Register {
    type Op = RegisterOp;
    type State = u32;

    fn initial(&self) -> u32 {
        self.initial
    }

    fn step(&self, state: &u32, op: &RegisterOp) -> Option<u32> {
        match op {
            RegisterOp::Read(told) => told.allows(state).then_some(*state),
            RegisterOp::Write(value) => Some(*value),
            RegisterOp::Cas { old, new, told } => {
                let matches = old == state;
                told.allows(&matches).then_some(if matches { *new } else { *state })
            }
        }
    }

    fn idle(&self, _: &u32, op: &RegisterOp) -> bool {
        match op {
            RegisterOp::Read(_) => true,
            RegisterOp::Cas { told, .. } => *told == Told::This(false),
            RegisterOp::Write(_) => false,
        }
    }

    fn blind(&self, op: &RegisterOp) -> bool {
        matches!(op, RegisterOp::Write(_))
    }

    fn describe(&self, state: &u32) -> Value {
        self.values.value(*state)
    }
}
