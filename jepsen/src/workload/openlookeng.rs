//! openLooKeng's pattern: three coordinators replace their queries' states every 100 ms, and each
//! reads those of all others; workers look for dynamic filters.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::{Asked, WITHIN, Workload, on_map};
use crate::client::Outcome;

const COORDINATORS: usize = 3;
const WORKERS: usize = 6;
/// Queries of a coordinator at a time.
const QUERIES: u64 = 4;
/// Updates before a query is over and another takes its place: what is judged stays small.
const UPDATES: u64 = 60;

/// A query's state is a key that one coordinator writes and everybody reads.
pub(super) struct OpenLooKeng {
    next_value: u64,
    updates: Vec<u64>,
}

impl OpenLooKeng {
    pub(super) fn new() -> Self {
        Self { next_value: 0, updates: vec![0; COORDINATORS] }
    }

    fn ask(query: &str, f: &str, value: Option<Value>) -> Asked {
        let op = on_map("query-states", f, Some(json!(query)), value);
        Asked { object: query.to_owned(), op, within: WITHIN }
    }

    fn query(&self, coordinator: usize, slot: u64) -> String {
        let life = self.updates[coordinator] / (UPDATES * QUERIES);
        format!("q{coordinator}-{}", life * QUERIES + slot)
    }
}

impl Workload for OpenLooKeng {
    fn model(&self) -> (&'static str, Map<String, Value>) {
        ("map", Map::new())
    }

    fn workers(&self) -> usize {
        COORDINATORS + WORKERS
    }

    fn next(&mut self, worker: usize, random: &mut StdRng) -> Asked {
        let slot = random.random_range(0..QUERIES);
        if worker >= COORDINATORS {
            let query = self.query(random.random_range(0..COORDINATORS), slot);
            return Self::ask(&query, "get", None);
        }
        let query = self.query(worker, slot);
        self.updates[worker] += 1;
        self.next_value += 1;
        match random.random_range(0..20) {
            0 => Self::ask(&query, "remove", None),
            1..4 => {
                let other = self.query(random.random_range(0..COORDINATORS), slot);
                Self::ask(&other, "get", None)
            }
            _ => Self::ask(&query, "set", Some(json!(self.next_value))),
        }
    }

    fn done(&mut self, _worker: usize, _asked: &Asked, _outcome: &Outcome) {}

    fn last(&mut self) -> Vec<Asked> {
        (0..COORDINATORS)
            .flat_map(|coordinator| {
                let query = self.query(coordinator, 0);
                self.next_value += 1;
                let value = Some(json!(self.next_value));
                [Self::ask(&query, "set", value), Self::ask(&query, "get", None)]
            })
            .collect()
    }

    fn pace(&self) -> Duration {
        Duration::from_millis(20)
    }
}
