//! Permits, each with its owner.

use serde_json::{Map, Value, json};

use super::super::model::Model;
use super::super::operation::Operation;
use super::{Built, Told, Values, flag, number, number_of};
use crate::history::Malformed;

/// A number of permits and the names of their owners.
pub(crate) struct Semaphore {
    permits: i64,
    owners: Values,
}

/// One operation: owner by number, permits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SemaphoreOp {
    Acquire(u32, i64, Told<bool>),
    Try(u32, i64, Told<bool>),
    Release(u32, i64),
    /// The session of the owner ends.
    Expire(u32),
    Available(Told<i64>),
}

impl Semaphore {
    pub(crate) fn build(
        operations: &[Operation<'_>],
        params: &Map<String, Value>,
    ) -> Result<Built<Self>, Malformed> {
        let mut owners = Values::new();
        let model = Self { permits: number_of(params, "permits", 1)?, owners: Values::new() };
        let mut built = Built::new(operations, model, |operation| {
            let mut owner = || owners.number(&Value::String(operation.client()));
            Ok(match operation.f() {
                "acquire" => {
                    // It waits, so all it can tell is that it succeeded.
                    let told = operation.result().filter(|told| !told.is_null());
                    Some(SemaphoreOp::Acquire(owner(), permits(operation)?, flag(told)))
                }
                "try-acquire" => {
                    let told = flag(operation.result());
                    Some(SemaphoreOp::Try(owner(), permits(operation)?, told))
                }
                "release" => Some(SemaphoreOp::Release(owner(), permits(operation)?)),
                "expire" => Some(SemaphoreOp::Expire(owner())),
                "available" => number(operation.answer()).known().map(SemaphoreOp::Available),
                _ => return Err(operation.malformed("is not an operation of a semaphore")),
            })
        })?;
        built.model.owners = owners;
        Ok(built)
    }

    fn available(&self, state: &[i64]) -> i64 {
        self.permits - state.iter().sum::<i64>()
    }

    fn change(state: &[i64], owner: u32, permits: i64) -> Box<[i64]> {
        let mut state: Box<[i64]> = state.into();
        state[owner as usize] += permits;
        state
    }
}

/// How many permits are asked for: one, if nothing is said.
fn permits(operation: &Operation<'_>) -> Result<i64, Malformed> {
    match &operation.asked.value {
        None | Some(Value::Null) => Ok(1),
        Some(_) => match operation.number()? {
            permits if permits >= 0 => Ok(permits),
            _ => Err(operation.malformed("needs permits that are not negative")),
        },
    }
}

impl Model for Semaphore {
    type Op = SemaphoreOp;
    /// Permits held by each owner.
    type State = Box<[i64]>;

    fn initial(&self) -> Self::State {
        vec![0; self.owners.len()].into()
    }

    fn step(&self, state: &Self::State, op: &SemaphoreOp) -> Option<Self::State> {
        match op {
            SemaphoreOp::Acquire(owner, permits, told) => {
                let enough = self.available(state) >= *permits && told.allows(&true);
                enough.then(|| Self::change(state, *owner, *permits))
            }
            SemaphoreOp::Try(owner, permits, told) => {
                let enough = self.available(state) >= *permits;
                told.allows(&enough)
                    .then(|| Self::change(state, *owner, if enough { *permits } else { 0 }))
            }
            SemaphoreOp::Release(owner, permits) => {
                (state[*owner as usize] >= *permits).then(|| Self::change(state, *owner, -permits))
            }
            SemaphoreOp::Expire(owner) => {
                Some(Self::change(state, *owner, -state[*owner as usize]))
            }
            SemaphoreOp::Available(told) => {
                told.allows(&self.available(state)).then(|| state.clone())
            }
        }
    }

    fn idle(&self, _: &Self::State, op: &SemaphoreOp) -> bool {
        match op {
            SemaphoreOp::Try(_, _, told) => *told == Told::This(false),
            SemaphoreOp::Available(_) => true,
            SemaphoreOp::Acquire(..) | SemaphoreOp::Release(..) | SemaphoreOp::Expire(_) => false,
        }
    }

    fn describe(&self, state: &Self::State) -> Value {
        let held = (1..self.owners.len()).filter(|owner| state[*owner] > 0);
        let held = held.map(|owner| match self.owners.value(owner as u32) {
            Value::String(name) => (name, Value::from(state[owner])),
            other => (other.to_string(), Value::from(state[owner])),
        });
        json!({ "available": self.available(state), "held": Map::from_iter(held) })
    }
}
