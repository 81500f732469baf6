//! Reads, writes and compare-and-sets of single keys of a map.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::keys::Keys;
use super::{Asked, WITHIN, Workload, on_map, told};
use crate::client::{Op, Outcome};

const WORKERS: usize = 10;
const MAP: &str = "register";

/// Half reads, a quarter writes, a quarter compare-and-sets; values are unique in their key.
pub(super) struct Register {
    keys: Keys,
    next_value: u64,
    /// What was last read of a key.
    seen: BTreeMap<String, Value>,
}

impl Register {
    pub(super) fn new() -> Self {
        Self { keys: Keys::new("k", WORKERS, 5, 400), next_value: 0, seen: BTreeMap::new() }
    }

    fn ask(key: &str, f: &str, value: Option<Value>) -> Asked {
        let op: Op = on_map(MAP, f, Some(json!(key)), value);
        Asked { object: key.to_owned(), op, within: WITHIN }
    }

    fn fresh(&mut self) -> Value {
        self.next_value += 1;
        json!(self.next_value)
    }
}

impl Workload for Register {
    fn model(&self) -> (&'static str, Map<String, Value>) {
        ("register", Map::from_iter([("initial".to_owned(), Value::Null)]))
    }

    fn workers(&self) -> usize {
        WORKERS
    }

    fn next(&mut self, worker: usize, random: &mut StdRng) -> Asked {
        let key = self.keys.take(worker);
        match random.random_range(0..4) {
            0 | 1 => Self::ask(&key, "read", None),
            2 => {
                let value = self.fresh();
                Self::ask(&key, "write", Some(value))
            }
            _ => {
                // Mostly what was read last, so that it matches; else something that cannot.
                let seen = self.seen.get(&key).filter(|seen| !seen.is_null()).cloned();
                let old = seen.filter(|_| random.random_bool(0.7));
                let old = old.unwrap_or_else(|| json!(self.next_value + 1_000_000));
                let value = self.fresh();
                Self::ask(&key, "cas", Some(json!([old, value])))
            }
        }
    }

    fn done(&mut self, _worker: usize, asked: &Asked, outcome: &Outcome) {
        if let ("read", Some(value)) = (asked.op.f.as_str(), told(outcome)) {
            self.seen.insert(asked.object.clone(), value.clone());
        }
    }

    fn last(&mut self) -> Vec<Asked> {
        let mut asked = Vec::new();
        for key in self.keys.youngest(20) {
            asked.push(Self::ask(&key, "read", None));
            let value = self.fresh();
            asked.push(Self::ask(&key, "write", Some(value)));
            asked.push(Self::ask(&key, "read", None));
        }
        asked
    }
}
