//! Sets too big for a search of the whole: each element by itself, a read seen as the answer
//! whether the element is there.
//!
//! - lost: acknowledged, and missing in a later read though nothing removes it;
//! - flicker: seen, and missing in a later read though nothing removes it;
//! - phantom: seen before anyone adds it, or after it was removed for good;
//! - duplicate: twice in one read; inconsistent: any other answer that no order explains.

use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::Value;

use super::model::Model;
use super::models::{SetObject, SetOp, Told, flag};
use super::operation::Operation;
use super::verdict::CheckerResult;
use super::wgl::{Call, Found, Limits, search};
use crate::history::Malformed;

/// One wrong element.
pub(crate) struct Wrong {
    pub(crate) element: Value,
    /// `lost`, `flicker`, `phantom`, `duplicate` or `inconsistent`.
    pub(crate) kind: &'static str,
    /// Operations that show it.
    pub(crate) operations: Vec<usize>,
}

/// What is known of a set.
pub(crate) struct SetFull {
    /// Figures.
    pub(crate) result: CheckerResult,
    /// Wrong elements in the order of their appearance.
    pub(crate) wrong: Vec<Wrong>,
    /// Elements on which the budget ended first.
    pub(crate) unknown: Vec<Value>,
}

/// Judges one big set.
///
/// # Errors
/// An operation that is none of a set, or lacks something.
pub(crate) fn judge(operations: &[Operation<'_>], limits: Limits) -> Result<SetFull, Malformed> {
    let mut gathered = Gathered::default();
    for (at, operation) in operations.iter().enumerate() {
        gathered.add(at, operation)?;
    }
    let mut full = SetFull {
        result: CheckerResult::new(),
        wrong: gathered.twice.drain(..).collect(),
        unknown: Vec::new(),
    };
    full.result.count("elements", gathered.elements.len() as u64);
    for number in 0..gathered.elements.len() {
        gathered.judge_element(number as u32, operations, limits, &mut full)?;
    }
    for wrong in &full.wrong {
        full.result.count(wrong.kind, 1);
    }
    Ok(full)
}

#[derive(Default)]
struct Gathered<'a> {
    numbers: FxHashMap<String, u32>,
    elements: Vec<Element<'a>>,
    reads: Vec<Read>,
    clears: Vec<usize>,
    twice: Vec<Wrong>,
}

struct Element<'a> {
    value: &'a Value,
    /// Operations on it alone.
    operations: Vec<usize>,
}

struct Read {
    operation: usize,
    seen: FxHashSet<u32>,
}

impl<'a> Gathered<'a> {
    fn number(&mut self, value: &'a Value) -> u32 {
        let next = self.elements.len() as u32;
        let number = *self.numbers.entry(value.to_string()).or_insert(next);
        if number == next {
            self.elements.push(Element { value, operations: Vec::new() });
        }
        number
    }

    fn add(&mut self, at: usize, operation: &Operation<'a>) -> Result<(), Malformed> {
        match operation.f() {
            "add" | "remove" | "contains" => {
                let number = self.number(operation.argument()?);
                self.elements[number as usize].operations.push(at);
            }
            "read" => {
                let Some(told) = operation.answer() else { return Ok(()) };
                let mut seen = FxHashSet::default();
                let Some(told) = told.as_array() else {
                    let element = told.clone();
                    self.twice.push(Wrong { element, kind: "inconsistent", operations: vec![at] });
                    return Ok(());
                };
                for value in told {
                    if !seen.insert(self.number(value)) {
                        let element = value.clone();
                        self.twice.push(Wrong { element, kind: "duplicate", operations: vec![at] });
                    }
                }
                self.reads.push(Read { operation: at, seen });
            }
            "clear" => self.clears.push(at),
            // How many there are says nothing of one element.
            "size" | "is-empty" => {}
            _ => return Err(operation.malformed("is not an operation of a set")),
        }
        Ok(())
    }

    fn judge_element(
        &self,
        number: u32,
        operations: &[Operation<'_>],
        limits: Limits,
        full: &mut SetFull,
    ) -> Result<(), Malformed> {
        let element = &self.elements[number as usize];
        let shape = Shape::of(number, element, &self.reads, operations);
        full.result.count("acknowledged", u64::from(shape.acknowledged.is_some()));
        full.result.count("never-seen", u64::from(shape.seen.is_none()));
        let simple = self.clears.is_empty() && shape.simple;
        let fits = if simple {
            shape.fits()
        } else {
            let built = self.project(number, operations)?;
            let (found, steps) = search(&built.0, &built.1, limits);
            full.result.count("steps", steps);
            match found {
                Found::Order(_) => true,
                Found::Nothing { .. } => false,
                Found::Unknown => {
                    full.unknown.push(element.value.clone());
                    return Ok(());
                }
            }
        };
        if !fits {
            let (kind, operations) = shape.explain(&element.operations);
            full.wrong.push(Wrong { element: element.value.clone(), kind, operations });
        }
        Ok(())
    }

    /// The set as if it had this element alone.
    fn project(
        &self,
        number: u32,
        operations: &[Operation<'_>],
    ) -> Result<(SetObject, Vec<Call<SetOp>>), Malformed> {
        let element = &self.elements[number as usize];
        let own = element.operations.iter().map(|at| operations[*at]).collect::<Vec<_>>();
        let mut built = SetObject::build(&own)?;
        // The absent value has number 0, the only element has the next, if anything names it.
        let only = u32::from(!own.is_empty() && !element.value.is_null());
        let mut add = |at: usize, op: SetOp| {
            let (invoked, returned) = (operations[at].invoked, operations[at].returned);
            let returned = returned.map(|at| at as u64);
            built.calls.push(Call { op, invoked: invoked as u64, returned, after: None });
        };
        for read in &self.reads {
            let seen = read.seen.contains(&number);
            add(read.operation, SetOp::Contains(only, Told::This(seen)));
        }
        for clear in &self.clears {
            add(*clear, SetOp::Clear);
        }
        debug_assert!(built.model.initial().len() == 1);
        Ok((built.model, built.calls))
    }
}

/// What decides on an element that is added once and never removed.
struct Shape {
    simple: bool,
    invoked: Option<usize>,
    acknowledged: Option<usize>,
    /// The completion of the first read that saw it, with the read.
    seen: Option<(usize, usize)>,
    /// The invocation of the last read that missed it, with the read.
    missed: Option<(usize, usize)>,
}

impl Shape {
    fn of(
        number: u32,
        element: &Element<'_>,
        reads: &[Read],
        operations: &[Operation<'_>],
    ) -> Self {
        let mut shape =
            Self { simple: true, invoked: None, acknowledged: None, seen: None, missed: None };
        for operation in element.operations.iter().map(|at| &operations[*at]) {
            let refused = flag(operation.result()) == Told::This(false);
            shape.simple &= operation.f() == "add" && !refused && shape.invoked.is_none();
            if operation.f() == "add" {
                let invoked = shape.invoked.get_or_insert(operation.invoked);
                *invoked = (*invoked).min(operation.invoked);
                let ends = [shape.acknowledged, operation.returned];
                shape.acknowledged = ends.into_iter().flatten().min();
            }
        }
        for read in reads {
            let operation = &operations[read.operation];
            let Some(returned) = operation.returned else { continue };
            if read.seen.contains(&number) {
                let first = shape.seen.get_or_insert((returned, read.operation));
                *first = (*first).min((returned, read.operation));
            } else {
                let last = shape.missed.get_or_insert((operation.invoked, read.operation));
                *last = (*last).max((operation.invoked, read.operation));
            }
        }
        shape
    }

    fn lost(&self) -> bool {
        matches!((self.acknowledged, self.missed), (Some(at), Some((missed, _))) if missed > at)
    }

    fn flickers(&self) -> bool {
        matches!((self.seen, self.missed), (Some((seen, _)), Some((missed, _))) if missed > seen)
    }

    fn phantom(&self) -> bool {
        match (self.seen, self.invoked) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some((seen, _)), Some(invoked)) => seen < invoked,
        }
    }

    fn fits(&self) -> bool {
        !self.lost() && !self.flickers() && !self.phantom()
    }

    fn explain(&self, own: &[usize]) -> (&'static str, Vec<usize>) {
        let kind = match self.simple {
            _ if self.phantom() => "phantom",
            true if self.lost() => "lost",
            true => "flicker",
            false => "inconsistent",
        };
        let reads = [self.seen, self.missed].into_iter().flatten().map(|(_, read)| read);
        (kind, own.iter().copied().chain(reads).collect())
    }
}
