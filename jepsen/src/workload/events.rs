//! Changes of a map, and listeners that must hear of each once and in order.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::{Asked, Listens, WITHIN, Workload, on_map};
use crate::client::Outcome;

const WORKERS: usize = 6;
const MAP: &str = "events";
const KEYS: u64 = 12;

/// Puts, sets, removes and deletes of a few keys with unique values.
pub(super) struct Events {
    next_value: u64,
}

impl Events {
    pub(super) fn new() -> Self {
        Self { next_value: 0 }
    }

    fn ask(key: u64, f: &str, value: Option<Value>) -> Asked {
        let op = on_map(MAP, f, Some(json!(format!("e{key}"))), value);
        Asked { object: MAP.to_owned(), op, within: WITHIN }
    }

    fn fresh(&mut self) -> Value {
        self.next_value += 1;
        json!(self.next_value)
    }
}

impl Workload for Events {
    fn model(&self) -> (&'static str, Map<String, Value>) {
        ("events", Map::new())
    }

    fn workers(&self) -> usize {
        WORKERS
    }

    fn next(&mut self, _worker: usize, random: &mut StdRng) -> Asked {
        let key = random.random_range(0..KEYS);
        let value = self.fresh();
        match random.random_range(0..10) {
            0..5 => Self::ask(key, "put", Some(value)),
            5..7 => Self::ask(key, "set", Some(value)),
            7..9 => Self::ask(key, "remove", None),
            _ => Self::ask(key, "delete", None),
        }
    }

    fn done(&mut self, _worker: usize, _asked: &Asked, _outcome: &Outcome) {}

    fn last(&mut self) -> Vec<Asked> {
        (0..KEYS)
            .map(|key| {
                let value = self.fresh();
                Self::ask(key, "put", Some(value))
            })
            .collect()
    }

    fn listeners(&self) -> Vec<Listens> {
        vec![Listens { map: MAP.to_owned() }; 3]
    }
}
