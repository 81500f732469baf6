//! The one entry: a history in, a judgement out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::explain::{self, Part};
use super::models::{
    Counter, Lock, MapObject, Register, Semaphore, SetObject, is_whole, needs_whole,
};
use super::operation::{Operation, operations};
use super::shrink::Keep;
use super::verdict::{Budget, CheckerResult, Judgement, Verdict, Violation};
use super::{events, ids, record, set_full, ttl};
use crate::history::{self, Entry, History, Malformed};

/// Judges a history by the model that its header names.
///
/// Keys are judged each by itself, in threads; objects with operations on all of them as a whole.
/// Entries may name their `object`: each has keys of its own. In a history of the model `mix` each
/// entry names its `model`, and the parameters of a model stand under its name.
pub fn judge(history: &History, budget: &Budget) -> Judgement {
    let started = Instant::now();
    let header = &history.header;
    let mut judgement = match judged(history, budget) {
        Err(malformed) => Judgement::malformed(&header.name, &header.model, &malformed),
        Ok(checkers) => {
            let verdict = checkers.values().map(|result| result.verdict).max();
            Judgement {
                name: header.name.clone(),
                model: header.model.clone(),
                verdict: verdict.unwrap_or(Verdict::Valid),
                malformed: None,
                checkers,
                took_ms: 0,
            }
        }
    };
    judgement.took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    judgement
}

/// Judges the history in a file; one that cannot be read is malformed.
pub fn judge_file(path: &Path, budget: &Budget) -> Judgement {
    match history::read(path) {
        Ok(history) => judge(&history, budget),
        Err(malformed) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            Judgement::malformed(&name, "", &malformed)
        }
    }
}

fn judged(
    history: &History,
    budget: &Budget,
) -> Result<BTreeMap<String, CheckerResult>, Malformed> {
    history::check(history)?;
    let all = operations(history);
    let jobs = jobs(history, &all)?;
    let mut checkers: BTreeMap<String, CheckerResult> = BTreeMap::new();
    for (job, result) in jobs.iter().zip(run(history, &jobs, budget)?) {
        let checker = checkers.entry(job.kind.name().to_owned()).or_insert_with(CheckerResult::new);
        checker.join(result);
        checker.count("parts", 1);
        checker.count("operations", job.operations.len() as u64);
        let unknown = job.operations.iter().filter(|one| one.returned.is_none()).count();
        checker.count("unknown-operations", unknown as u64);
    }
    Ok(checkers)
}

/// Runs all jobs in threads, the longest first.
fn run(
    history: &History,
    jobs: &[Job<'_>],
    budget: &Budget,
) -> Result<Vec<CheckerResult>, Malformed> {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|job| std::cmp::Reverse(jobs[*job].operations.len()));
    let taken = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(jobs.len()));
    std::thread::scope(|scope| {
        for _ in 0..budget.threads.clamp(1, jobs.len().max(1)) {
            scope.spawn(|| {
                while let Some(at) = order.get(taken.fetch_add(1, Ordering::Relaxed)) {
                    let result = jobs[*at].judge(&history.entries, budget);
                    results.lock().push((*at, result));
                }
            });
        }
    });
    let mut results = results.into_inner();
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Register,
    Map,
    Set,
    SetFull,
    Counter,
    Lock,
    Semaphore,
    Ids,
    Events,
    Ttl,
    Record,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Register,
        Self::Map,
        Self::Set,
        Self::SetFull,
        Self::Counter,
        Self::Lock,
        Self::Semaphore,
        Self::Ids,
        Self::Events,
        Self::Ttl,
        Self::Record,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Map => "map",
            Self::Set => "set",
            Self::SetFull => "set-full",
            Self::Counter => "counter",
            Self::Lock => "lock",
            Self::Semaphore => "semaphore",
            Self::Ids => "ids",
            Self::Events => "events",
            Self::Ttl => "ttl",
            Self::Record => "record",
        }
    }

    fn named(name: &str) -> Result<Self, Malformed> {
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == name);
        kind.ok_or_else(|| Malformed::at(1, format!("there is no model {name:?}")))
    }
}

/// One part of a history and what judges it.
struct Job<'a> {
    kind: Kind,
    params: &'a Map<String, Value>,
    key: Value,
    operations: Vec<Operation<'a>>,
    registrations: Vec<Operation<'a>>,
    events: Vec<usize>,
}

/// Operations of one model on one object.
#[derive(Default)]
struct Object<'a> {
    operations: Vec<Operation<'a>>,
    events: Vec<usize>,
}

fn jobs<'a>(history: &'a History, all: &[Operation<'a>]) -> Result<Vec<Job<'a>>, Malformed> {
    let header = &history.header;
    let mixed = header.model == MIX;
    let kind_of = |entry: &Entry| match entry.more.get("model") {
        Some(Value::String(name)) if mixed => Kind::named(name),
        _ if mixed => Err(Malformed::whole(format!("index {} names no model", entry.index))),
        _ => Kind::named(&header.model),
    };
    let mut objects: BTreeMap<(Kind, String), Object<'a>> = BTreeMap::new();
    let name = |entry: &Entry| entry.more.get("object").map_or_else(String::new, Value::to_string);
    for operation in all {
        let of = (kind_of(operation.asked)?, name(operation.asked));
        objects.entry(of).or_default().operations.push(*operation);
    }
    for (at, entry) in history.entries.iter().enumerate() {
        if events::is_event(entry) && (!mixed || kind_of(entry)? == Kind::Events) {
            let of = (kind_of(entry)?, name(entry));
            objects.entry(of).or_default().events.push(at);
        }
    }
    if !mixed {
        Kind::named(&header.model)?;
    }
    let mut jobs = Vec::new();
    for ((kind, name), object) in objects {
        let own = if mixed { header.params.get(kind.name()) } else { None };
        let params = own.and_then(Value::as_object).unwrap_or(&header.params);
        let object_jobs = divide(kind, params, object, history);
        jobs.extend(object_jobs.into_iter().map(|mut job| {
            if !name.is_empty() {
                job.key = Value::from(format!("{name} {}", job.key));
            }
            job
        }));
    }
    Ok(jobs)
}

/// Divides the operations on an object into parts that are judged each by itself.
fn divide<'a>(
    kind: Kind,
    params: &'a Map<String, Value>,
    object: Object<'a>,
    history: &'a History,
) -> Vec<Job<'a>> {
    let job = |kind, key: Value, operations| Job {
        kind,
        params,
        key,
        operations,
        registrations: Vec::new(),
        events: Vec::new(),
    };
    let whole = |one: &Operation<'_>| is_whole(one.f());
    match kind {
        Kind::Map if object.operations.iter().any(whole) => {
            vec![job(kind, Value::Null, object.operations)]
        }
        Kind::Events => listened(object, history, job),
        Kind::Set | Kind::SetFull => {
            let sets = by_key(object.operations);
            let divided = sets.into_iter().flat_map(|(key, operations)| {
                let whole = operations.iter().any(|one| needs_whole(one.f()));
                if kind == Kind::SetFull || (whole && operations.len() > SMALL_SET) {
                    vec![job(Kind::SetFull, key, operations)]
                } else if whole {
                    vec![job(kind, key, operations)]
                } else {
                    let elements =
                        by(operations, |one| one.asked.value.clone().unwrap_or(Value::Null));
                    let named = |element| Value::from(vec![key.clone(), element]);
                    elements
                        .into_iter()
                        .map(|(element, operations)| job(kind, named(element), operations))
                        .collect()
                }
            });
            divided.collect()
        }
        Kind::Register
        | Kind::Map
        | Kind::Counter
        | Kind::Lock
        | Kind::Semaphore
        | Kind::Ids
        | Kind::Record
        | Kind::Ttl => by_key(object.operations)
            .into_iter()
            .map(|(key, operations)| job(kind, key, operations))
            .collect(),
    }
}

/// One part for each listener and key.
fn listened<'a>(
    object: Object<'a>,
    history: &'a History,
    job: impl Fn(Kind, Value, Vec<Operation<'a>>) -> Job<'a>,
) -> Vec<Job<'a>> {
    let registers = |one: &Operation<'_>| matches!(one.f(), "listen" | "unlisten");
    let (registrations, changes): (Vec<_>, Vec<_>) =
        object.operations.into_iter().partition(registers);
    let mut keys: BTreeMap<String, (Value, Vec<Operation<'a>>)> = BTreeMap::new();
    for (key, operations) in by_key(changes) {
        keys.insert(key.to_string(), (key, operations));
    }
    let mut heard: BTreeMap<(Option<&str>, String), Vec<usize>> = BTreeMap::new();
    for at in object.events {
        let entry = &history.entries[at];
        let key = entry.key.clone().unwrap_or(Value::Null);
        let text = key.to_string();
        keys.entry(text.clone()).or_insert_with(|| (key, Vec::new()));
        heard.entry((entry.listener.as_deref(), text)).or_default().push(at);
    }
    let mut listeners: Vec<Option<&str>> = heard.keys().map(|(listener, _)| *listener).collect();
    listeners.extend(registrations.iter().map(|one| one.asked.listener.as_deref()));
    listeners.sort_unstable();
    listeners.dedup();
    let mut jobs = Vec::new();
    for listener in listeners {
        for (text, (key, operations)) in &keys {
            let of = (listener, text.clone());
            let mut part = job(Kind::Events, key.clone(), operations.clone());
            part.key = Value::from(vec![Value::from(listener), key.clone()]);
            part.events = heard.get(&of).cloned().unwrap_or_default();
            part.registrations.extend(registrations.iter().filter(|one| {
                let whole = one.asked.key.as_ref().is_none_or(|of| of == key);
                whole && one.asked.listener.as_deref() == listener
            }));
            jobs.push(part);
        }
    }
    jobs
}

fn by_key<'a>(operations: Vec<Operation<'a>>) -> Vec<(Value, Vec<Operation<'a>>)> {
    by(operations, |one| one.key().clone())
}

fn by<'a>(
    operations: Vec<Operation<'a>>,
    key: impl Fn(&Operation<'a>) -> Value,
) -> Vec<(Value, Vec<Operation<'a>>)> {
    let mut parts: BTreeMap<String, (Value, Vec<Operation<'a>>)> = BTreeMap::new();
    for operation in operations {
        let key = key(&operation);
        parts.entry(key.to_string()).or_insert((key, Vec::new())).1.push(operation);
    }
    parts.into_values().collect()
}

impl<'a> Job<'a> {
    fn judge(&self, entries: &'a [Entry], budget: &Budget) -> Result<CheckerResult, Malformed> {
        let part = |keep| Part {
            entries,
            key: self.key.clone(),
            operations: &self.operations,
            keep,
            others: self.others(),
        };
        let limits = budget.search;
        let params = self.params;
        match self.kind {
            Kind::Register => explain::judge(&part(Keep::Mentioned), limits, |operations| {
                Register::build(operations, params)
            }),
            Kind::Map => explain::judge(&part(Keep::Mentioned), limits, MapObject::build),
            Kind::Set => explain::judge(&part(Keep::Mentioned), limits, SetObject::build),
            Kind::Counter => explain::judge(&part(Keep::Changes), limits, |operations| {
                Counter::build(operations, params)
            }),
            Kind::Lock => explain::judge(&part(Keep::Clients), limits, |operations| {
                Lock::build(operations, params)
            }),
            Kind::Semaphore => explain::judge(&part(Keep::Clients), limits, |operations| {
                Semaphore::build(operations, params)
            }),
            Kind::Ttl => explain::judge(&part(Keep::Changes), limits, |operations| {
                ttl::Ttl::build(operations, entries, params)
            }),
            Kind::Events => explain::judge(&part(Keep::All), limits, |operations| {
                let events = &self.events;
                let registrations = &self.registrations;
                events::Events::build(&events::Part { operations, registrations, events }, entries)
            }),
            Kind::Ids => self.judge_ids(entries),
            Kind::Record => self.judge_record(entries),
            Kind::SetFull => self.judge_set(entries, budget),
        }
    }

    /// Lines beside those of the operations: registrations and events.
    fn others(&self) -> Vec<usize> {
        let registrations = self.registrations.iter();
        let lines = registrations.flat_map(|one| [Some(one.invoked), one.returned]).flatten();
        lines.chain(self.events.iter().copied()).collect()
    }

    fn judge_ids(&self, entries: &[Entry]) -> Result<CheckerResult, Malformed> {
        let found = ids::judge(&self.operations, self.params)?;
        let mut result = CheckerResult::new();
        result.count("ids", found.told);
        for (what, operations) in found.wrong {
            self.add_violation(&mut result, what, &operations, entries);
        }
        Ok(result)
    }

    fn judge_record(&self, entries: &[Entry]) -> Result<CheckerResult, Malformed> {
        let found = record::judge(&self.operations, self.params)?;
        let mut result = CheckerResult::new();
        result.count("moves", found.moves);
        for (what, operations) in found.wrong {
            self.add_violation(&mut result, what, &operations, entries);
        }
        Ok(result)
    }

    fn judge_set(&self, entries: &[Entry], budget: &Budget) -> Result<CheckerResult, Malformed> {
        let mut found = set_full::judge(&self.operations, budget.search)?;
        if !found.unknown.is_empty() {
            found.result.verdict = Verdict::Unknown;
            found.result.unknown = found.unknown;
        }
        for wrong in found.wrong {
            let what = format!("element {}: {}", wrong.element, wrong.kind);
            self.add_violation(&mut found.result, what, &wrong.operations, entries);
        }
        Ok(found.result)
    }

    /// Adds a violation that some operations show by themselves.
    fn add_violation(
        &self,
        result: &mut CheckerResult,
        what: String,
        operations: &[usize],
        entries: &[Entry],
    ) {
        result.verdict = Verdict::Invalid;
        let of = operations.iter().map(|at| &self.operations[*at]);
        let mut lines: Vec<usize> =
            of.flat_map(|one| [Some(one.invoked), one.returned]).flatten().collect();
        lines.sort_unstable();
        lines.dedup();
        result.violations.push(Violation {
            key: self.key.clone(),
            what,
            at: lines.last().map_or(0, |line| entries[*line].index),
            order: Vec::new(),
            open: Vec::new(),
            states: Vec::new(),
            shrunken: lines.into_iter().map(|line| entries[line].clone()).collect(),
        });
    }
}

/// The model of a history in which each entry names its own.
const MIX: &str = "mix";
/// Sets with more operations than this are judged element by element.
const SMALL_SET: usize = 300;
