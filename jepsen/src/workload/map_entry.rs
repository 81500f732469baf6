//! Every call of a map that touches one key, a key judged by itself.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::keys::Keys;
use super::{Asked, WITHIN, Workload, on_map, told};
use crate::client::Outcome;

const WORKERS: usize = 10;

/// Unique values, so that each old value that is told names its writer.
pub(super) struct MapEntry {
    map: &'static str,
    keys: Keys,
    next_value: u64,
    seen: BTreeMap<String, Value>,
}

impl MapEntry {
    pub(super) fn new() -> Self {
        Self {
            map: "map-entry",
            keys: Keys::new("e", WORKERS, 5, 300),
            next_value: 0,
            seen: BTreeMap::new(),
        }
    }

    fn ask(&self, key: &str, f: &str, value: Option<Value>) -> Asked {
        let op = on_map(self.map, f, Some(json!(key)), value);
        Asked { object: key.to_owned(), op, within: WITHIN }
    }

    fn fresh(&mut self) -> Value {
        self.next_value += 1;
        json!(self.next_value)
    }

    /// What the key may hold at the moment.
    fn guess(&self, key: &str) -> Value {
        self.seen.get(key).filter(|seen| !seen.is_null()).cloned().unwrap_or_else(|| json!(-1))
    }
}

impl Workload for MapEntry {
    fn model(&self) -> (&'static str, Map<String, Value>) {
        ("map", Map::new())
    }

    fn workers(&self) -> usize {
        WORKERS
    }

    fn next(&mut self, worker: usize, random: &mut StdRng) -> Asked {
        let key = self.keys.take(worker);
        let guess = self.guess(&key);
        let value = self.fresh();
        let (f, value) = match random.random_range(0..14) {
            0..4 => ("get", None),
            4..6 => ("put", Some(value)),
            6 => ("set", Some(value)),
            7 => ("put-if-absent", Some(value)),
            8 => ("replace", Some(value)),
            9 => ("replace-if", Some(json!([guess, value]))),
            10 => ("remove", None),
            11 => ("remove-if", Some(guess)),
            12 => ("delete", None),
            _ => ("contains", None),
        };
        self.ask(&key, f, value)
    }

    fn done(&mut self, _worker: usize, asked: &Asked, outcome: &Outcome) {
        if let ("get", Some(value)) = (asked.op.f.as_str(), told(outcome)) {
            self.seen.insert(asked.object.clone(), value.clone());
        }
    }

    fn last(&mut self) -> Vec<Asked> {
        let mut asked = Vec::new();
        for key in self.keys.youngest(20) {
            asked.push(self.ask(&key, "get", None));
            let value = self.fresh();
            asked.push(self.ask(&key, "put", Some(value)));
            asked.push(self.ask(&key, "get", None));
        }
        asked
    }
}
