//! Events and times to live, of objects that are right and of spoilt ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::VecDeque;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};
use statekeeper_jepsen::check::{Budget, Verdict, judge};
use statekeeper_jepsen::history::{Entry, EntryType, Header, History, Process};

fn verdict(history: &History) -> Verdict {
    judge(history, &Budget { threads: 1, ..Budget::default() }).verdict
}

fn text(history: &History) -> String {
    let lines = history.entries.iter().map(|entry| serde_json::to_string(entry).unwrap());
    format!("{:?}\n{}", history.header, lines.collect::<Vec<_>>().join("\n"))
}

fn finish(model: &str, params: Map<String, Value>, mut entries: Vec<Entry>) -> History {
    for (at, entry) in entries.iter_mut().enumerate() {
        entry.index = at as u64;
    }
    let header = Header { history: 1, name: "simulated".into(), model: model.into(), params };
    History { header, entries }
}

/// Time of simulated lines, nanoseconds each.
const STEP: u64 = 1_000_000;

struct Open {
    entry: Entry,
    /// What it told, once it took effect.
    told: Option<Value>,
    lost: bool,
}

struct World {
    random: StdRng,
    now: u64,
    entries: Vec<Entry>,
    open: Vec<Open>,
    processes: u64,
    values: i64,
    keys: [Value; 2],
    /// Events on their way, in order.
    coming: VecDeque<Entry>,
    registered: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            now: 0,
            entries: Vec::new(),
            open: Vec::new(),
            processes: 10,
            values: 0,
            keys: [Value::Null, Value::Null],
            coming: VecDeque::new(),
            registered: false,
        }
    }

    fn write(&mut self, mut entry: Entry) {
        entry.time = self.now * STEP;
        self.entries.push(entry);
        self.now += 1;
    }

    fn listen(&mut self, f: &str, kind: EntryType) {
        let mut entry = Entry::new(Process::Client(1), kind, f);
        entry.listener = Some("L".into());
        self.write(entry);
    }

    fn begin(&mut self, names: &[&str]) {
        self.processes += 1;
        let f = names[self.random.random_range(0..names.len())];
        let mut entry = Entry::new(Process::Client(self.processes), EntryType::Invoke, f);
        entry.key = Some(json!(self.random.random_range(0..2)));
        if matches!(f, "put" | "set") {
            self.values += 1;
            entry.value = Some(json!(self.values));
        }
        self.write(entry.clone());
        self.open.push(Open { entry, told: None, lost: false });
    }

    /// One open operation takes effect, or is lost.
    fn take(&mut self, at: usize) {
        let open = &mut self.open[at];
        if open.told.is_some() || open.lost {
            return;
        }
        if self.random.random_bool(0.05) {
            open.lost = true;
            return;
        }
        let key = open.entry.key.clone().unwrap();
        let value = &mut self.keys[key.as_u64().unwrap() as usize];
        let old = value.clone();
        open.told = Some(old.clone());
        *value = open.entry.value.clone().unwrap_or(Value::Null);
        let f = match (old.is_null(), value.is_null()) {
            (true, true) => return,
            (true, false) => "added",
            (false, true) => "removed",
            (false, false) => "updated",
        };
        let mut event = Entry::new(Process::nobody(), EntryType::Event, f);
        event.key = Some(key);
        event.listener = Some("L".into());
        event.value = (!value.is_null()).then(|| value.clone());
        event.old = (!old.is_null()).then_some(old);
        if self.registered || self.random.random_bool(0.3) {
            self.coming.push_back(event);
        }
    }

    fn end(&mut self, at: usize) {
        let open = &self.open[at];
        if open.told.is_none() && !open.lost {
            return;
        }
        let open = self.open.swap_remove(at);
        let mut entry = open.entry;
        entry.kind = EntryType::Info;
        if let Some(told) = open.told
            && self.random.random_bool(0.95)
        {
            entry.kind = EntryType::Ok;
            entry.result = matches!(entry.f.as_str(), "put" | "remove").then_some(told);
        }
        self.write(entry);
    }

    fn work(&mut self, steps: usize, names: &[&str]) {
        for _ in 0..steps {
            match self.random.random_range(0..4) {
                0 if self.open.len() < 4 => self.begin(names),
                1 if !self.open.is_empty() => {
                    let at = self.random.random_range(0..self.open.len());
                    self.take(at);
                }
                2 if !self.open.is_empty() => {
                    let at = self.random.random_range(0..self.open.len());
                    self.end(at);
                }
                3 => {
                    if let Some(event) = self.coming.pop_front() {
                        self.write(event);
                    }
                }
                _ => {}
            }
        }
    }
}

const CHANGES: [&str; 5] = ["put", "put", "set", "remove", "delete"];

/// A listener registers, loses its node once, registers again, and leaves.
fn events(seed: u64, gap: bool) -> History {
    let mut world = World::new(seed);
    world.work(20, &CHANGES);
    world.listen("listen", EntryType::Invoke);
    world.work(10, &CHANGES);
    world.registered = true;
    world.listen("listen", EntryType::Ok);
    world.work(80, &CHANGES);
    if gap {
        world.listen("unlisten", EntryType::Invoke);
        world.work(5, &CHANGES);
        world.registered = false;
        world.work(20, &CHANGES);
        world.listen("unlisten", EntryType::Ok);
        world.listen("listen", EntryType::Invoke);
        world.work(20, &CHANGES);
        world.registered = true;
        world.listen("listen", EntryType::Ok);
        world.work(80, &CHANGES);
    }
    world.listen("unlisten", EntryType::Invoke);
    world.work(5, &CHANGES);
    world.registered = false;
    world.listen("unlisten", EntryType::Ok);
    world.work(20, &CHANGES);
    while let Some(event) = world.coming.pop_front() {
        world.write(event);
    }
    finish("events", Map::new(), world.entries)
}

#[test]
fn a_listener_that_gets_what_it_must_is_never_accused() {
    for seed in 0..500 {
        let history = events(seed, seed % 2 == 0);
        let judgement = judge(&history, &Budget { threads: 1, ..Budget::default() });
        let told = serde_json::to_string_pretty(&judgement).unwrap();
        assert_eq!(judgement.verdict, Verdict::Valid, "seed {seed} {told}\n{}", text(&history));
    }
}

/// Lines of events whose cause was acknowledged while the listener was registered for certain.
fn certain(history: &History) -> Vec<usize> {
    let at = |f: &str, kind| {
        let mut lines = history.entries.iter();
        lines.position(|entry| entry.f == f && entry.kind == kind).unwrap()
    };
    let (from, to) = (at("listen", EntryType::Ok), at("unlisten", EntryType::Invoke));
    let inside = |value: &Value| {
        let of = |entry: &&Entry| entry.value.as_ref() == Some(value) && entry.f != "read";
        let mut lines = history.entries[from..to].iter().filter(of);
        let invoked = lines.any(|entry| entry.kind == EntryType::Invoke);
        invoked && lines.any(|entry| entry.kind == EntryType::Ok)
    };
    let events = history.entries.iter().enumerate();
    let events = events.filter(|(_, entry)| entry.kind == EntryType::Event);
    events.filter(|(_, entry)| entry.value.as_ref().is_some_and(inside)).map(|(at, _)| at).collect()
}

#[test]
fn a_lost_a_repeated_and_a_swapped_event_are_found() {
    let mut spoilt = [0; 3];
    for seed in 0..150 {
        let history = events(seed, false);
        for at in certain(&history) {
            let mut lost = history.clone();
            lost.entries.remove(at);
            let lost = finish("events", Map::new(), lost.entries);
            assert_eq!(verdict(&lost), Verdict::Invalid, "lost {at}: {}", text(&history));
            spoilt[0] += 1;

            let mut twice = history.clone();
            twice.entries.insert(at, history.entries[at].clone());
            let twice = finish("events", Map::new(), twice.entries);
            assert_eq!(verdict(&twice), Verdict::Invalid, "twice {at}: {}", text(&history));
            spoilt[1] += 1;

            let after = certain(&history).into_iter().find(|other| {
                *other > at && history.entries[*other].key == history.entries[at].key
            });
            let Some(after) = after else { continue };
            let mut swapped = history.clone();
            swapped.entries.swap(at, after);
            let times: Vec<u64> = history.entries.iter().map(|entry| entry.time).collect();
            for (entry, time) in swapped.entries.iter_mut().zip(times) {
                entry.time = time;
            }
            let swapped = finish("events", Map::new(), swapped.entries);
            assert_eq!(verdict(&swapped), Verdict::Invalid, "swapped {at}: {}", text(&swapped));
            spoilt[2] += 1;
        }
    }
    assert!(spoilt.iter().all(|count| *count > 100), "{spoilt:?}");
}

/// One key whose entries end on their own timer, at most `late` milliseconds late.
fn ending(seed: u64, late: u64) -> History {
    let mut random = StdRng::seed_from_u64(seed);
    let mut entries: Vec<Entry> = Vec::new();
    let mut open: Vec<(Entry, Option<Value>)> = Vec::new();
    let mut state: Option<(Value, u64)> = None;
    let (mut process, mut now, mut next) = (0, 0, 0);
    for _ in 0..400 {
        now += random.random_range(1..40) * STEP;
        if state.as_ref().is_some_and(|(_, ends)| *ends <= now) {
            state = None;
        }
        match random.random_range(0..3) {
            0 if open.len() < 4 => {
                process += 1;
                let f = ["set", "put", "get", "get", "get", "contains", "remove"]
                    [random.random_range(0..7)];
                let mut entry = Entry::new(Process::Client(process), EntryType::Invoke, f);
                entry.key = Some(json!("k"));
                entry.time = now;
                if matches!(f, "set" | "put") {
                    next += 1;
                    entry.value = Some(json!(next));
                    entry.ttl = random.random_bool(0.8).then(|| random.random_range(50..600));
                }
                entries.push(entry.clone());
                open.push((entry, None));
            }
            1 if !open.is_empty() => {
                let at = random.random_range(0..open.len());
                let (entry, told) = &mut open[at];
                if told.is_some() || random.random_bool(0.05) {
                    continue;
                }
                let value = state.as_ref().map_or(Value::Null, |(value, _)| value.clone());
                *told = Some(if entry.f == "contains" { json!(!value.is_null()) } else { value });
                let ttl = entry.ttl.map(|ttl| now + (ttl + random.random_range(0..=late)) * STEP);
                match entry.f.as_str() {
                    "set" | "put" => {
                        state = entry.value.clone().map(|value| (value, ttl.unwrap_or(u64::MAX)));
                    }
                    "remove" => state = None,
                    _ => {}
                }
            }
            2 if !open.is_empty() => {
                let at = random.random_range(0..open.len());
                if open[at].1.is_none() && random.random_bool(0.95) {
                    continue;
                }
                let (mut entry, told) = open.swap_remove(at);
                entry.kind = EntryType::Info;
                entry.time = now;
                if let Some(told) = told
                    && random.random_bool(0.95)
                {
                    entry.kind = EntryType::Ok;
                    entry.result = (entry.f != "set").then_some(told);
                }
                entries.push(entry);
            }
            _ => {}
        }
    }
    let params = json!({"early-slack-ms": 0, "late-slack-ms": late});
    finish("ttl", params.as_object().unwrap().clone(), entries)
}

#[test]
fn entries_that_end_in_time_are_never_accused() {
    for seed in 0..500 {
        let history = ending(seed, [0, 20, 300][seed as usize % 3]);
        let judgement = judge(&history, &Budget { threads: 1, ..Budget::default() });
        let told = serde_json::to_string_pretty(&judgement).unwrap();
        assert_eq!(judgement.verdict, Verdict::Valid, "seed {seed} {told}\n{}", text(&history));
    }
}

#[test]
fn entries_that_end_early_or_late_are_found() {
    let mut found = [0, 0];
    for seed in 0..200 {
        let mut history = ending(seed, 300);
        // An object that lets entries live shorter, or longer, than it was told.
        for (which, found) in found.iter_mut().enumerate() {
            let real = history.clone();
            for entry in &mut history.entries {
                entry.ttl = entry.ttl.map(|ttl| if which == 0 { ttl * 8 } else { ttl / 4 });
            }
            history.header.params["late-slack-ms"] = json!(0);
            *found += u32::from(verdict(&history) == Verdict::Invalid);
            history = real;
        }
    }
    assert!(found.iter().all(|count| *count > 100), "early, late: {found:?} of 200 each");
}
