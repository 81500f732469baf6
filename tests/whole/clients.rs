//! Clients, and what they know: each answer is compared with what may be true.
//!
//! Each register has one writer, which numbers its values; after an outcome that nobody knows it
//! goes on with a new register. So a read is right if and only if it lies between what was answered
//! or read before it began, and what was asked for until it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use statekeeper::consensus::{Consensus, Consistency};
use statekeeper::raft::RaftNode;
use statekeeper_machine::{
    Answer, Blob, Caller, Command, CpCommand, Lifetime, MapChange, Name, Outcome, PutMode, Query,
    SubmitError,
};
use tokio::time::{sleep, timeout};

use crate::cluster::Live;
use crate::invariants;
use crate::network::Process;
use crate::random::Random;
use crate::trace;

/// A client waits for so long.
const PATIENCE: Duration = Duration::from_secs(3);
/// The map of the registers.
const REGISTERS: &str = "registers";
/// A number is written with so many digits, that a log soon is long enough to be compacted.
const VALUE_DIGITS: usize = 1500;
/// The map of the records that are made once.
const ONCE: &str = "once";
/// What stands before a text in a stored value: hash and type.
const BLOB_HEAD: [u8; 8] = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xf5];

#[derive(Debug, Default)]
struct Register {
    asked: u64,
    answered: u64,
    read: u64,
    /// Values of writes that were told not to have happened.
    refused: BTreeSet<u64>,
}

/// What all clients know together.
#[derive(Debug, Default)]
struct Known {
    registers: BTreeMap<String, Register>,
    ids: BTreeSet<i64>,
    asked_ids: i64,
    answers: u64,
    unknown: u64,
    stopped: bool,
}

/// The clients' knowledge, shared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Oracle(Arc<Mutex<Known>>);

/// One application.
pub(crate) struct Client {
    pub(crate) number: u64,
    pub(crate) random: Random,
    pub(crate) live: Live,
    pub(crate) oracle: Oracle,
}

/// What became of a call.
enum Told<T> {
    Answer(T),
    /// It did not happen.
    Refused,
    /// Nobody knows.
    Unknown,
}

fn blob(text: &str) -> Blob {
    let mut bytes = BLOB_HEAD.to_vec();
    bytes.extend_from_slice(text.as_bytes());
    Blob::new(Bytes::from(bytes)).unwrap()
}

fn put(map: &str, key: &str, value: &str, mode: PutMode) -> Command {
    let (ttl, max_idle) = (Lifetime::Default, Lifetime::Default);
    let change = MapChange::Put { key: blob(key), value: blob(value), ttl, max_idle, mode };
    Command::Map { map: Name::from(map), caller: Caller::default(), change }
}

impl Oracle {
    /// No client begins anything new.
    pub(crate) fn stop(&self) {
        self.0.lock().stopped = true;
    }

    /// Answers, and calls whose outcome nobody knows.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let known = self.0.lock();
        (known.answers, known.unknown)
    }

    /// Reads everything through one node.
    pub(crate) async fn read_all(&self, node: &RaftNode) {
        let keys: Vec<String> = self.0.lock().registers.keys().cloned().collect();
        for key in keys {
            let read = self.read(node, &key).await;
            assert!(read.is_some(), "Progress: {key} cannot be read");
        }
        let command = Command::Cp(CpCommand::GenerateThreadId { group: Name::from("default") });
        let drawn = self.draw(|| async { told(node.submit(command).await) }).await;
        assert!(drawn, "Progress: no id can be drawn");
    }

    /// `None`: there was no answer.
    async fn read(&self, node: &RaftNode, key: &str) -> Option<u64> {
        let floor = {
            let known = self.0.lock();
            let register = known.registers.get(key)?;
            register.answered.max(register.read)
        };
        let query = Query::MapGet { map: Name::from(REGISTERS), key: blob(key) };
        let answer = timeout(PATIENCE, node.read(query, Consistency::Linearizable)).await;
        let Ok(Ok(Answer::Value(value))) = answer else { return None };
        let text = value.map(|value| String::from_utf8(value.bytes()[8..].to_vec()).unwrap());
        let read = text.map_or(0, |text| text.parse().unwrap());
        let mut known = self.0.lock();
        known.answers += 1;
        let register = known.registers.get_mut(key)?;
        invariants::a_read_is_fresh(key, floor, read, register.asked);
        invariants::refused_is_refused(key, read, &register.refused);
        register.read = register.read.max(read);
        Some(read)
    }

    /// Draws an id by a call; whether there was an answer.
    async fn draw<F: Future<Output = Told<Outcome>>>(&self, call: impl FnOnce() -> F) -> bool {
        let floor = {
            let mut known = self.0.lock();
            known.asked_ids += 1;
            known.ids.last().copied().unwrap_or(0)
        };
        let told = call().await;
        let mut known = self.0.lock();
        match told {
            Told::Answer(Outcome::ThreadId(id)) => {
                let is_new = known.ids.insert(id);
                invariants::ids_are_drawn_once(floor, id, is_new);
                invariants::no_more_ids_than_asked_for(id, known.asked_ids);
                known.answers += 1;
                true
            }
            Told::Answer(other) => panic!("an answer of another kind: {other:?}"),
            Told::Refused => {
                known.asked_ids -= 1;
                false
            }
            Told::Unknown => {
                known.unknown += 1;
                false
            }
        }
    }
}

fn told(result: Result<Outcome, SubmitError>) -> Told<Outcome> {
    match result {
        Ok(outcome) => Told::Answer(outcome),
        Err(SubmitError::Unknown) => Told::Unknown,
        Err(
            SubmitError::Rejected(_)
            | SubmitError::NotProposed
            | SubmitError::Overloaded { .. }
            | SubmitError::ShuttingDown,
        ) => Told::Refused,
    }
}

impl Client {
    /// Asks one thing after the other until the oracle stops.
    pub(crate) async fn run(mut self) {
        let (mut registers, mut records) = (0, 0);
        let mut register = self.new_register(&mut registers);
        let mut node = 1 + self.random.below(3);
        while !self.oracle.0.lock().stopped {
            sleep(Duration::from_millis(1 + self.random.below(60))).await;
            if self.random.one_in(10) {
                node = 1 + self.random.below(5);
            }
            let Some((process, running)) = self.live.lock().get(&node).cloned() else {
                node = 1 + self.random.below(5);
                continue;
            };
            match self.random.below(10) {
                0..=3 => {
                    if !self.write(process, &running, &register).await {
                        register = self.new_register(&mut registers);
                    }
                }
                4..=7 => self.read(process, &running).await,
                8 => {
                    let group = Name::from("default");
                    let command = Command::Cp(CpCommand::GenerateThreadId { group });
                    let call = || self.call(process, &running, command);
                    self.oracle.draw(call).await;
                }
                _ => {
                    records += 1;
                    let key = format!("{}-{records}", self.number);
                    let command = put(ONCE, &key, "made", PutMode::IfAbsent);
                    let told = self.call(process, &running, command).await;
                    if let Told::Answer(Outcome::Value(there)) = told {
                        invariants::applied_exactly_once(&key, there.is_some());
                    }
                }
            }
        }
    }

    fn new_register(&self, count: &mut u64) -> String {
        *count += 1;
        let key = format!("{}-{count}", self.number);
        self.oracle.0.lock().registers.insert(key.clone(), Register::default());
        key
    }

    /// A command; what a process says that has ended meanwhile, nobody hears.
    async fn call(&self, process: Process, node: &RaftNode, command: Command) -> Told<Outcome> {
        let result = timeout(PATIENCE, node.submit(command)).await;
        if !self.lives(process) {
            return Told::Unknown;
        }
        result.map_or(Told::Unknown, told)
    }

    fn lives(&self, process: Process) -> bool {
        self.live.lock().get(&process.node).is_some_and(|(living, _)| *living == process)
    }

    /// False: nobody knows whether it was written.
    async fn write(&self, process: Process, node: &RaftNode, key: &str) -> bool {
        let value = {
            let mut known = self.oracle.0.lock();
            let register = known.registers.get_mut(key).unwrap();
            register.asked += 1;
            register.asked
        };
        let text = format!("{value:0VALUE_DIGITS$}");
        let told = self.call(process, node, put(REGISTERS, key, &text, PutMode::Set));
        let told = told.await;
        let mut known = self.oracle.0.lock();
        let known = &mut *known;
        let register = known.registers.get_mut(key).unwrap();
        match told {
            Told::Answer(Outcome::Done) => {
                known.answers += 1;
                register.answered = value;
                trace::add(format!("client {} wrote {key} = {value}", self.number));
                true
            }
            Told::Answer(other) => panic!("an answer of another kind: {other:?}"),
            Told::Refused => {
                register.refused.insert(value);
                trace::add(format!("client {} is refused {key} = {value}", self.number));
                true
            }
            Told::Unknown => {
                known.unknown += 1;
                trace::add(format!("client {} does not know {key} = {value}", self.number));
                false
            }
        }
    }

    async fn read(&mut self, process: Process, node: &RaftNode) {
        let key = {
            let known = self.oracle.0.lock();
            let count = known.registers.len() as u64;
            // The newest registers are where something happens; the older ones must stay as well.
            let at = usize::try_from(self.random.below(count)).unwrap();
            known.registers.keys().nth(at).cloned().unwrap()
        };
        if !self.lives(process) {
            return;
        }
        if let Some(read) = self.oracle.read(node, &key).await {
            trace::add(format!("client {} read {key} = {read}", self.number));
        }
    }
}
