//! A fenced lock: one holder among live sessions, and fences that rise.
//!
//! Only what a client can know is asked: a worker releases what it was told that it holds.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::{Asked, WITHIN, WITHIN_LOCK, Workload};
use crate::client::{Op, Outcome};

/// Workers that want the same lock.
const WORKERS: usize = 5;
/// Locks that are wanted at one time.
const LOCKS: usize = 3;
/// Milliseconds that a try waits.
const TRY_MS: u64 = 500;
/// Operations before the lock is left for a new one: what no checker can search is of no use.
const LIFE: u64 = 150;
/// A release that is refused so often is refused for good: the session is gone.
const REFUSED_MAX: u32 = 3;
/// Locks that are taken at the end, when everything is healed.
const LAST_LOCKS: u64 = 3;

/// Workers that want a few locks.
pub(super) struct Lock {
    max_holds: u64,
    dying_holders: bool,
    /// How often each of the locks was left for a new one, and how often this one was asked for.
    locks: [(u64, u64); LOCKS],
    /// What each worker was told that it holds.
    held: Vec<Option<Held>>,
}

#[derive(Clone)]
struct Held {
    name: String,
    holds: u64,
    /// Releases that were refused one after the other.
    refused: u32,
}

impl Lock {
    /// One hold at a time.
    pub(super) fn plain() -> Self {
        Self::new(1, false)
    }

    /// Up to two holds by one owner.
    pub(super) fn reentrant() -> Self {
        Self::new(2, false)
    }

    /// Holders that go silent: the session's end must free the lock, and not before.
    pub(super) fn with_dying_holders() -> Self {
        Self::new(1, true)
    }

    fn new(max_holds: u64, dying_holders: bool) -> Self {
        let held = vec![None; LOCKS * WORKERS];
        Self { max_holds, dying_holders, locks: Default::default(), held }
    }

    fn ask(name: &str, f: &str, value: Option<Value>, within: Duration) -> Asked {
        let (object, f) = ("lock".to_owned(), f.to_owned());
        let op = Op { object, name: name.to_owned(), f, key: Some(json!(name)), value, ttl: None };
        Asked { object: name.to_owned(), op, within }
    }

    fn current(&mut self, worker: usize) -> String {
        let lock = worker % LOCKS;
        let (number, used) = &mut self.locks[lock];
        if *used >= LIFE {
            *number += 1;
            *used = 0;
        }
        *used += 1;
        format!("lock-{lock}-{number}")
    }

    fn try_acquire(name: &str) -> Asked {
        Self::ask(name, "try-acquire", Some(json!(TRY_MS)), WITHIN_LOCK)
    }
}

impl Workload for Lock {
    fn model(&self) -> (&'static str, Map<String, Value>) {
        let params = [("fenced", json!(true)), ("max-holds", json!(self.max_holds))];
        ("lock", params.map(|(key, value)| (key.to_owned(), value)).into_iter().collect())
    }

    fn workers(&self) -> usize {
        LOCKS * WORKERS
    }

    fn next(&mut self, worker: usize, random: &mut StdRng) -> Asked {
        if let Some(Held { name, holds, refused }) = self.held[worker].clone() {
            self.locks[worker % LOCKS].1 += 1;
            // Each death costs the others the time of a session.
            let dies = self.dying_holders && random.random_bool(0.05);
            if dies || refused >= REFUSED_MAX {
                return Self::ask(&name, "die", None, WITHIN);
            }
            // A client that gives up closes its connection, and takes back what it asked. One that
            // waits is there when its session has ended.
            return if refused > 0 {
                Self::ask(&name, "release", None, WITHIN_LOCK)
            } else if holds < self.max_holds && random.random_bool(0.4) {
                Self::try_acquire(&name)
            } else if random.random_bool(0.15) {
                Self::ask(&name, "is-locked", None, WITHIN)
            } else {
                Self::ask(&name, "release", None, WITHIN_LOCK)
            };
        }
        let name = self.current(worker);
        if random.random_bool(0.15) {
            Self::ask(&name, "is-locked", None, WITHIN)
        } else {
            Self::try_acquire(&name)
        }
    }

    fn done(&mut self, worker: usize, asked: &Asked, outcome: &Outcome) {
        let held = &mut self.held[worker];
        match outcome {
            Outcome::Ok { result, .. } => match asked.op.f.as_str() {
                "try-acquire" if result.as_ref().is_some_and(|fence| fence != &json!(0)) => {
                    let holds = held.take().map_or(0, |held| held.holds) + 1;
                    *held = Some(Held { name: asked.object.clone(), holds, refused: 0 });
                }
                "release" => {
                    let holds = held.take().map_or(0, |held| held.holds).saturating_sub(1);
                    let name = asked.object.clone();
                    *held = (holds > 0).then_some(Held { name, holds, refused: 0 });
                }
                "die" => *held = None,
                _ => {}
            },
            // Whoever asks next is another owner.
            Outcome::Info { .. } | Outcome::Violation { .. } => *held = None,
            // A release that is refused did not happen: the lock is still held.
            Outcome::Fail { .. } => {
                if let Some(held) = held.as_mut().filter(|_| asked.op.f == "release") {
                    held.refused += 1;
                }
            }
        }
    }

    fn last(&mut self) -> Vec<Asked> {
        // An answer is all that is asked for: who takes a lock may not be who is asked to free it.
        let names = (0..LAST_LOCKS).map(|number| format!("lock-last-{number}"));
        names
            .flat_map(|name| {
                [Self::try_acquire(&name), Self::ask(&name, "is-locked", None, WITHIN)]
            })
            .collect()
    }

    fn pace(&self) -> Duration {
        Duration::from_millis(1)
    }
}
