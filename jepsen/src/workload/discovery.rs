//! openLooKeng's one record of who is to be asked, in the map `discovery-service`: the servers
//! write it for the coordinators beside them, and everybody reads it all the time.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::{Asked, WITHIN, Workload, on_map};
use crate::client::Outcome;

const READERS: usize = 8;
const MAP: &str = "discovery-service";
/// A record that was written stays for the check time-out of a run (`cluster::coordinator`), three
/// seconds by the cluster's clock; wall clocks that drift make no more than half of it.
const STAYS_MS: u64 = 1_500;

/// Nodes that look who is registered.
pub(super) struct DiscoveryRecord;

impl DiscoveryRecord {
    fn ask(f: &str) -> Asked {
        Asked { object: MAP.to_owned(), op: on_map(MAP, f, None, None), within: WITHIN }
    }
}

impl Workload for DiscoveryRecord {
    fn model(&self) -> (&'static str, Map<String, Value>) {
        ("record", Map::from_iter([("stays-ms".to_owned(), json!(STAYS_MS))]))
    }

    fn workers(&self) -> usize {
        READERS
    }

    fn next(&mut self, _worker: usize, random: &mut StdRng) -> Asked {
        Self::ask(if random.random_bool(0.1) { "size" } else { "entries" })
    }

    fn done(&mut self, _worker: usize, _asked: &Asked, _outcome: &Outcome) {}

    fn last(&mut self) -> Vec<Asked> {
        ["entries"; 6].map(Self::ask).to_vec()
    }

    fn pace(&self) -> Duration {
        Duration::from_millis(5)
    }
}
