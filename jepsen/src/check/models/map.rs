//! A map: one key of it, or the whole object with the operations that see or change all of it.

use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use super::super::model::Model;
use super::super::operation::Operation;
use super::{Built, Told, Values, flag, number};
use crate::history::Malformed;

/// Whether an operation concerns more than one key.
pub(crate) fn is_whole(f: &str) -> bool {
    matches!(f, "size" | "is-empty" | "keys" | "entries" | "get-all" | "put-all" | "clear")
}

/// An operation on one key; values by number, 0 is absent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EntryOp {
    Get(Told<u32>),
    /// Puts a value; tells the old one.
    Put(u32, Told<u32>),
    PutIfAbsent(u32, Told<u32>),
    Replace(u32, Told<u32>),
    ReplaceIf {
        old: u32,
        new: u32,
        told: Told<bool>,
    },
    Remove(Told<u32>),
    RemoveIf(u32, Told<bool>),
    Contains(Told<bool>),
}

impl EntryOp {
    /// Reads an operation on one key; none if it has no effect and told nothing.
    ///
    /// # Errors
    /// It is none, or lacks something.
    pub(crate) fn parse(
        operation: &Operation<'_>,
        values: &mut Values,
    ) -> Result<Option<Self>, Malformed> {
        let mut old = |told| Told::read(told, |value| Some(values.number(value)));
        Ok(Some(match operation.f() {
            "get" => return Ok(old(operation.answer()).known().map(Self::Get)),
            "contains" => return Ok(flag(operation.result()).known().map(Self::Contains)),
            "remove" => Self::Remove(old(operation.result())),
            "delete" => Self::Remove(Told::Nothing),
            "put" => {
                let told = old(operation.result());
                Self::Put(values.number(operation.argument()?), told)
            }
            "set" => Self::Put(values.number(operation.argument()?), Told::Nothing),
            "put-if-absent" => {
                let told = old(operation.result());
                Self::PutIfAbsent(values.number(operation.argument()?), told)
            }
            "replace" => {
                let told = old(operation.result());
                Self::Replace(values.number(operation.argument()?), told)
            }
            "replace-if" => {
                let (old, new) = operation.pair()?;
                let (old, new) = (values.number(old), values.number(new));
                Self::ReplaceIf { old, new, told: flag(operation.result()) }
            }
            "remove-if" => {
                Self::RemoveIf(values.number(operation.argument()?), flag(operation.result()))
            }
            _ => return Err(operation.malformed("is not an operation on a key of a map")),
        }))
    }

    /// The value after it.
    pub(crate) fn step(&self, value: u32) -> Option<u32> {
        match self {
            Self::Get(told) => told.allows(&value).then_some(value),
            Self::Contains(told) => told.allows(&(value != 0)).then_some(value),
            Self::Put(new, told) => told.allows(&value).then_some(*new),
            Self::PutIfAbsent(new, told) => {
                told.allows(&value).then_some(if value == 0 { *new } else { value })
            }
            Self::Replace(new, told) => {
                told.allows(&value).then_some(if value == 0 { 0 } else { *new })
            }
            Self::ReplaceIf { old, new, told } => {
                let matches = value != 0 && value == *old;
                told.allows(&matches).then_some(if matches { *new } else { value })
            }
            Self::Remove(told) => told.allows(&value).then_some(0),
            Self::RemoveIf(old, told) => {
                let matches = value != 0 && value == *old;
                told.allows(&matches).then_some(if matches { 0 } else { value })
            }
        }
    }

    /// Whether it writes a value when it fits: the same value again is a change too.
    pub(crate) fn writes(&self, value: u32) -> bool {
        match self {
            Self::Get(_) | Self::Contains(_) => false,
            Self::Put(..) => true,
            Self::PutIfAbsent(..) => value == 0,
            Self::Replace(..) | Self::Remove(_) => value != 0,
            Self::ReplaceIf { old, .. } | Self::RemoveIf(old, _) => value != 0 && value == *old,
        }
    }

    /// Whether it writes nothing wherever it fits.
    pub(crate) fn is_idle(&self) -> bool {
        match self {
            Self::Get(_) | Self::Contains(_) => true,
            Self::PutIfAbsent(_, Told::This(old)) => *old != 0,
            Self::Replace(_, told) | Self::Remove(told) => *told == Told::This(0),
            Self::ReplaceIf { told, .. } | Self::RemoveIf(_, told) => *told == Told::This(false),
            Self::Put(..) | Self::PutIfAbsent(..) => false,
        }
    }

    fn is_blind(&self) -> bool {
        matches!(self, Self::Put(_, Told::Nothing) | Self::Remove(Told::Nothing))
    }
}

/// A map: the values of its keys by number.
pub(crate) struct MapObject {
    keys: Vec<String>,
    values: Values,
}

/// One operation; keys by number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MapOp {
    Entry(u32, EntryOp),
    Size(Told<i64>),
    IsEmpty(Told<bool>),
    Keys(Told<Box<[u32]>>),
    Entries(Told<Box<[(u32, u32)]>>),
    /// The keys that were asked for, and those of them that were there.
    GetAll(Box<[u32]>, Told<Box<[(u32, u32)]>>),
    PutAll(Box<[(u32, u32)]>),
    Clear,
}

struct Reader {
    keys: Vec<String>,
    numbers: FxHashMap<String, u32>,
    values: Values,
}

impl Reader {
    fn key(&mut self, key: &Value) -> u32 {
        match key {
            Value::String(key) => self.key_named(key),
            other => self.key_named(&other.to_string()),
        }
    }

    /// Keys are told apart by their text: in the object of `entries` they have nothing else.
    fn key_named(&mut self, key: &str) -> u32 {
        if let Some(number) = self.numbers.get(key) {
            return *number;
        }
        let number = self.keys.len() as u32;
        self.keys.push(key.to_owned());
        self.numbers.insert(key.to_owned(), number);
        number
    }

    /// An object, or a list of pairs; sorted by key; none if it is neither or has a key twice.
    fn pairs(&mut self, value: &Value) -> Option<Box<[(u32, u32)]>> {
        let mut pairs = Vec::new();
        match value {
            Value::Object(entries) => {
                for (key, value) in entries {
                    pairs.push((self.key_named(key), self.values.number(value)));
                }
            }
            Value::Array(entries) => {
                for entry in entries {
                    let [key, value] = entry.as_array()?.as_slice() else { return None };
                    pairs.push((self.key(key), self.values.number(value)));
                }
            }
            _ => return None,
        }
        pairs.sort_unstable();
        let twice = pairs.windows(2).any(|pair| pair[0].0 == pair[1].0);
        // A key that is told with the absent value is told to be absent.
        pairs.retain(|pair| pair.1 != 0);
        (!twice).then_some(pairs.into())
    }

    fn list(&mut self, value: &Value) -> Option<Box<[u32]>> {
        let mut keys: Vec<u32> = value.as_array()?.iter().map(|key| self.key(key)).collect();
        keys.sort_unstable();
        let twice = keys.windows(2).any(|pair| pair[0] == pair[1]);
        (!twice).then_some(keys.into())
    }

    fn parse(&mut self, operation: &Operation<'_>) -> Result<Option<MapOp>, Malformed> {
        let answer = operation.answer();
        Ok(match operation.f() {
            "size" => number(answer).known().map(MapOp::Size),
            "is-empty" => flag(answer).known().map(MapOp::IsEmpty),
            "keys" => Told::read(answer, |keys| self.list(keys)).known().map(MapOp::Keys),
            "entries" => Told::read(answer, |all| self.pairs(all)).known().map(MapOp::Entries),
            "clear" => Some(MapOp::Clear),
            "get-all" => {
                let asked = operation.argument()?.as_array();
                let asked =
                    asked.ok_or_else(|| operation.malformed("needs a list of keys as value"))?;
                let mut asked: Vec<u32> = asked.iter().map(|key| self.key(key)).collect();
                asked.sort_unstable();
                asked.dedup();
                Told::read(operation.result(), |told| self.pairs(told))
                    .known()
                    .map(|told| MapOp::GetAll(asked.into(), told))
            }
            "put-all" => {
                let pairs = self.pairs(operation.argument()?);
                let lacks = || operation.malformed("needs an object of keys and values as value");
                Some(MapOp::PutAll(pairs.ok_or_else(lacks)?))
            }
            _ => {
                let key = self.key(operation.key());
                EntryOp::parse(operation, &mut self.values)?.map(|op| MapOp::Entry(key, op))
            }
        })
    }
}

impl MapObject {
    pub(crate) fn build(operations: &[Operation<'_>]) -> Result<Built<Self>, Malformed> {
        let mut reader =
            Reader { keys: Vec::new(), numbers: FxHashMap::default(), values: Values::new() };
        let model = Self { keys: Vec::new(), values: Values::new() };
        let mut built = Built::new(operations, model, |operation| reader.parse(operation))?;
        built.model = Self { keys: reader.keys, values: reader.values };
        Ok(built)
    }
}

fn present(state: &[u32]) -> impl Iterator<Item = (u32, u32)> {
    let pairs = state.iter().enumerate();
    pairs.filter(|(_, value)| **value != 0).map(|(key, value)| (key as u32, *value))
}

fn tells<T: PartialEq + Copy>(told: &Told<Box<[T]>>, truth: impl Iterator<Item = T>) -> bool {
    match told {
        Told::Nothing => true,
        Told::This(told) => told.iter().copied().eq(truth),
        Told::Nonsense => false,
    }
}

impl Model for MapObject {
    type Op = MapOp;
    type State = Box<[u32]>;

    fn initial(&self) -> Self::State {
        vec![0; self.keys.len()].into()
    }

    fn step(&self, state: &Self::State, op: &MapOp) -> Option<Self::State> {
        let fits = match op {
            MapOp::Entry(key, op) => {
                let after = op.step(state[*key as usize])?;
                let mut state = state.clone();
                state[*key as usize] = after;
                return Some(state);
            }
            MapOp::PutAll(pairs) => {
                let mut state = state.clone();
                for (key, value) in pairs {
                    state[*key as usize] = *value;
                }
                return Some(state);
            }
            MapOp::Clear => return Some(self.initial()),
            MapOp::Size(told) => told.allows(&(present(state).count() as i64)),
            MapOp::IsEmpty(told) => told.allows(&(present(state).count() == 0)),
            MapOp::Keys(told) => tells(told, present(state).map(|pair| pair.0)),
            MapOp::Entries(told) => tells(told, present(state)),
            MapOp::GetAll(asked, told) => {
                tells(told, present(state).filter(|pair| asked.binary_search(&pair.0).is_ok()))
            }
        };
        fits.then(|| state.clone())
    }

    fn idle(&self, _: &Self::State, op: &MapOp) -> bool {
        match op {
            MapOp::Entry(_, op) => op.is_idle(),
            MapOp::PutAll(_) | MapOp::Clear => false,
            MapOp::Size(_)
            | MapOp::IsEmpty(_)
            | MapOp::Keys(_)
            | MapOp::Entries(_)
            | MapOp::GetAll(..) => true,
        }
    }

    fn blind(&self, op: &MapOp) -> bool {
        match op {
            MapOp::Entry(_, op) => self.keys.len() == 1 && op.is_blind(),
            MapOp::Clear => true,
            MapOp::PutAll(pairs) => pairs.len() == self.keys.len(),
            MapOp::Size(_)
            | MapOp::IsEmpty(_)
            | MapOp::Keys(_)
            | MapOp::Entries(_)
            | MapOp::GetAll(..) => false,
        }
    }

    fn describe(&self, state: &Self::State) -> Value {
        let pairs = present(state);
        Value::Object(Map::from_iter(
            pairs.map(|(key, value)| (self.keys[key as usize].clone(), self.values.value(value))),
        ))
    }
}
