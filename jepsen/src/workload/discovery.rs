//! openLooKeng's one record of who is to be asked: coordinators race to register, the owner renews
//! its record, an owner that is gone is replaced, and everybody reads.
//!
//! Each change names what it replaces, so two owners at a time are two answers that do not fit
//! into one order: the model of a map finds them.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::keys::Keys;
use super::{Asked, WITHIN, Workload, on_map, told};
use crate::client::Outcome;

const COORDINATORS: usize = 4;
const READERS: usize = 3;
/// Operations before a record is left for a new one: what is judged stays small.
const LIFE: u64 = 300;
/// A record that was read so often without a renewal is that of an owner that is gone.
const STILL_MAX: u32 = 3;

/// What a coordinator believes.
#[derive(Clone, Default)]
struct Coordinator {
    /// The record it was told to own, and under which key.
    owns: Option<(String, Value)>,
    /// What it read last, and how often in a row.
    seen: Option<(String, Value, u32)>,
}

/// Coordinators that want one record, and nodes that read it.
pub(super) struct DiscoveryRecord {
    records: Keys,
    renewals: u64,
    coordinators: Vec<Coordinator>,
}

impl DiscoveryRecord {
    pub(super) fn new() -> Self {
        let workers = COORDINATORS + READERS;
        let coordinators = vec![Coordinator::default(); COORDINATORS];
        Self { records: Keys::new("r", workers, workers, LIFE), renewals: 0, coordinators }
    }

    fn ask(record: &str, f: &str, value: Option<Value>) -> Asked {
        let op = on_map("discovery-record", f, Some(json!(record)), value);
        Asked { object: record.to_owned(), op, within: WITHIN }
    }

    /// A record that nobody wrote before.
    fn fresh(&mut self, coordinator: usize) -> Value {
        self.renewals += 1;
        json!(format!("coordinator-{coordinator}:{}", self.renewals))
    }
}

impl Workload for DiscoveryRecord {
    fn model(&self) -> (&'static str, Map<String, Value>) {
        ("map", Map::new())
    }

    fn workers(&self) -> usize {
        COORDINATORS + READERS
    }

    fn next(&mut self, worker: usize, random: &mut StdRng) -> Asked {
        let record = self.records.take(worker);
        if worker >= COORDINATORS {
            return Self::ask(&record, "get", None);
        }
        let own = self.coordinators[worker].owns.clone().filter(|(key, _)| *key == record);
        if let Some((_, own)) = own {
            return match random.random_range(0..10) {
                // An orderly end takes the record away, a crash leaves it.
                0 => Self::ask(&record, "remove-if", Some(own)),
                1 => {
                    self.coordinators[worker] = Coordinator::default();
                    Self::ask(&record, "get", None)
                }
                _ => {
                    let renewed = self.fresh(worker);
                    Self::ask(&record, "replace-if", Some(json!([own, renewed])))
                }
            };
        }
        let seen = self.coordinators[worker].seen.clone().filter(|(key, ..)| *key == record);
        match seen {
            Some((_, Value::Null, _)) => {
                let new = self.fresh(worker);
                Self::ask(&record, "put-if-absent", Some(new))
            }
            Some((_, old, still)) if still >= STILL_MAX || random.random_bool(0.1) => {
                let new = self.fresh(worker);
                Self::ask(&record, "replace-if", Some(json!([old, new])))
            }
            Some(_) | None => Self::ask(&record, "get", None),
        }
    }

    fn done(&mut self, worker: usize, asked: &Asked, outcome: &Outcome) {
        let Some(coordinator) = self.coordinators.get_mut(worker) else { return };
        let record = &asked.object;
        let answer = told(outcome);
        match (asked.op.f.as_str(), asked.op.value.as_ref()) {
            ("get", _) => {
                let Some(value) = answer else { return };
                let still = match &coordinator.seen {
                    Some((key, before, still)) if key == record && before == value => still + 1,
                    Some(_) | None => 1,
                };
                coordinator.seen = Some((record.clone(), value.clone(), still));
            }
            ("put-if-absent", Some(new)) if answer == Some(&Value::Null) => {
                coordinator.owns = Some((record.clone(), new.clone()));
            }
            ("replace-if", Some(pair)) if answer == Some(&json!(true)) => {
                coordinator.owns = Some((record.clone(), pair[1].clone()));
            }
            // Lost, ended or unknown: it has to look again.
            _ => *coordinator = Coordinator::default(),
        }
    }

    fn last(&mut self) -> Vec<Asked> {
        let records = self.records.youngest(5);
        let asked = records.iter().flat_map(|record| {
            let new = self.fresh(0);
            [
                Self::ask(record, "get", None),
                Self::ask(record, "put", Some(new)),
                Self::ask(record, "get", None),
            ]
        });
        asked.collect()
    }

    fn pace(&self) -> Duration {
        Duration::from_millis(5)
    }
}
