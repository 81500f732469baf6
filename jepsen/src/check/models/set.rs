//! A set: one element of it, or the whole object with reads of everything.

use serde_json::Value;

use super::super::model::Model;
use super::super::operation::Operation;
use super::{Built, Told, Values, flag, number};
use crate::history::Malformed;

/// Whether an operation concerns more than one element.
pub(crate) fn needs_whole(f: &str) -> bool {
    matches!(f, "read" | "size" | "is-empty" | "clear")
}

/// A set: its elements as bits.
pub(crate) struct SetObject {
    values: Values,
}

/// One operation; elements by number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SetOp {
    Add(u32, Told<bool>),
    Remove(u32, Told<bool>),
    Contains(u32, Told<bool>),
    Read(Told<Box<[u32]>>),
    Size(Told<i64>),
    IsEmpty(Told<bool>),
    Clear,
}

impl SetObject {
    pub(crate) fn build(operations: &[Operation<'_>]) -> Result<Built<Self>, Malformed> {
        let mut values = Values::new();
        let model = Self { values: Values::new() };
        let mut built = Built::new(operations, model, |operation| {
            let (told, answer) = (flag(operation.result()), operation.answer());
            Ok(match operation.f() {
                "add" => Some(SetOp::Add(values.number(operation.argument()?), told)),
                "remove" => Some(SetOp::Remove(values.number(operation.argument()?), told)),
                "contains" => {
                    let element = values.number(operation.argument()?);
                    told.known().map(|told| SetOp::Contains(element, told))
                }
                "read" => {
                    Told::read(answer, |all| elements(all, &mut values)).known().map(SetOp::Read)
                }
                "size" => number(answer).known().map(SetOp::Size),
                "is-empty" => flag(answer).known().map(SetOp::IsEmpty),
                "clear" => Some(SetOp::Clear),
                _ => return Err(operation.malformed("is not an operation of a set")),
            })
        })?;
        built.model.values = values;
        Ok(built)
    }
}

/// What a read told; none if it is no list or has an element twice.
fn elements(told: &Value, values: &mut Values) -> Option<Box<[u32]>> {
    let mut all: Vec<u32> = told.as_array()?.iter().map(|value| values.number(value)).collect();
    all.sort_unstable();
    let twice = all.windows(2).any(|pair| pair[0] == pair[1]);
    (!twice).then_some(all.into())
}

fn has(state: &[u64], element: u32) -> bool {
    state[element as usize / 64] >> (element % 64) & 1 == 1
}

fn count(state: &[u64]) -> usize {
    state.iter().map(|word| word.count_ones() as usize).sum()
}

impl Model for SetObject {
    type Op = SetOp;
    type State = Box<[u64]>;

    fn initial(&self) -> Self::State {
        vec![0; self.values.len().div_ceil(64)].into()
    }

    fn step(&self, state: &Self::State, op: &SetOp) -> Option<Self::State> {
        let (element, there) = match op {
            SetOp::Add(element, told) if told.allows(&!has(state, *element)) => (*element, true),
            SetOp::Remove(element, told) if told.allows(&has(state, *element)) => (*element, false),
            SetOp::Add(..) | SetOp::Remove(..) => return None,
            SetOp::Clear => return Some(self.initial()),
            SetOp::Contains(element, told) => {
                return told.allows(&has(state, *element)).then(|| state.clone());
            }
            SetOp::Size(told) => {
                return told.allows(&(count(state) as i64)).then(|| state.clone());
            }
            SetOp::IsEmpty(told) => {
                return told.allows(&(count(state) == 0)).then(|| state.clone());
            }
            SetOp::Read(Told::Nothing) => return Some(state.clone()),
            SetOp::Read(Told::Nonsense) => return None,
            SetOp::Read(Told::This(all)) => {
                let same = count(state) == all.len() && all.iter().all(|one| has(state, *one));
                return same.then(|| state.clone());
            }
        };
        let mut state = state.clone();
        let bit = 1 << (element % 64);
        let word = &mut state[element as usize / 64];
        *word = if there { *word | bit } else { *word & !bit };
        Some(state)
    }

    fn idle(&self, _: &Self::State, op: &SetOp) -> bool {
        match op {
            SetOp::Add(_, told) | SetOp::Remove(_, told) => *told == Told::This(false),
            SetOp::Clear => false,
            SetOp::Contains(..) | SetOp::Read(_) | SetOp::Size(_) | SetOp::IsEmpty(_) => true,
        }
    }

    fn blind(&self, op: &SetOp) -> bool {
        matches!(op, SetOp::Clear)
    }

    fn describe(&self, state: &Self::State) -> Value {
        let all = (0..self.values.len() as u32).filter(|element| has(state, *element));
        Value::Array(all.map(|element| self.values.value(element)).collect())
    }
}
