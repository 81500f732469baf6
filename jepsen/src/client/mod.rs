//! What performs an operation of a workload, and what became of it.
//!
//! - `outcome`: THE table from errors to `fail`, `info` and violations.
//! - `hazelcast`: the native client, on our codec and nothing else of the server.
//! - `http`: through the admin API.
//! - `driver`: through unmodified Java and Python clients in child processes.
//! - `reference`: an object in memory that is always right, and its spoilt twins.
//! - `counter`: a counter on a map, of whatever client.
//! - `exercise`: every operation once, with the answer that every client must give.

mod answer;
mod counter;
pub mod driver;
pub mod exercise;
pub mod hazelcast;
pub mod http;
mod listener;
mod outcome;
pub mod reference;

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use listener::Listener;
pub use outcome::{Effect, Failure};

/// One operation as a generator asks for it; fields as in a line of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Op {
    /// The kind of object: `map`, `set`, `lock`, `flake`, `counter` (a key of a map), `session` (of
    /// the client's locks), `admin`.
    pub object: String,
    /// The name of the object on the server.
    pub name: String,
    /// The operation, in the words of the models: `put`, `cas`, `acquire`, `generate` …
    pub f: String,
    /// The key inside the object, where it has keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    /// The argument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Time to live, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
}

/// What a client knows after an operation. The three must never mix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "type")]
pub enum Outcome {
    /// It happened, and this is what it told.
    Ok {
        /// The answer of a read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Value>,
        /// What a change told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
    },
    /// It did not happen and never will.
    Fail {
        /// Why.
        error: String,
    },
    /// Nobody knows.
    Info {
        /// Why.
        error: String,
    },
    /// An answer outside the protocol: a violation at once.
    Violation {
        /// What is wrong with it.
        error: String,
    },
}

/// Something a listener got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListenerEvent {
    /// Which listener.
    pub listener: String,
    /// `added`, `updated`, `removed`, `expired` …
    pub f: String,
    /// The key.
    pub key: Value,
    /// The new value, if any.
    pub value: Option<Value>,
    /// The value before, if any.
    pub old: Option<Value>,
}

/// One logical process's way to the cluster. It repeats nothing by itself.
pub trait Client: Send {
    /// Performs one operation within the time; after `Info` the client is thrown away.
    fn call<'a>(&'a mut self, op: &'a Op, within: Duration) -> BoxFuture<'a, Outcome>;

    /// The node it talks to, for the history.
    fn node(&self) -> Option<String>;

    /// The CP session that holds this client's locks, if it has one.
    fn session(&self) -> Option<SessionSeen> {
        None
    }

    /// Listens to a map, or to one key of it, until the listener is dropped or lost.
    fn listen<'a>(
        &'a mut self,
        wanted: &'a Listen,
        within: Duration,
    ) -> BoxFuture<'a, Result<Listener, Outcome>> {
        let _ = (wanted, within);
        let error = "this client has no listeners".to_owned();
        Box::pin(std::future::ready(Err(Outcome::Fail { error })))
    }
}

/// What a listener is to hear.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// What its events are marked with; no other of the run has it.
    pub listener: String,
    /// The map.
    pub map: String,
    /// One key, or all.
    pub key: Option<Value>,
}

/// What a client knows of its CP session.
#[derive(Clone, Copy, Debug)]
pub struct SessionSeen {
    /// When the last heartbeat that was answered had been sent; before the first one, when the
    /// session had been asked for.
    pub renewed_at: Instant,
    /// How long the session lives without one.
    pub time_to_live: Duration,
}
