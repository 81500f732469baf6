//! Records with a time to live: not gone early, not there late, no old timer ends a new value.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::keys::Keys;
use super::{Asked, WITHIN, Workload, on_map};
use crate::client::Outcome;

const WORKERS: usize = 10;
/// The leader ends a record at most this late while one leader holds office; leaderless time is
/// added to it.
const LATE_SLACK_MS: u64 = 500;
/// What clocks of different processes and the way of an answer may differ by.
const EARLY_SLACK_MS: u64 = 5;
const TIMES_MS: [u64; 5] = [200, 500, 1_000, 2_000, 5_000];

/// Sets with a time, and reads around its end.
pub(super) struct Ttl {
    keys: Keys,
    next_value: u64,
}

impl Ttl {
    pub(super) fn new() -> Self {
        Self { keys: Keys::new("t", WORKERS, 2, 400), next_value: 0 }
    }

    fn ask(key: &str, f: &str, value: Option<Value>, ttl: Option<u64>) -> Asked {
        let mut op = on_map("ttl", f, Some(json!(key)), value);
        op.ttl = ttl;
        Asked { object: key.to_owned(), op, within: WITHIN }
    }
}

impl Workload for Ttl {
    fn model(&self) -> (&'static str, Map<String, Value>) {
        let params = [("early-slack-ms", EARLY_SLACK_MS), ("late-slack-ms", LATE_SLACK_MS)];
        ("ttl", params.map(|(key, value)| (key.to_owned(), json!(value))).into_iter().collect())
    }

    fn workers(&self) -> usize {
        WORKERS
    }

    fn next(&mut self, worker: usize, random: &mut StdRng) -> Asked {
        let key = self.keys.take(worker);
        self.next_value += 1;
        let value = Some(json!(self.next_value));
        // Seldom enough that most records live to their end.
        match random.random_range(0..60) {
            0 => {
                let ttl = TIMES_MS[random.random_range(0..TIMES_MS.len())];
                Self::ask(&key, "set", value, Some(ttl))
            }
            1 if random.random_bool(0.3) => Self::ask(&key, "remove", None, None),
            2..6 => Self::ask(&key, "contains", None, None),
            _ => Self::ask(&key, "get", None, None),
        }
    }

    fn done(&mut self, _worker: usize, _asked: &Asked, _outcome: &Outcome) {}

    fn last(&mut self) -> Vec<Asked> {
        let keys = self.keys.youngest(10);
        keys.iter().map(|key| Self::ask(key, "get", None, None)).collect()
    }

    fn pace(&self) -> Duration {
        Duration::from_millis(25)
    }
}
