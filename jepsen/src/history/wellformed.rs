//! The rules of a history. One that breaks them says nothing about the system: it is the harness's
//! own fault and has a verdict of its own.

use std::collections::HashMap;
use std::fmt;

use super::entry::{Entry, EntryType, History, Process};

/// Why a history cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The line of the file, counted from 1 with the header; none when it is not about a line.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub reason: String,
}

/// Checks the rules that hold for every model: indexes rise, time does not go back, a process has
/// one operation open and is not used again after an unknown outcome, a completion answers the
/// invocation before it.
///
/// # Errors
/// The first line that breaks a rule.
pub fn check(history: &History) -> Result<(), Malformed> {
    if history.header.history != 1 {
        let version = history.header.history;
        return Err(Malformed::at(1, format!("format {version}, this reads format 1")));
    }
    let mut processes: HashMap<u64, State<'_>> = HashMap::new();
    let mut last: Option<&Entry> = None;
    for (at, entry) in history.entries.iter().enumerate() {
        let line = at + 2;
        if let Some(last) = last {
            if entry.index <= last.index {
                return Err(Malformed::at(line, format!("index {} does not rise", entry.index)));
            }
            if entry.time < last.time {
                return Err(Malformed::at(line, format!("time {} goes back", entry.time)));
            }
        }
        last = Some(entry);
        step(&mut processes, entry).map_err(|reason| Malformed::at(line, reason))?;
    }
    Ok(())
}

enum State<'a> {
    Idle,
    Open(&'a str),
    Gone,
}

fn step<'a>(processes: &mut HashMap<u64, State<'a>>, entry: &'a Entry) -> Result<(), String> {
    let process = match &entry.process {
        _ if entry.kind == EntryType::Event => return Ok(()),
        Process::Client(process) => *process,
        Process::Named(_) if entry.process.is_nobody() => return Err("no process".to_owned()),
        Process::Named(name) if name == "nemesis" || entry.kind == EntryType::Info => return Ok(()),
        Process::Named(name) => {
            return Err(format!("process {name:?} is neither number nor nemesis"));
        }
    };
    let state = processes.entry(process).or_insert(State::Idle);
    if entry.kind == EntryType::Invoke {
        return match state {
            State::Idle => {
                *state = State::Open(&entry.f);
                Ok(())
            }
            State::Open(f) => Err(format!("process {process} has {f} open already")),
            State::Gone => Err(format!("process {process} returns after an unknown outcome")),
        };
    }
    match state {
        State::Open(f) if *f == entry.f => {
            let gone = entry.kind == EntryType::Info;
            *state = if gone { State::Gone } else { State::Idle };
            Ok(())
        }
        State::Open(f) => {
            Err(format!("process {process} completes {:?}, but {f:?} is open", entry.f))
        }
        State::Idle | State::Gone => {
            Err(format!("process {process} completes {:?}, but nothing is open", entry.f))
        }
    }
}

impl Malformed {
    /// About one line of the file, counted from 1.
    pub fn at(line: usize, reason: impl Into<String>) -> Self {
        Self { line: Some(line), reason: reason.into() }
    }

    /// About the whole file.
    pub fn whole(reason: impl Into<String>) -> Self {
        Self { line: None, reason: reason.into() }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(out, "line {line}: {}", self.reason),
            None => out.write_str(&self.reason),
        }
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::super::json::parse;
    use super::*;

    fn verdict(lines: &[&str]) -> Option<(usize, String)> {
        let header = r#"{"history":1,"name":"n","model":"register"}"#;
        let mut text = header.to_owned();
        for line in lines {
            text.push('\n');
            text.push_str(line);
        }
        let malformed = check(&parse(&text).unwrap()).err()?;
        Some((malformed.line.unwrap(), malformed.reason))
    }

    const INVOKE: &str = r#"{"index":0,"time":5,"process":1,"type":"invoke","f":"read"}"#;

    #[test]
    fn each_rule_is_checked() {
        let complete = r#"{"index":3,"time":5,"process":1,"type":"ok","f":"read"}"#;
        assert_eq!(verdict(&[INVOKE, complete]), None);
        for (second, reason) in [
            (r#"{"index":0,"time":6,"process":1,"type":"ok","f":"read"}"#, "rise"),
            (r#"{"index":1,"time":4,"process":1,"type":"ok","f":"read"}"#, "back"),
            (r#"{"index":1,"time":6,"process":1,"type":"ok","f":"cas"}"#, "but \"read\" is open"),
            (r#"{"index":1,"time":6,"process":1,"type":"invoke","f":"cas"}"#, "open already"),
            (r#"{"index":1,"time":6,"process":2,"type":"ok","f":"read"}"#, "nothing is open"),
            (r#"{"index":1,"time":6,"process":"me","type":"ok","f":"read"}"#, "neither"),
            (r#"{"index":1,"time":6,"type":"ok","f":"read"}"#, "no process"),
        ] {
            let (line, told) = verdict(&[INVOKE, second]).unwrap();
            assert_eq!(line, 3);
            assert!(told.contains(reason), "{told}");
        }
    }

    #[test]
    fn a_process_is_not_used_again_after_an_unknown_outcome() {
        let unknown = r#"{"index":1,"time":6,"process":1,"type":"info","f":"read"}"#;
        let again = r#"{"index":2,"time":7,"process":1,"type":"invoke","f":"read"}"#;
        let other = r#"{"index":2,"time":7,"process":2,"type":"invoke","f":"read"}"#;
        assert!(verdict(&[INVOKE, unknown, again]).unwrap().1.contains("returns"));
        assert_eq!(verdict(&[INVOKE, unknown, other]), None);
        let late = r#"{"index":2,"time":7,"process":1,"type":"ok","f":"read"}"#;
        assert!(verdict(&[INVOKE, unknown, late]).unwrap().1.contains("nothing is open"));
    }

    #[test]
    fn a_refused_operation_frees_its_process_and_the_nemesis_is_free() {
        let refused = r#"{"index":1,"time":6,"process":1,"type":"fail","f":"read"}"#;
        let again = r#"{"index":2,"time":7,"process":1,"type":"invoke","f":"read"}"#;
        let kill = r#"{"index":3,"time":7,"process":"nemesis","type":"info","f":"kill"}"#;
        assert_eq!(verdict(&[INVOKE, refused, again, kill, &kill.replace('3', "4")]), None);
    }
}
