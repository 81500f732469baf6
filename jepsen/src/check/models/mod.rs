//! One object each: what it may tell, and when.

mod counter;
mod lock;
mod map;
mod register;
mod semaphore;
mod set;

use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

pub(crate) use counter::Counter;
pub(crate) use lock::Lock;
pub(crate) use map::{EntryOp, MapObject, is_whole};
pub(crate) use register::Register;
pub(crate) use semaphore::Semaphore;
pub(crate) use set::{SetObject, SetOp, needs_whole};

use super::model::Model;
use super::operation::Operation;
use super::wgl::Call;
use crate::history::Malformed;

/// A model and the calls it is to judge.
pub(crate) struct Built<M: Model> {
    pub(crate) model: M,
    pub(crate) calls: Vec<Call<M::Op>>,
    /// Which lines each call is.
    pub(crate) sources: Vec<Source>,
}

/// The lines of a call, by their place in the entries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    pub(crate) invoked: usize,
    pub(crate) returned: Option<usize>,
    /// What the call is, where it is not the operation of those lines itself.
    pub(crate) meaning: Option<&'static str>,
}

impl<M: Model> Built<M> {
    /// Calls in real time; operations without effect of which nothing is known are left out.
    pub(crate) fn new<'a>(
        operations: &[Operation<'a>],
        model: M,
        mut parse: impl FnMut(&Operation<'a>) -> Result<Option<M::Op>, Malformed>,
    ) -> Result<Self, Malformed> {
        let mut built = Self { model, calls: Vec::new(), sources: Vec::new() };
        for operation in operations {
            let Some(op) = parse(operation)? else { continue };
            let invoked = operation.invoked as u64;
            let returned = operation.returned.map(|at| at as u64);
            let call = Call { op, invoked, returned, after: None };
            built.push(call, operation.source(None));
        }
        Ok(built)
    }

    /// Adds a call.
    pub(crate) fn push(&mut self, call: Call<M::Op>, source: Source) {
        self.calls.push(call);
        self.sources.push(source);
    }
}

/// What an operation told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Told<T> {
    /// Nothing: anything may be true.
    Nothing,
    /// This.
    This(T),
    /// Something that no object of the kind can tell.
    Nonsense,
}

impl<T: PartialEq> Told<T> {
    /// Whether this may be the truth.
    pub(crate) fn allows(&self, truth: &T) -> bool {
        match self {
            Self::Nothing => true,
            Self::This(told) => told == truth,
            Self::Nonsense => false,
        }
    }

    /// Reads what was told, if anything.
    pub(crate) fn read(told: Option<&Value>, read: impl FnOnce(&Value) -> Option<T>) -> Self {
        match told.map(read) {
            None => Self::Nothing,
            Some(Some(told)) => Self::This(told),
            Some(None) => Self::Nonsense,
        }
    }

    /// Nothing, as an option.
    pub(crate) fn known(self) -> Option<Self> {
        match self {
            Self::Nothing => None,
            Self::This(_) | Self::Nonsense => Some(self),
        }
    }
}

/// A flag that was told.
pub(crate) fn flag(told: Option<&Value>) -> Told<bool> {
    Told::read(told, Value::as_bool)
}

/// A whole number that was told.
pub(crate) fn number(told: Option<&Value>) -> Told<i64> {
    Told::read(told, Value::as_i64)
}

/// Values by number; 0 is the absent value.
pub(crate) struct Values {
    numbers: FxHashMap<String, u32>,
    values: Vec<Value>,
}

impl Values {
    pub(crate) fn new() -> Self {
        let numbers = FxHashMap::from_iter([(Value::Null.to_string(), 0)]);
        Self { numbers, values: vec![Value::Null] }
    }

    /// The number of a value.
    pub(crate) fn number(&mut self, value: &Value) -> u32 {
        let next = self.values.len() as u32;
        let number = *self.numbers.entry(value.to_string()).or_insert(next);
        if number == next {
            self.values.push(value.clone());
        }
        number
    }

    /// The value of a number.
    pub(crate) fn value(&self, number: u32) -> Value {
        self.values[number as usize].clone()
    }

    /// How many values there are with the absent one.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

/// A whole number among the parameters.
///
/// # Errors
/// The parameter is something else.
pub(crate) fn number_of(
    params: &Map<String, Value>,
    name: &str,
    default: i64,
) -> Result<i64, Malformed> {
    match params.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => {
            let number = value.as_i64();
            number.ok_or_else(|| Malformed::at(1, format!("{name} is no whole number")))
        }
    }
}

/// A flag among the parameters, off by default.
///
/// # Errors
/// The parameter is something else.
pub(crate) fn flag_of(params: &Map<String, Value>, name: &str) -> Result<bool, Malformed> {
    match params.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(value) => {
            value.as_bool().ok_or_else(|| Malformed::at(1, format!("{name} is no flag")))
        }
    }
}
