//! Whatever a client sends, and whatever the cluster answers: no panic, and one answer for each
//! request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use statekeeper_machine::{
    Answer, EntryEventKind, Event, EventBatch, Fence, Name, Outcome, Rejection, SubmitError,
};
use statekeeper_protocol::{ClientMessage, messages};

use super::examples;
use super::talk::{Talk, sent};
use super::{blob, settings, view};
use crate::{Input, Output, Ticket};

/// One thing that happens to an endpoint.
#[derive(Clone, Debug)]
enum Happening {
    /// Bytes of a message.
    Message(Vec<u8>),
    /// Something open is answered, in any order.
    Complete(Index, Result<Outcome, SubmitError>),
    Answer(Index, Result<Answer, SubmitError>),
    Events {
        emitter: bool,
    },
    View(i32, Vec<u64>),
    Wait(u64),
}

fn outcome() -> impl Strategy<Value = Outcome> {
    select(vec![
        Outcome::Done,
        Outcome::Flag(true),
        Outcome::Value(Some(blob("old"))),
        Outcome::Count(3),
        Outcome::Waiting,
        Outcome::Fence(Fence(4)),
        Outcome::UnknownSessions(Vec::new()),
        Outcome::ThreadId(1),
        Outcome::IdBatch { base: 1 },
    ])
}

fn answer() -> impl Strategy<Value = Answer> {
    select(vec![
        Answer::Nothing,
        Answer::Flag(false),
        Answer::Count(u64::MAX),
        Answer::Value(None),
        Answer::Values(vec![blob("a")]),
        Answer::Entries(vec![(blob("a"), blob("b"))]),
        Answer::Record(None),
        Answer::Group(None),
        Answer::Objects(Vec::new()),
        Answer::Schema(Some(vec![1, 2, 3].into())),
        Answer::Sequences(vec![(Name::from("m"), 3)]),
    ])
}

fn error() -> impl Strategy<Value = SubmitError> {
    select(vec![
        SubmitError::Rejected(Rejection::NotLockOwner),
        SubmitError::Rejected(Rejection::StaleOrigin),
        SubmitError::NotProposed,
        SubmitError::ShuttingDown,
        SubmitError::Unknown,
    ])
}

/// A good request, of which some bytes may be others.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let good: Vec<Vec<u8>> = examples::all().into_iter().map(|example| example.bytes).collect();
    (select(good), prop::collection::vec((any::<Index>(), any::<u8>()), 0..4)).prop_map(
        |(mut bytes, changes)| {
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    )
}

/// A request of a type that exists, with arbitrary frames.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let types: Vec<u32> = messages::table().map(|entry| entry.message_type.0).collect();
    let flags = select(vec![0_u16, 0x1000, 0x0800, 0x0400]);
    let frame = (flags, prop::collection::vec(any::<u8>(), 0..40));
    (select(types), prop::collection::vec(any::<u8>(), 0..60), prop::collection::vec(frame, 0..8))
        .prop_map(|(message_type, fixed, frames)| {
            let mut content = message_type.to_le_bytes().to_vec();
            content.extend_from_slice(&[0; 12]);
            content.extend_from_slice(&fixed);
            let is_last = frames.is_empty();
            let mut bytes = encode(&content, if is_last { 0xe000 } else { 0xc000 });
            let count = frames.len();
            for (index, (flags, content)) in frames.into_iter().enumerate() {
                let last = if index + 1 == count { 0x2000 } else { 0 };
                bytes.extend_from_slice(&encode(&content, flags | last));
            }
            bytes
        })
}

fn encode(content: &[u8], flags: u16) -> Vec<u8> {
    let length = u32::try_from(content.len() + 6).unwrap();
    [&length.to_le_bytes()[..], &flags.to_le_bytes(), content].concat()
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => request().prop_map(Happening::Message),
        3 => frames().prop_map(Happening::Message),
        1 => prop::collection::vec(any::<u8>(), 0..64).prop_map(Happening::Message),
        3 => (any::<Index>(), prop::result::maybe_ok(outcome(), error()))
            .prop_map(|(which, result)| Happening::Complete(which, result)),
        3 => (any::<Index>(), prop::result::maybe_ok(answer(), error()))
            .prop_map(|(which, result)| Happening::Answer(which, result)),
        1 => any::<bool>().prop_map(|emitter| Happening::Events { emitter }),
        1 => (0..5_i32, prop::collection::vec(1..5_u64, 0..4))
            .prop_map(|(version, nodes)| Happening::View(version, nodes)),
        1 => (0..40_u64).prop_map(Happening::Wait),
    ]
}

/// Keeps the books: which requests were sent, which answers came.
struct Auditor {
    talk: Talk,
    sent: i64,
    open: BTreeSet<Ticket>,
    reads: BTreeSet<Ticket>,
    answers: BTreeMap<i64, usize>,
    closed: bool,
}

impl Auditor {
    fn new(talk: Talk) -> Self {
        Self {
            talk,
            sent: 1_000,
            open: BTreeSet::new(),
            reads: BTreeSet::new(),
            answers: BTreeMap::new(),
            closed: false,
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Message(bytes) => self.receive(bytes),
            Happening::Complete(which, result) => {
                if let Some(ticket) = pick(&self.open, which) {
                    self.open.remove(&ticket);
                    self.input(Input::Completed { ticket, result });
                }
            }
            Happening::Answer(which, result) => {
                if let Some(ticket) = pick(&self.reads, which) {
                    self.reads.remove(&ticket);
                    self.input(Input::Answered { ticket, result });
                }
            }
            Happening::Events { emitter } => self.input(Input::Events(Arc::new(events(emitter)))),
            Happening::View(version, nodes) => self.input(Input::View(view(version, &nodes))),
            Happening::Wait(seconds) => {
                self.talk.wait(Duration::from_secs(seconds));
                self.input(Input::Timeout);
            }
        }
    }

    /// Gives the message a correlation id of its own, if the bytes are a message at all.
    fn receive(&mut self, mut bytes: Vec<u8>) {
        if bytes.len() < 18 {
            return;
        }
        self.sent += 1;
        bytes[10..18].copy_from_slice(&self.sent.to_le_bytes());
        let Ok(message) = ClientMessage::parse(bytes.into()) else { return };
        if !self.closed {
            self.answers.insert(self.sent, 0);
        }
        self.input(Input::Message(message));
    }

    fn input(&mut self, input: Input) {
        for output in self.talk.input(input) {
            assert!(!self.closed, "{output:?} after the end");
            match output {
                Output::Send(_) => {
                    let message = sent(output);
                    if !message.is_event() {
                        *self.answers.entry(message.correlation_id().0).or_default() += 1;
                    }
                }
                Output::Submit { ticket, .. } => {
                    assert!(self.open.insert(ticket), "a ticket is given once");
                }
                Output::Read { ticket, .. } => {
                    assert!(self.reads.insert(ticket), "a ticket is given once");
                }
                Output::Authenticated(_) => {}
                Output::Close(_) => self.closed = true,
            }
        }
    }

    /// Answers all that is open; then every request has one answer, unless the conversation ended.
    fn settle(mut self) {
        while let Some(ticket) = self.open.pop_first() {
            self.input(Input::Completed { ticket, result: Err(SubmitError::Unknown) });
        }
        while let Some(ticket) = self.reads.pop_first() {
            self.input(Input::Answered { ticket, result: Err(SubmitError::Unknown) });
        }
        let summary = self.talk.endpoint.summary();
        if !self.closed {
            assert_eq!(summary.in_flight, 0);
        }
        for (correlation, count) in self.answers {
            assert!(count <= 1, "request {correlation} was answered {count} times");
            assert!(count == 1 || self.closed, "request {correlation} was never answered");
        }
    }
}

fn pick(tickets: &BTreeSet<Ticket>, which: Index) -> Option<Ticket> {
    (!tickets.is_empty()).then(|| *tickets.iter().nth(which.index(tickets.len())).unwrap())
}

fn events(emitter: bool) -> EventBatch {
    let entry = Event::MapEntry {
        map: Name::from("things"),
        key: blob("key"),
        value: Some(blob("value")),
        old_value: None,
        kind: EntryEventKind::Added,
    };
    let item = Event::SetItem { set: Name::from("things"), item: blob("i"), added: true };
    EventBatch { index: 1, emitter, gap: false, events: vec![entry, item] }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_request_has_one_answer_whatever_happens(
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let mut auditor = Auditor::new(Talk::new());
        happenings.into_iter().for_each(|one| auditor.happen(one));
        auditor.settle();
    }

    #[test]
    fn strangers_cannot_do_harm(happenings in prop::collection::vec(happening(), 1..12)) {
        let mut auditor = Auditor::new(Talk::stranger(settings()));
        happenings.into_iter().for_each(|one| auditor.happen(one));
        auditor.settle();
    }
}
