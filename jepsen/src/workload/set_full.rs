//! A set that grows: nothing that was added may be missing later, nothing may flicker.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::{Asked, WITHIN, Workload};
use crate::client::{Op, Outcome};

const WORKERS: usize = 10;
const SET: &str = "set-full";
/// Reads give the whole set: a set is left for a new one before they grow too large.
const ADDS_PER_SET: u64 = 2_000;

/// Unique adds, and reads of everything.
pub(super) struct SetFull {
    next: u64,
}

impl SetFull {
    pub(super) fn new() -> Self {
        Self { next: 0 }
    }

    fn ask(&self, f: &str, value: Option<Value>) -> Asked {
        self.ask_of(self.next / ADDS_PER_SET, f, value)
    }

    fn ask_of(&self, set: u64, f: &str, value: Option<Value>) -> Asked {
        let name = format!("{SET}-{set}");
        let (object, f) = ("set".to_owned(), f.to_owned());
        let op = Op { object, name: name.clone(), f, key: Some(json!(name)), value, ttl: None };
        Asked { object: name, op, within: WITHIN }
    }
}

impl Workload for SetFull {
    fn model(&self) -> (&'static str, Map<String, Value>) {
        ("set-full", Map::new())
    }

    fn workers(&self) -> usize {
        WORKERS
    }

    fn next(&mut self, _worker: usize, random: &mut StdRng) -> Asked {
        // A read costs as much as hundreds of adds.
        if random.random_bool(0.02) {
            return self.ask("read", None);
        }
        let asked = self.ask("add", Some(json!(self.next)));
        self.next += 1;
        asked
    }

    fn done(&mut self, _worker: usize, _asked: &Asked, _outcome: &Outcome) {}

    fn last(&mut self) -> Vec<Asked> {
        let sets = self.next.div_ceil(ADDS_PER_SET);
        (0..sets).map(|set| self.ask_of(set, "read", None)).collect()
    }
}
