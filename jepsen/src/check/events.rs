//! What a listener got, against what was done: per listener and key one search for an order in
//! which each change, while the listener was registered, sends the next event.
//!
//! An event is sent before its line, so its cause was invoked before it. Before `listen` is
//! acknowledged and from when `unlisten` begins a change may send its event, late, or none.

use serde_json::{Map, Value, json};

use super::model::Model;
use super::models::{Built, EntryOp, Source, Told, Values};
use super::operation::Operation;
use super::wgl::Call;
use crate::history::{Entry, EntryType, Malformed};

/// One key and what one listener got of it.
pub(crate) struct Events {
    events: Vec<Event>,
    values: Values,
}

struct Event {
    kind: Kind,
    value: Told<u32>,
    old: Told<u32>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Added,
    Updated,
    Removed,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EventsOp {
    /// A change.
    Change(EntryOp),
    /// From here on changes must send their events, or may.
    Registered(bool),
    /// The listener got this event.
    Got(u32),
}

/// One way things may stand.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Way {
    value: u32,
    /// Events before this one are sent.
    sent: u32,
    /// Events after it that are sent all the same: late ones of unregistered times.
    late: Vec<u32>,
}

/// All ways things may stand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EventsState {
    registered: bool,
    ways: Vec<Way>,
}

/// What one listener has to do with one key.
pub(crate) struct Part<'a> {
    /// Operations on the key.
    pub(crate) operations: &'a [Operation<'a>],
    /// `listen` and `unlisten` of the listener.
    pub(crate) registrations: &'a [Operation<'a>],
    /// Places of the events among the entries.
    pub(crate) events: &'a [usize],
}

impl Events {
    pub(crate) fn build(part: &Part<'_>, entries: &[Entry]) -> Result<Built<Self>, Malformed> {
        let mut values = Values::new();
        let model = Self { events: Vec::new(), values: Values::new() };
        let mut built = Built::new(part.operations, model, |operation| {
            let op = EntryOp::parse(operation, &mut values)?;
            Ok(op.map(EventsOp::Change))
        })?;
        for registration in part.registrations {
            match (registration.f(), registration.returned) {
                ("listen", Some(at)) => built.at(at, EventsOp::Registered(true)),
                ("unlisten", _) => built.at(registration.invoked, EventsOp::Registered(false)),
                _ => {}
            }
        }
        for (number, at) in part.events.iter().enumerate() {
            built.at(*at, EventsOp::Got(number as u32));
            built.model.events.push(event(&entries[*at], *at, &mut values)?);
        }
        built.model.values = values;
        Ok(built)
    }

    /// Ways after one event more, of those it may be.
    fn send(&self, way: &Way, after: u32, registered: bool) -> Vec<Way> {
        let fits = |number: u32| self.events[number as usize].tells(way.value, after);
        let mut ways = Vec::new();
        let all = self.events.len() as u32;
        let last = if registered { all.min(way.sent + 1) } else { all };
        for number in (way.sent..last).filter(|number| !way.late.contains(number) && fits(*number))
        {
            ways.push(way.sending(number, after));
        }
        if !registered {
            ways.push(Way { value: after, ..way.clone() });
        }
        ways
    }
}

impl Built<Events> {
    /// Adds something that happens at a line.
    fn at(&mut self, line: usize, op: EventsOp) {
        let moment = line as u64;
        let call = Call { op, invoked: moment, returned: Some(moment), after: None };
        self.push(call, Source { invoked: line, returned: Some(line), meaning: None });
    }
}

impl Way {
    fn sending(&self, number: u32, value: u32) -> Self {
        let mut way = Self { value, ..self.clone() };
        way.late.push(number);
        way.late.sort_unstable();
        while way.late.first() == Some(&way.sent) {
            way.late.remove(0);
            way.sent += 1;
        }
        way
    }
}

impl Event {
    fn tells(&self, before: u32, after: u32) -> bool {
        let kind = match (before, after) {
            (0, _) => Kind::Added,
            (_, 0) => Kind::Removed,
            _ => Kind::Updated,
        };
        // Some listeners tell the removed value twice.
        let value = self.value.allows(&after) || (after == 0 && self.value.allows(&before));
        kind == self.kind && value && self.old.allows(&before)
    }
}

fn event(entry: &Entry, line: usize, values: &mut Values) -> Result<Event, Malformed> {
    let kind = match entry.f.as_str() {
        "added" => Kind::Added,
        "updated" => Kind::Updated,
        "removed" => Kind::Removed,
        other => return Err(Malformed::at(line + 2, format!("{other:?} is no event"))),
    };
    let mut read =
        |field: &Option<Value>| Told::read(field.as_ref(), |value| Some(values.number(value)));
    Ok(Event { kind, value: read(&entry.value), old: read(&entry.old) })
}

/// Whether a line is an event of a key for a listener.
pub(crate) fn is_event(entry: &Entry) -> bool {
    entry.kind == EntryType::Event
}

impl Model for Events {
    type Op = EventsOp;
    type State = EventsState;

    fn initial(&self) -> EventsState {
        let way = Way { value: 0, sent: 0, late: Vec::new() };
        EventsState { registered: false, ways: vec![way] }
    }

    fn step(&self, state: &EventsState, op: &EventsOp) -> Option<EventsState> {
        let registered = match op {
            EventsOp::Registered(registered) => *registered,
            EventsOp::Change(_) | EventsOp::Got(_) => state.registered,
        };
        let mut ways: Vec<Way> = match op {
            EventsOp::Registered(_) => state.ways.clone(),
            EventsOp::Got(number) => {
                let got = |way: &&Way| *number < way.sent || way.late.contains(number);
                state.ways.iter().filter(got).cloned().collect()
            }
            EventsOp::Change(op) => {
                let after = |way: &Way| match op.step(way.value) {
                    None => Vec::new(),
                    Some(_) if !op.writes(way.value) => vec![way.clone()],
                    Some(after) => self.send(way, after, registered),
                };
                state.ways.iter().flat_map(after).collect()
            }
        };
        ways.sort_unstable();
        ways.dedup();
        (!ways.is_empty()).then_some(EventsState { registered, ways })
    }

    fn idle(&self, _: &EventsState, op: &EventsOp) -> bool {
        match op {
            EventsOp::Change(op) => op.is_idle(),
            EventsOp::Registered(_) => false,
            EventsOp::Got(_) => true,
        }
    }

    fn describe(&self, state: &EventsState) -> Value {
        let ways = state
            .ways
            .iter()
            .map(|way| json!({ "value": self.values.value(way.value), "events sent": way.sent }));
        let ways: Vec<Value> = ways.collect();
        Value::Object(Map::from_iter([
            ("registered".to_owned(), Value::from(state.registered)),
            ("ways".to_owned(), Value::from(ways)),
        ]))
    }
}
