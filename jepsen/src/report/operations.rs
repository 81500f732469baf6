//! What every page and plot starts from: operations made of two lines of a history, and faults
//! made of the lines of the nemesis.

use std::collections::HashMap;

use serde_json::Value;

use crate::history::{Entry, EntryType, History, Process};

/// Operations that change nothing. Whatever is not among them counts as a write.
const READS: [&str; 15] = [
    "available",
    "contains",
    "entries",
    "expire",
    "get",
    "get-all",
    "get-fence",
    "is-empty",
    "is-locked",
    "keys",
    "listen",
    "lock-count",
    "read",
    "size",
    "unlisten",
];

/// The ways in which an operation can end, in the order in which they are listed.
pub(super) const ENDINGS: [EntryType; 3] = [EntryType::Ok, EntryType::Fail, EntryType::Info];

/// The word of a line's type, as in the history.
pub(super) fn word(ending: EntryType) -> &'static str {
    match ending {
        EntryType::Invoke => "invoke",
        EntryType::Ok => "ok",
        EntryType::Fail => "fail",
        EntryType::Info => "info",
        EntryType::Event => "event",
    }
}

/// One operation of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation<'a> {
    /// The logical process.
    pub(super) process: u64,
    /// Its first line.
    pub(super) invoke: &'a Entry,
    /// Its second line; open at the end of the history: none.
    pub(super) completion: Option<&'a Entry>,
}

impl Operation<'_> {
    /// How it ended; without a completion nobody knows.
    pub(super) fn ending(&self) -> EntryType {
        self.completion.map_or(EntryType::Info, |line| line.kind)
    }

    /// Milliseconds from invocation to completion.
    pub(super) fn latency_ms(&self) -> Option<f64> {
        let completion = self.completion?;
        Some(milliseconds(completion.time.saturating_sub(self.invoke.time)))
    }

    /// Whether it may change something.
    pub(super) fn is_write(&self) -> bool {
        !READS.contains(&self.invoke.f.as_str())
    }
}

/// The operations of the clients, in the order of their invocations. Completions without an
/// invocation, a fault of the harness with a verdict of its own, are left out.
pub(super) fn operations(history: &History) -> Vec<Operation<'_>> {
    let mut found: Vec<Operation<'_>> = Vec::new();
    let mut open: HashMap<u64, usize> = HashMap::new();
    for line in &history.entries {
        let Process::Client(process) = line.process else { continue };
        match line.kind {
            EntryType::Invoke => {
                open.insert(process, found.len());
                found.push(Operation { process, invoke: line, completion: None });
            }
            EntryType::Ok | EntryType::Fail | EntryType::Info => {
                if let Some(at) = open.remove(&process) {
                    found[at].completion = Some(line);
                }
            }
            EntryType::Event => {}
        }
    }
    found
}

/// The kinds of operations, the most frequent first.
pub(super) fn most_frequent<'a>(operations: &[Operation<'a>]) -> Vec<&'a str> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for operation in operations {
        *counts.entry(&operation.invoke.f).or_default() += 1;
    }
    let mut kinds: Vec<(&str, usize)> = counts.into_iter().collect();
    kinds.sort_by_key(|(kind, count)| (std::cmp::Reverse(*count), *kind));
    kinds.into_iter().map(|(kind, _)| kind).collect()
}

/// One fault, from its start to its stop.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    /// The kind, as the nemesis calls it.
    pub(super) kind: String,
    /// Index of the line that tells of its start.
    pub(super) start_index: u64,
    /// Nanoseconds since the start of the run.
    pub(super) start: u64,
    /// Index of the line that tells of its stop; none: it lasted to the end.
    pub(super) stop_index: Option<u64>,
    /// Nanoseconds since the start of the run; none: it lasted to the end.
    pub(super) stop: Option<u64>,
    /// The nodes it was done to.
    pub(super) nodes: Vec<String>,
    /// Whatever else the nemesis says of it.
    pub(super) detail: String,
    /// Whether it was done to the leader.
    pub(super) hits_leader: bool,
    /// A line without a phase: an instant, not a time with an end.
    pub(super) instant: bool,
}

/// The faults of a history in the order of their starts. A stop ends the oldest open fault of its
/// kind on the same nodes, else the oldest of its kind.
pub(super) fn faults(history: &History) -> Vec<Fault> {
    let mut found: Vec<Fault> = Vec::new();
    for line in &history.entries {
        if !matches!(&line.process, Process::Named(name) if name == "nemesis") {
            continue;
        }
        let fault = fault_of(line);
        if phase_of(line) != Some("stop") {
            found.push(fault);
            continue;
        }
        let mut open = found
            .iter_mut()
            .filter(|open| open.kind == fault.kind && open.stop.is_none() && !open.instant);
        let ended = match open.next() {
            None => continue,
            Some(oldest) if oldest.nodes == fault.nodes => oldest,
            Some(oldest) => open.find(|open| open.nodes == fault.nodes).unwrap_or(oldest),
        };
        ended.stop = Some(line.time);
        ended.stop_index = Some(line.index);
    }
    found
}

fn fault_of(line: &Entry) -> Fault {
    let nodes = names(field(line, "nodes"));
    let hits_leader = match field(line, "leader") {
        Some(Value::Bool(hit)) => *hit,
        Some(leader) => nodes.contains(&plain(leader)),
        None => false,
    };
    Fault {
        kind: line.f.clone(),
        start_index: line.index,
        start: line.time,
        stop_index: None,
        stop: None,
        nodes,
        detail: field(line, "detail").map(plain).unwrap_or_default(),
        hits_leader,
        instant: phase_of(line) != Some("start"),
    }
}

fn phase_of(line: &Entry) -> Option<&str> {
    field(line, "phase")?.as_str()
}

fn field<'a>(line: &'a Entry, name: &str) -> Option<&'a Value> {
    line.value.as_ref()?.get(name)
}

fn names(list: Option<&Value>) -> Vec<String> {
    match list {
        Some(Value::Array(list)) => list.iter().map(plain).collect(),
        Some(Value::Null) | None => Vec::new(),
        Some(one) => vec![plain(one)],
    }
}

/// Text as it is, anything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// The latest time, in nanoseconds; in a history that is well formed that of the last line.
pub(super) fn end_of(history: &History) -> u64 {
    history.entries.iter().map(|line| line.time).max().unwrap_or_default()
}

/// Nanoseconds as milliseconds.
pub(super) fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

/// Nanoseconds as seconds.
pub(super) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::Story;

    #[test]
    fn an_operation_is_made_of_its_two_lines() {
        let mut story = Story::new("register");
        story.at(10).invoke(1, "write");
        story.at(11).invoke(2, "read");
        story.at(14).end(1, EntryType::Ok, "write");
        story.at(15).invoke(1, "write");
        let history = story.told();
        let found = operations(&history);
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].ending(), found[0].latency_ms()), (EntryType::Ok, Some(4.0)));
        assert_eq!((found[1].ending(), found[1].latency_ms()), (EntryType::Info, None));
        assert!(found[0].is_write() && !found[1].is_write());
    }

    #[test]
    fn a_stop_ends_the_fault_of_its_kind_and_nodes() {
        let mut story = Story::new("register");
        story.at(10).fault("kill", "start", &["n1"], true);
        story.at(20).fault("kill", "start", &["n2"], false);
        story.at(30).fault("pause", "start", &["n3"], false);
        story.at(40).fault("kill", "stop", &["n2"], false);
        story.at(50).fault("kill", "stop", &["n9"], false);
        let history = story.told();
        let found = faults(&history);
        let stops: Vec<Option<u64>> = found.iter().map(|fault| fault.stop).collect();
        assert_eq!(stops, [Some(50_000_000), Some(40_000_000), None]);
        assert!(found[0].hits_leader && !found[1].hits_leader);
    }

    #[test]
    fn a_remark_without_a_phase_is_an_instant() {
        let mut story = Story::new("register");
        story.at(10).remark("heal");
        let found = faults(&story.told());
        assert!(found[0].instant && found[0].stop.is_none());
    }

    #[test]
    fn the_leader_may_be_told_by_its_name() {
        let mut story = Story::new("register");
        story.at(10).remark("kill");
        let mut history = story.told();
        history.entries[0].value =
            Some(serde_json::json!({"phase": "start", "nodes": ["n1", 2], "leader": 2}));
        let found = faults(&history);
        assert_eq!(found[0].nodes, ["n1", "2"]);
        assert!(found[0].hits_leader);
    }
}
