//! One line of a history.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The first line of a file: which model judges what follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the format: 1.
    pub history: u32,
    /// What it is called in reports.
    pub name: String,
    /// The model that judges it.
    pub model: String,
    /// Parameters of the model.
    #[serde(default)]
    pub params: Map<String, Value>,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Process {
    /// A logical process of the workload: one open operation at a time, never used again after an
    /// operation of unknown outcome.
    Client(u64),
    /// Whatever else writes lines: `"nemesis"`.
    Named(String),
}

impl Process {
    /// Nobody: what a listener got is nobody's operation.
    pub fn nobody() -> Self {
        Self::Named(String::new())
    }

    /// Whether the line has no process.
    pub fn is_nobody(&self) -> bool {
        matches!(self, Self::Named(name) if name.is_empty())
    }
}

/// What a line says of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryType {
    /// It begins.
    Invoke,
    /// It happened.
    Ok,
    /// It did not happen and will not.
    Fail,
    /// Nobody knows; or a remark of the nemesis.
    Info,
    /// Something a listener got.
    Event,
}

/// One line. The order of lines is the real-time order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Rises by line.
    pub index: u64,
    /// Nanoseconds since the start of the run, monotonic.
    pub time: u64,
    /// Who; an event has nobody.
    #[serde(default = "Process::nobody", skip_serializing_if = "Process::is_nobody")]
    pub process: Process,
    /// What the line says.
    #[serde(rename = "type")]
    pub kind: EntryType,
    /// The operation; the same in invocation and completion.
    pub f: String,
    /// The object or the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    /// Argument, or the answer of a read. `Some(Value::Null)` is the absent value, written out;
    /// `None` means that the line has no such field.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub value: Option<Value>,
    /// What the operation told: old value, flag, new number, fencing token. Missing: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub result: Option<Value>,
    /// Lock owner or session endpoint; missing: the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Value>,
    /// Time to live, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// Which listener listens, or got it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// The value before, in an event.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub old: Option<Value>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// For people: the node that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

/// Keeps a written `null` apart from a missing field.
fn present<'de, D: serde::Deserializer<'de>>(field: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(field).map(Some)
}

/// A whole history.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// Model and parameters.
    pub header: Header,
    /// In order.
    pub entries: Vec<Entry>,
}

impl History {
    /// Numbers the lines anew, after some were added.
    pub fn number(&mut self) {
        for (index, entry) in self.entries.iter_mut().enumerate() {
            entry.index = index as u64;
        }
    }
}

impl Entry {
    /// A line with nothing but who, what and which operation; `Recorder` sets index and time.
    pub fn new(process: Process, kind: EntryType, f: &str) -> Self {
        Self {
            index: 0,
            time: 0,
            process,
            kind,
            f: f.to_owned(),
            key: None,
            value: None,
            result: None,
            client: None,
            ttl: None,
            listener: None,
            old: None,
            error: None,
            node: None,
            more: BTreeMap::new(),
        }
    }
}
