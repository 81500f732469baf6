//! What performs an operation of a workload, and what became of it.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

/// One operation as a generator asks for it; fields as in a line of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Op {
    /// The kind of object: `map`, `set`, `lock`, `flake`, `admin`.
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

    /// Asks for the events of a whole map, with values. The channel closes when the listener is
    /// lost.
    fn listen<'a>(&'a mut self, _map: &'a str, _name: &'a str) -> BoxFuture<'a, Listening> {
        Box::pin(async { Err("this client has no listeners".to_owned()) })
    }
}

/// Events on their way, or why there will be none.
pub type Listening = Result<mpsc::Receiver<ListenerEvent>, String>;

/// What a client knows of its CP session.
#[derive(Clone, Copy, Debug)]
pub struct SessionSeen {
    /// When the last heartbeat that was answered had been sent; before the first one, when the
    /// session had been asked for.
    pub renewed_at: Instant,
    /// How long the session lives without one.
    pub time_to_live: Duration,
}
