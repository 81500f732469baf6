//! The search for an order: Wing and Gong's, with Lowe's memory of configurations.
//!
//! The calls and returns of operations that returned stand in a doubly linked list. Before the
//! first return in it, each call may come next; a return met there ends the branch and undoes the
//! last choice. What was placed, with the state, goes into a hash set: the same configuration is
//! searched once. Operations of unknown outcome have no return and need not be placed.
//!
//! Four rules keep the search small; none loses an order (let one be chosen that places the fewest
//! unknown operations):
//! - an operation that returned, fits now and never changes anything is placed at once, for good;
//! - an unknown operation that changes nothing is not placed: unplaced it can do no less;
//! - of equal unknown operations the earliest goes first: it may be placed wherever another may;
//! - what follows an unknown operation must need it: were its effect the same without, the order
//!   without the unknown operation would do.

use std::hash::Hash;

use rustc_hash::{FxHashMap, FxHashSet};

use super::list::List;
use super::model::Model;
use super::placed::{Placed, Unknown};

/// One operation in the order of real time; moments are any numbers that rise.
#[derive(Clone, Debug)]
pub struct Call<O> {
    /// What was done and told.
    pub op: O,
    /// When it began.
    pub invoked: u64,
    /// When it was known to have happened; none: nobody knows.
    pub returned: Option<u64>,
    /// A call, by its place, that must have taken effect before.
    pub after: Option<usize>,
}

/// How much a search may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Steps of the model.
    pub steps: u64,
    /// Configurations kept, about 50 bytes each for small states.
    pub configurations: usize,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<S> {
    /// An order, as places in the calls.
    Order(Vec<usize>),
    /// There is none.
    Nothing {
        /// The call whose return no order reaches.
        stuck: usize,
        /// States in which orders end there, some of them.
        states: Vec<S>,
    },
    /// The limits were reached first.
    Unknown,
}

/// Searches for an order of the calls in which the model tells what was told. Also gives how many
/// steps it took.
pub fn search<M: Model>(
    model: &M,
    calls: &[Call<M::Op>],
    limits: Limits,
) -> (Found<M::State>, u64) {
    let mut search = Search::new(model, calls, limits);
    let found = search.run();
    (found, search.steps)
}

/// States of a violation that are kept.
const STATES_MAX: usize = 8;

#[derive(Clone, Copy, PartialEq)]
enum Choice {
    /// A call that returned, by its number among those.
    Known(u32),
    /// The next of a class of equal unknown calls.
    Unknown(u32),
}

/// The configuration before a choice, to come back to.
struct Frame<S> {
    choice: Choice,
    state: S,
    before_unknown: Option<S>,
    unknown: u32,
    /// Where to go on looking; none: this choice was the only one worth trying.
    resume: Option<Cursor>,
}

#[derive(Clone, Copy)]
enum Cursor {
    /// A place in the list.
    Known(u32),
    /// A class of unknown calls.
    Unknown(u32),
}

#[derive(PartialEq, Eq, Hash)]
struct Configuration<S> {
    placed: Placed,
    unknown: u32,
    state: S,
}

/// Where a call is kept.
#[derive(Clone, Copy)]
enum Place {
    Known(u32),
    Unknown { class: u32, rank: u32 },
}

struct Search<'a, M: Model> {
    model: &'a M,
    calls: &'a [Call<M::Op>],
    limits: Limits,
    steps: u64,
    list: List,
    /// Calls that returned, by number.
    known: Vec<u32>,
    /// Where each call is kept.
    places: Vec<Place>,
    /// Equal unknown calls in the order of their invocation.
    classes: Vec<Vec<u32>>,
    placed: super::placed::Known,
    unknown: Unknown,
    state: M::State,
    /// The state before the last choice, if that was an unknown call.
    before_unknown: Option<M::State>,
    stack: Vec<Frame<M::State>>,
    seen: FxHashSet<Configuration<M::State>>,
    furthest: u32,
    states: Vec<M::State>,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M, calls: &'a [Call<M::Op>], limits: Limits) -> Self {
        let mut known: Vec<u32> = Vec::new();
        let mut classes: Vec<Vec<u32>> = Vec::new();
        let mut class_of: FxHashMap<(&M::Op, Option<usize>), usize> = FxHashMap::default();
        let mut order: Vec<u32> = (0..calls.len() as u32).collect();
        order.sort_by_key(|call| calls[*call as usize].invoked);
        let mut places = vec![Place::Known(0); calls.len()];
        for at in order {
            let call = &calls[at as usize];
            if call.returned.is_some() {
                places[at as usize] = Place::Known(known.len() as u32);
                known.push(at);
                continue;
            }
            let class = *class_of.entry((&call.op, call.after)).or_insert_with(|| {
                classes.push(Vec::new());
                classes.len() - 1
            });
            let rank = classes[class].len() as u32;
            places[at as usize] = Place::Unknown { class: class as u32, rank };
            classes[class].push(at);
        }
        let moments = known.iter().map(|call| {
            let call = &calls[*call as usize];
            (call.invoked, call.returned.unwrap_or(u64::MAX))
        });
        let list = List::new(moments);
        Self {
            model,
            calls,
            limits,
            steps: 0,
            list,
            placed: super::placed::Known::new(known.len()),
            unknown: Unknown::new(),
            known,
            places,
            classes,
            state: model.initial(),
            before_unknown: None,
            stack: Vec::new(),
            seen: FxHashSet::default(),
            furthest: 0,
            states: Vec::new(),
        }
    }

    fn run(&mut self) -> Found<M::State> {
        loop {
            if self.list.is_empty() {
                return Found::Order(self.stack.iter().map(|frame| self.call(frame)).collect());
            }
            if self.steps > self.limits.steps || self.remembered() > self.limits.configurations {
                return Found::Unknown;
            }
            if let Some(entry) = self.harmless() {
                let state = self.state.clone();
                self.place(Choice::Known(self.list.owner(entry)), state, None);
                continue;
            }
            self.remark();
            let mut cursor = self.first_visit().then(|| Cursor::Known(self.list.first()));
            loop {
                if let Some((choice, state, resume)) = cursor.and_then(|from| self.next(from)) {
                    self.place(choice, state, Some(resume));
                    break;
                }
                match self.undo() {
                    Some(resume) => cursor = Some(resume),
                    None => return self.nothing(),
                }
            }
        }
    }

    /// The call that a frame placed.
    fn call(&self, frame: &Frame<M::State>) -> usize {
        match frame.choice {
            Choice::Known(number) => self.known[number as usize] as usize,
            Choice::Unknown(class) => {
                let used = self.unknown.used_in(frame.unknown, class);
                self.classes[class as usize][used as usize] as usize
            }
        }
    }

    fn remembered(&self) -> usize {
        self.seen.len() + self.placed.remembered() + self.unknown.remembered()
    }

    /// Whether what the call waits for took effect.
    fn ready(&self, call: &Call<M::Op>) -> bool {
        match call.after.map(|after| self.places[after]) {
            None => true,
            Some(Place::Known(number)) => self.placed.contains(number),
            Some(Place::Unknown { class, rank }) => self.unknown.used(class) > rank,
        }
    }

    /// A call that may come next, fits, and changes nothing, now or later.
    fn harmless(&mut self) -> Option<u32> {
        let mut entry = self.list.first();
        while self.list.is_call(entry) {
            let call = self.known_call(self.list.owner(entry));
            if self.ready(call) && self.model.idle(&self.state, &call.op) {
                self.steps += 1;
                if self.model.step(&self.state, &call.op).as_ref() == Some(&self.state) {
                    return Some(entry);
                }
            }
            entry = self.list.next(entry);
        }
        None
    }

    /// Keeps the states in which the search came furthest.
    fn remark(&mut self) {
        let stuck = self.list.first_return();
        if stuck > self.furthest {
            self.furthest = stuck;
            self.states.clear();
        }
        if stuck == self.furthest
            && self.states.len() < STATES_MAX
            && !self.states.contains(&self.state)
        {
            self.states.push(self.state.clone());
        }
    }

    fn first_visit(&mut self) -> bool {
        self.seen.insert(Configuration {
            placed: self.placed.image(),
            unknown: self.unknown.image(),
            state: self.state.clone(),
        })
    }

    /// The next choice worth trying, with the state after it and where to look after that.
    fn next(&mut self, from: Cursor) -> Option<(Choice, M::State, Cursor)> {
        let mut class = match from {
            Cursor::Unknown(class) => class,
            Cursor::Known(mut entry) => {
                while self.list.is_call(entry) {
                    let number = self.list.owner(entry);
                    let after = self.list.next(entry);
                    if let Some(state) = self.try_known(number) {
                        return Some((Choice::Known(number), state, Cursor::Known(after)));
                    }
                    entry = after;
                }
                0
            }
        };
        while (class as usize) < self.classes.len() {
            if let Some(state) = self.try_unknown(class) {
                return Some((Choice::Unknown(class), state, Cursor::Unknown(class + 1)));
            }
            class += 1;
        }
        None
    }

    fn try_known(&mut self, number: u32) -> Option<M::State> {
        let call = self.known_call(number);
        if !self.ready(call) {
            return None;
        }
        self.steps += 1;
        let after = self.model.step(&self.state, &call.op)?;
        self.needed(&call.op, &after).then_some(after)
    }

    fn try_unknown(&mut self, class: u32) -> Option<M::State> {
        let call = self.available(class)?;
        self.steps += 1;
        let after = self.model.step(&self.state, &call.op)?;
        let tried = after != self.state && self.needed(&call.op, &after);
        (tried && self.leads_on(class, &after)).then_some(after)
    }

    fn known_call(&self, number: u32) -> &'a Call<M::Op> {
        let calls = self.calls;
        &calls[self.known[number as usize] as usize]
    }

    /// The next call of a class, if it has begun by the first return.
    fn available(&self, class: u32) -> Option<&'a Call<M::Op>> {
        let calls = self.calls;
        let used = self.unknown.used(class) as usize;
        let call = &calls[*self.classes[class as usize].get(used)? as usize];
        let begun = call.invoked < self.list.moment(self.list.first_return());
        (begun && self.ready(call)).then_some(call)
    }

    /// Whether the operation needs the unknown one placed just before it.
    fn needed(&mut self, op: &M::Op, after: &M::State) -> bool {
        let Some(before) = &self.before_unknown else { return true };
        self.steps += 1;
        self.model.step(before, op).as_ref() != Some(after)
    }

    /// Whether anything that may follow needs the unknown call that leads to this state.
    fn leads_on(&mut self, class: u32, after: &M::State) -> bool {
        let mut entry = self.list.first();
        while self.list.is_call(entry) {
            let call = self.known_call(self.list.owner(entry));
            // What waits for this very call is not ready yet: let the search find out.
            if !self.ready(call) || self.differs(&call.op, after) {
                return true;
            }
            entry = self.list.next(entry);
        }
        let placed = self.classes[class as usize][self.unknown.used(class) as usize];
        let waits = |call: &Call<M::Op>| call.after == Some(placed as usize);
        let next = |other: u32| {
            let used = self.unknown.used(other) as usize;
            let at = self.classes[other as usize].get(used)?;
            Some(&self.calls[*at as usize])
        };
        if (0..self.classes.len() as u32).filter_map(next).any(waits) {
            return true;
        }
        for other in 0..self.classes.len() as u32 {
            if let Some(call) = self.available(other)
                && other != class
                && !self.model.blind(&call.op)
                && self.differs(&call.op, after)
            {
                return true;
            }
        }
        // The next of the same class may build on this one, as increments do.
        let used = self.unknown.used(class) as usize;
        let more = self.classes[class as usize].get(used + 1);
        more.is_some_and(|at| !self.model.blind(&self.calls[*at as usize].op))
    }

    /// Whether the operation fits in that state, and not to the same end in the present one.
    fn differs(&mut self, op: &M::Op, after: &M::State) -> bool {
        self.steps += 2;
        let with = self.model.step(after, op);
        with.is_some() && with != self.model.step(&self.state, op)
    }

    fn place(&mut self, choice: Choice, state: M::State, resume: Option<Cursor>) {
        let unknown = self.unknown.image();
        let before = std::mem::replace(&mut self.state, state);
        let before_unknown = match choice {
            Choice::Known(number) => {
                self.list.lift(number);
                self.placed.insert(number);
                self.before_unknown.take()
            }
            Choice::Unknown(class) => {
                self.unknown.insert(class);
                self.before_unknown.replace(before.clone())
            }
        };
        self.stack.push(Frame { choice, state: before, before_unknown, unknown, resume });
    }

    /// Takes the last choice back, and with it all that were made for good after it.
    fn undo(&mut self) -> Option<Cursor> {
        loop {
            let frame = self.stack.pop()?;
            match frame.choice {
                Choice::Known(number) => {
                    self.list.unlift(number);
                    self.placed.remove(number);
                }
                Choice::Unknown(_) => self.unknown.restore(frame.unknown),
            }
            self.state = frame.state;
            self.before_unknown = frame.before_unknown;
            if frame.resume.is_some() {
                return frame.resume;
            }
        }
    }

    fn nothing(&mut self) -> Found<M::State> {
        let stuck = self.known[self.list.owner(self.furthest) as usize] as usize;
        Found::Nothing { stuck, states: std::mem::take(&mut self.states) }
    }
}
