//! Who asks what, by seed, and which model judges it.
//!
//! A workload is a function of the seed and of what its workers were answered: it asks no clock and
//! no node, so that the same code drives real clusters, the reference server and simulations.

mod counter;
mod discovery;
mod events;
mod ids;
mod keys;
mod lock;
mod map_entry;
mod map_whole;
mod openlookeng;
mod register;
mod set_full;
mod ttl;

use std::time::Duration;

use anyhow::bail;
use rand::rngs::StdRng;
use serde_json::{Map, Value};

use crate::client::{Op, Outcome};

/// An operation and where it belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The object that is judged by itself: histories are split by it.
    pub object: String,
    /// What to ask.
    pub op: Op,
    /// How long the client waits for the answer.
    pub within: Duration,
}

/// A listener that a worker keeps for the whole run.
#[derive(Clone, Debug, PartialEq)]
pub struct Listens {
    /// Name of the map.
    pub map: String,
}

/// A generator of operations. `worker` counts from 0 and stays the same when a process ends.
pub trait Workload: Send {
    /// The model that judges each object, and its parameters.
    fn model(&self) -> (&'static str, Map<String, Value>);

    /// How many workers ask at a time.
    fn workers(&self) -> usize;

    /// What a worker does next.
    fn next(&mut self, worker: usize, random: &mut StdRng) -> Asked;

    /// What became of it.
    fn done(&mut self, worker: usize, asked: &Asked, outcome: &Outcome);

    /// What is asked one after the other when all faults are healed; all of it must be answered.
    fn last(&mut self) -> Vec<Asked>;

    /// Listeners that are there from the start, each on another node.
    fn listeners(&self) -> Vec<Listens> {
        Vec::new()
    }

    /// How long a worker rests after each operation.
    fn pace(&self) -> Duration {
        Duration::from_millis(2)
    }
}

/// How long an ordinary operation waits for its answer: twice the default election time-out.
pub const WITHIN: Duration = Duration::from_secs(2);
/// How long one that waits for a lock does.
pub const WITHIN_LOCK: Duration = Duration::from_secs(5);

/// Registers of nodes that find each other by a seed directory.
pub const SEED_DIRECTORY: &str = "seed-directory";
/// Readers of the record that servers keep for the coordinators beside them.
pub const DISCOVERY_RECORD: &str = "discovery-record";
/// All of them by name, as the command line takes them.
pub const NAMES: [&str; 14] = [
    "register",
    "map-entry",
    "map-whole",
    "set-full",
    "counter",
    "lock",
    "lock-reentrant",
    "lock-session",
    "ids",
    "events",
    "ttl",
    "mix-openlookeng",
    DISCOVERY_RECORD,
    SEED_DIRECTORY,
];

/// The workload of a name.
///
/// # Errors
/// There is none of that name.
pub fn by_name(name: &str) -> anyhow::Result<Box<dyn Workload>> {
    Ok(match name {
        "register" | SEED_DIRECTORY => Box::new(register::Register::new()),
        "map-entry" => Box::new(map_entry::MapEntry::new()),
        "map-whole" => Box::new(map_whole::MapWhole::new()),
        "set-full" => Box::new(set_full::SetFull::new()),
        "counter" => Box::new(counter::Counter::new()),
        "lock" => Box::new(lock::Lock::plain()),
        "lock-reentrant" => Box::new(lock::Lock::reentrant()),
        "lock-session" => Box::new(lock::Lock::with_dying_holders()),
        "ids" => Box::new(ids::Ids::new()),
        "events" => Box::new(events::Events::new()),
        "ttl" => Box::new(ttl::Ttl::new()),
        "mix-openlookeng" => Box::new(openlookeng::OpenLooKeng::new()),
        DISCOVERY_RECORD => Box::new(discovery::DiscoveryRecord),
        other => bail!("there is no workload {other:?}: choose one of {}", NAMES.join(", ")),
    })
}

/// An operation on a map.
fn on_map(name: &str, f: &str, key: Option<Value>, value: Option<Value>) -> Op {
    Op { object: "map".to_owned(), name: name.to_owned(), f: f.to_owned(), key, value, ttl: None }
}

/// The answer of a read, in whichever field the model has it.
fn told(outcome: &Outcome) -> Option<&Value> {
    match outcome {
        Outcome::Ok { value, result } => value.as_ref().or(result.as_ref()),
        Outcome::Fail { .. } | Outcome::Info { .. } | Outcome::Violation { .. } => None,
    }
}

#[cfg(test)]
mod tests;
