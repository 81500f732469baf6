//! What the server holds, and what is due by time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tokio::time::Instant;

use super::hits;
use super::spoil::{Spoil, Wrong};
use crate::client::listener::{Sink, channel};
use crate::client::{Listen, Listener, ListenerEvent, Op, Outcome};

/// How long a session lives that nobody keeps alive.
pub(super) const SESSION_TIME_TO_LIVE: Duration = Duration::from_secs(1);
/// What is done late is done within this time.
const LATENESS_MAX_MS: u64 = 50;

/// What became of a request.
pub(super) enum Applied {
    /// It is answered.
    Done(Outcome),
    /// It waits for a lock.
    Waits,
}

/// A record of a map.
pub(super) struct Record {
    pub(super) key: Value,
    pub(super) value: Value,
    pub(super) ends: Option<Instant>,
}

/// A map: its records by their keys as JSON, and what was there before the last write of each.
#[derive(Default)]
pub(super) struct MapObject {
    pub(super) records: BTreeMap<String, Record>,
    pub(super) before: BTreeMap<String, Value>,
}

/// A lock.
#[derive(Default)]
pub(super) struct LockObject {
    /// Client, holds, fence.
    pub(super) holder: Option<(u64, u32, i64)>,
    pub(super) last_fence: i64,
}

struct Registered {
    wanted: Listen,
    sink: Sink,
}

/// All of it.
pub(super) struct State {
    pub(super) maps: BTreeMap<String, MapObject>,
    pub(super) sets: BTreeMap<String, BTreeMap<String, Value>>,
    pub(super) locks: BTreeMap<String, LockObject>,
    /// The next id of each generator.
    pub(super) ids: BTreeMap<String, i64>,
    listeners: Vec<Registered>,
    late: Vec<(Instant, u64, Op)>,
    expiring: BTreeMap<u64, Instant>,
    ended: BTreeSet<u64>,
    random: StdRng,
    spoil: Option<Spoil>,
    wrong_answers: u64,
}

impl State {
    pub(super) fn new(seed: u64, spoil: Option<Spoil>) -> Self {
        Self {
            maps: BTreeMap::new(),
            sets: BTreeMap::new(),
            locks: BTreeMap::new(),
            ids: BTreeMap::new(),
            listeners: Vec::new(),
            late: Vec::new(),
            expiring: BTreeMap::new(),
            ended: BTreeSet::new(),
            random: StdRng::seed_from_u64(seed),
            spoil,
            wrong_answers: 0,
        }
    }

    /// Does what a client asks, after everything that is due.
    pub(super) fn apply(&mut self, client: u64, op: &Op, now: Instant) -> Applied {
        self.settle(now);
        self.perform(client, op, now)
    }

    /// Keeps a request for later; its caller is told that nobody knows.
    pub(super) fn apply_late(&mut self, client: u64, op: &Op, now: Instant) {
        let lateness = Duration::from_millis(self.random.random_range(0..=LATENESS_MAX_MS));
        self.late.push((now + lateness, client, op.clone()));
    }

    /// The session of a client ends unless it is kept alive again.
    pub(super) fn begin_expiry(&mut self, client: u64, now: Instant) {
        self.expiring.insert(client, now + SESSION_TIME_TO_LIVE);
    }

    /// The client is heard again.
    pub(super) fn keep_alive(&mut self, client: u64, now: Instant) {
        self.settle(now);
        self.expiring.remove(&client);
    }

    /// Ends a session; its locks are free.
    pub(super) fn expire_session(&mut self, client: u64) {
        self.expiring.remove(&client);
        for lock in self.locks.values_mut() {
            if lock.holder.is_some_and(|(holder, _, _)| holder == client) {
                lock.holder = None;
            }
        }
    }

    /// Whether the session of a client ended by its time, told once.
    pub(super) fn take_ended(&mut self, client: u64) -> bool {
        self.ended.remove(&client)
    }

    pub(super) fn listen(&mut self, wanted: &Listen) -> Listener {
        let (sink, listener) = channel();
        self.listeners.push(Registered { wanted: wanted.clone(), sink });
        listener
    }

    pub(super) fn lose_listeners(&mut self) {
        self.listeners.clear();
    }

    pub(super) fn wrong_answers(&self) -> u64 {
        self.wrong_answers
    }

    /// Whether this answer is to be wrong in this way.
    pub(super) fn goes_wrong(&mut self, wrong: Wrong) -> bool {
        let Some(spoil) = self.spoil.filter(|spoil| spoil.wrong == wrong) else { return false };
        let goes = hits(&mut self.random, spoil.one_in);
        self.wrong_answers += u64::from(goes);
        goes
    }

    /// Tells a change of a map to who listens.
    pub(super) fn emit(
        &mut self,
        map: &str,
        f: &str,
        key: &Value,
        (old, new): (Option<&Value>, Option<&Value>),
    ) {
        let hears = |one: &Registered| {
            one.wanted.map == map && one.wanted.key.as_ref().is_none_or(|wanted| wanted == key)
        };
        let mut times = 1;
        if self.listeners.iter().any(hears) {
            if self.goes_wrong(Wrong::LostEvent) {
                times = 0;
            } else if self.goes_wrong(Wrong::RepeatedEvent) {
                times = 2;
            }
        }
        for _ in 0..times {
            self.listeners.retain(|one| {
                !hears(one)
                    || one.sink.send(ListenerEvent {
                        listener: one.wanted.listener.clone(),
                        f: f.to_owned(),
                        key: key.clone(),
                        value: new.cloned(),
                        old: old.cloned(),
                    })
            });
        }
    }

    /// What is due by time, in its order.
    fn settle(&mut self, now: Instant) {
        let mut due = Vec::new();
        self.late.retain(|(at, client, op)| {
            let later = *at > now;
            if !later {
                due.push((*at, *client, op.clone()));
            }
            later
        });
        due.sort_by_key(|(at, _, _)| *at);
        for (at, client, op) in due {
            self.end_records(at);
            // Its caller has gone.
            let _ = self.perform(client, &op, at);
        }
        self.end_records(now);
        let over: Vec<u64> = self
            .expiring
            .iter()
            .filter(|(_, end)| **end <= now)
            .map(|(client, _)| *client)
            .collect();
        for client in over {
            self.expire_session(client);
            self.ended.insert(client);
        }
    }

    fn end_records(&mut self, now: Instant) {
        let mut ended = Vec::new();
        for (name, map) in &mut self.maps {
            map.records.retain(|_, record| {
                let over = record.ends.is_some_and(|end| end <= now);
                if over {
                    ended.push((name.clone(), record.key.clone(), record.value.clone()));
                }
                !over
            });
        }
        for (name, key, old) in ended {
            self.emit(&name, "expired", &key, (Some(&old), None));
        }
    }
}
