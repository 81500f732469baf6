//! Ids of a `FlakeIdGenerator`, in batches: none twice.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::{Asked, WITHIN, Workload};
use crate::client::{Op, Outcome};

const WORKERS: usize = 8;
const GENERATOR: &str = "ids";

/// Batches of one to a thousand.
pub(super) struct Ids;

impl Ids {
    pub(super) fn new() -> Self {
        Self
    }

    fn ask(count: u64) -> Asked {
        let (object, f) = ("flake".to_owned(), "generate".to_owned());
        let value = Some(json!(count));
        let op = Op { object, name: GENERATOR.to_owned(), f, key: None, value, ttl: None };
        Asked { object: GENERATOR.to_owned(), op, within: WITHIN }
    }
}

impl Workload for Ids {
    fn model(&self) -> (&'static str, Map<String, Value>) {
        ("ids", Map::from_iter([("min".to_owned(), json!(0))]))
    }

    fn workers(&self) -> usize {
        WORKERS
    }

    fn next(&mut self, _worker: usize, random: &mut StdRng) -> Asked {
        Self::ask([1, 1, 10, 100][random.random_range(0..4)])
    }

    fn done(&mut self, _worker: usize, _asked: &Asked, _outcome: &Outcome) {}

    fn last(&mut self) -> Vec<Asked> {
        (0..5).map(|_| Self::ask(10)).collect()
    }
}
