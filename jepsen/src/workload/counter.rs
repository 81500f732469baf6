//! Numbers that are counted up by compare-and-set in a loop, as openLooKeng's clients do.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::keys::Keys;
use super::{Asked, WITHIN, Workload, on_map};
use crate::client::{Op, Outcome};

const WORKERS: usize = 10;

/// A number is a key of a map.
pub(super) struct Counter {
    keys: Keys,
}

impl Counter {
    pub(super) fn new() -> Self {
        Self { keys: Keys::new("n", WORKERS, 5, 200) }
    }

    fn ask(key: &str, f: &str, value: Option<Value>) -> Asked {
        let op =
            Op { object: "counter".to_owned(), ..on_map("counter", f, Some(json!(key)), value) };
        Asked { object: key.to_owned(), op, within: WITHIN }
    }
}

impl Workload for Counter {
    fn model(&self) -> (&'static str, Map<String, Value>) {
        ("counter", Map::from_iter([("initial".to_owned(), json!(0))]))
    }

    fn workers(&self) -> usize {
        WORKERS
    }

    fn next(&mut self, worker: usize, random: &mut StdRng) -> Asked {
        let key = self.keys.take(worker);
        let step = json!(random.random_range(1..4));
        match random.random_range(0..10) {
            0..4 => Self::ask(&key, "add-get", Some(step)),
            4..7 => Self::ask(&key, "get-add", Some(step)),
            _ => Self::ask(&key, "get", None),
        }
    }

    fn done(&mut self, _worker: usize, _asked: &Asked, _outcome: &Outcome) {}

    fn last(&mut self) -> Vec<Asked> {
        let mut asked = Vec::new();
        for key in self.keys.youngest(20) {
            asked.push(Self::ask(&key, "add-get", Some(json!(1))));
            asked.push(Self::ask(&key, "get", None));
        }
        asked
    }
}
