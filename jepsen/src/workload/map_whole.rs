//! Calls that see or change a whole map, with a few keys; a map is judged as one object.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::keys::Keys;
use super::{Asked, WITHIN, Workload, on_map};
use crate::client::Outcome;

const WORKERS: usize = 8;
const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Short-lived maps of six keys, four workers each.
pub(super) struct MapWhole {
    maps: Keys,
    next_value: u64,
}

impl MapWhole {
    pub(super) fn new() -> Self {
        Self { maps: Keys::new("whole-", WORKERS, 4, 60), next_value: 0 }
    }

    fn fresh(&mut self) -> Value {
        self.next_value += 1;
        json!(self.next_value)
    }

    fn ask(map: &str, f: &str, key: Option<&str>, value: Option<Value>) -> Asked {
        let op = on_map(map, f, key.map(|key| json!(key)), value);
        Asked { object: map.to_owned(), op, within: WITHIN }
    }
}

impl Workload for MapWhole {
    fn model(&self) -> (&'static str, Map<String, Value>) {
        ("map", Map::new())
    }

    fn workers(&self) -> usize {
        WORKERS
    }

    fn next(&mut self, worker: usize, random: &mut StdRng) -> Asked {
        let map = self.maps.take(worker);
        let key = KEYS[random.random_range(0..KEYS.len())];
        match random.random_range(0..12) {
            0..3 => {
                let value = self.fresh();
                Self::ask(&map, "put", Some(key), Some(value))
            }
            3 => Self::ask(&map, "remove", Some(key), None),
            4 => Self::ask(&map, "size", None, None),
            5 => Self::ask(&map, "clear", None, None),
            6 | 7 => Self::ask(&map, "entries", None, None),
            8 => Self::ask(&map, "keys", None, None),
            9 => {
                let mut all = Map::new();
                for key in KEYS.iter().filter(|_| random.random_bool(0.5)) {
                    all.insert((*key).to_owned(), self.fresh());
                }
                Self::ask(&map, "put-all", None, Some(Value::Object(all)))
            }
            10 => Self::ask(&map, "get-all", None, Some(json!(["a", "c", "e"]))),
            _ => Self::ask(&map, "is-empty", None, None),
        }
    }

    fn done(&mut self, _worker: usize, _asked: &Asked, _outcome: &Outcome) {}

    fn last(&mut self) -> Vec<Asked> {
        let maps = self.maps.youngest(4);
        maps.iter().map(|map| Self::ask(map, "entries", None, None)).collect()
    }
}
