//! Histories told line by line, for the tests of the report.

use serde_json::{Value, json};

use crate::history::{Entry, EntryType, Header, History, Process};

/// A history on its way.
pub(super) struct Story {
    history: History,
    now_ms: u64,
}

impl Story {
    pub(super) fn new(model: &str) -> Self {
        let header = Header {
            history: 1,
            name: "sample".into(),
            model: model.into(),
            params: serde_json::Map::new(),
        };
        Self { history: History { header, entries: Vec::new() }, now_ms: 0 }
    }

    /// What is told next happens at this millisecond.
    pub(super) fn at(&mut self, now_ms: u64) -> &mut Self {
        self.now_ms = now_ms;
        self
    }

    pub(super) fn invoke(&mut self, process: u64, f: &str) -> &mut Self {
        self.line(Entry::new(Process::Client(process), EntryType::Invoke, f))
    }

    pub(super) fn end(&mut self, process: u64, ending: EntryType, f: &str) -> &mut Self {
        self.line(Entry::new(Process::Client(process), ending, f))
    }

    /// Both lines of an operation, one at the current time and one some milliseconds later.
    pub(super) fn operation(&mut self, process: u64, f: &str, ending: EntryType, ms: u64) {
        self.invoke(process, f);
        self.now_ms += ms;
        self.end(process, ending, f);
    }

    pub(super) fn fault(&mut self, kind: &str, phase: &str, nodes: &[&str], leader: bool) {
        let mut line = Entry::new(Process::Named("nemesis".into()), EntryType::Info, kind);
        line.value = Some(json!({"phase": phase, "nodes": nodes, "leader": leader}));
        self.line(line);
    }

    pub(super) fn remark(&mut self, f: &str) {
        self.line(Entry::new(Process::Named("nemesis".into()), EntryType::Info, f));
    }

    pub(super) fn line(&mut self, mut line: Entry) -> &mut Self {
        line.index = self.history.entries.len() as u64;
        line.time = self.now_ms * 1_000_000;
        self.history.entries.push(line);
        self
    }

    pub(super) fn told(&self) -> History {
        self.history.clone()
    }
}

/// A golden history, as it lies in its file.
pub(super) fn golden(name: &str) -> History {
    let path = format!("{}/tests/golden/{name}.history.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let (header, lines) = text.split_once('\n').unwrap();
    let header: Header = serde_json::from_str(header).unwrap();
    let entries = lines.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        // Events of the golden histories are nobody's but the listener's.
        line.as_object_mut().unwrap().entry("process").or_insert(json!("listener"));
        serde_json::from_value(line).unwrap()
    });
    let entries = entries.collect();
    History { header, entries }
}

/// A run of 30 s with a killed leader: 5 processes, reads and writes, a gap of 1.2 s.
pub(super) fn run_with_a_kill() -> History {
    let mut story = Story::new("register");
    for step in 0..3_000_u64 {
        let now = step * 10;
        story.at(now);
        if now == 10_000 {
            story.fault("kill", "start", &["n1"], true);
        }
        if now == 15_000 {
            story.fault("kill", "stop", &["n1"], true);
        }
        let process = step % 5 + if now < 10_000 { 0 } else { 5 };
        if (10_000..11_200).contains(&now) {
            if now % 300 == 0 {
                story.operation(process, "write", EntryType::Fail, 5);
            }
            continue;
        }
        let f = if step % 2 == 0 { "write" } else { "read" };
        story.operation(process, f, EntryType::Ok, 1 + step % 7);
    }
    story.told()
}
