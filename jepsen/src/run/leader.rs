//! Who led when: written into the history, since listeners and times to live have a promise only
//! while one leader holds office.

use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::listener;
use crate::history::{Entry, EntryType, History, Process, Recorder};

/// The process that writes these lines.
pub const LEADER: &str = "leader";
/// How often the cluster is asked.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Asks who leads, again and again, and writes a line whenever the answer is there. `ask` gives an
/// identity of the leadership, term and node, or nothing when nobody is known to lead.
pub async fn watch_leader(
    recorder: Recorder,
    ask: impl Fn() -> BoxFuture<'static, Option<String>> + Send,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let mut entry = Entry::new(Process::Named(LEADER.to_owned()), EntryType::Info, LEADER);
        entry.value = Some(json!(ask().await));
        recorder.add(entry);
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Events whose value says which change they tell: each value is written once.
const WITH_VALUE: [&str; 2] = ["added", "updated"];

fn leadership(entry: &Entry) -> Option<Option<&str>> {
    let by = matches!(&entry.process, Process::Named(name) if name == LEADER);
    by.then(|| entry.value.as_ref().and_then(|value| value.as_str()))
}

/// The longest time in which nobody was known to lead, or who led changed.
pub fn leaderless(history: &History) -> Duration {
    let (mut longest, mut last): (u64, Option<(u64, String)>) = (0, None);
    for entry in &history.entries {
        let Some(Some(leader)) = leadership(entry) else { continue };
        if let Some((since, before)) = &last
            && (before != leader || entry.time - since > 4 * LOOK_INTERVAL.as_nanos() as u64)
        {
            longest = longest.max(entry.time - since);
        }
        last = Some((entry.time, leader.to_owned()));
    }
    Duration::from_nanos(longest)
}

/// A listener that was lost with its connection may miss what came after the last change it was
/// told of: its end is put there. A change of leader ends and renews every listener: changes
/// between may be missing or late, and are never repeated. `unlisten` stands where the old leader
/// was last known to serve, `listen` is acknowledged where the new one is known.
pub fn with_renewed_listeners(history: &History) -> History {
    let history = &with_early_ends(history);
    let mut cuts = Vec::new();
    let mut last: Option<(usize, String)> = None;
    for (at, entry) in history.entries.iter().enumerate() {
        let Some(Some(leader)) = leadership(entry) else { continue };
        if let Some((since, before)) = &last
            && before != leader
        {
            cuts.push((*since, at));
        }
        last = Some((at, leader.to_owned()));
    }
    renew(history, &cuts)
}

fn with_early_ends(history: &History) -> History {
    let mut moved = history.clone();
    let lost: Vec<usize> = (0..moved.entries.len())
        .filter(|at| moved.entries[*at].more.contains_key(listener::LOST))
        .collect();
    for at in lost {
        let entry = moved.entries.remove(at);
        // Whatever is moved comes from further behind, so the places before stay.
        let last = last_told(&moved.entries[..at], &entry).unwrap_or(at);
        let time = moved.entries[..last].last().map_or(entry.time, |before| before.time);
        moved.entries.insert(last, Entry { time, ..entry });
    }
    moved.number();
    moved
}

/// Where the change began that a listener was told of last: a node that stood still tells it late,
/// and what came after the change not at all.
fn last_told(before: &[Entry], unlisten: &Entry) -> Option<usize> {
    let of_it = |other: &&Entry| other.listener == unlisten.listener;
    let begin = before.iter().position(|other| of_it(&other) && other.kind == EntryType::Ok)? + 1;
    let last = before.iter().filter(of_it).rfind(|event| WITH_VALUE.contains(&&*event.f));
    let caused = |event: &Entry| {
        let same = |other: &Entry| (&other.key, &other.value) == (&event.key, &event.value);
        before.iter().position(|other| other.kind == EntryType::Invoke && same(other))
    };
    Some(last.and_then(caused).map_or(begin, |at| at.max(begin)))
}

fn renew(history: &History, cuts: &[(usize, usize)]) -> History {
    let mut entries = Vec::with_capacity(history.entries.len());
    // Listeners that are there: name and the line that asked for them.
    let mut listening: Vec<Entry> = Vec::new();
    let mut next_process = 1 + history.entries.iter().filter_map(number).max().unwrap_or_default();
    for (at, entry) in history.entries.iter().enumerate() {
        match (entry.f.as_str(), entry.kind) {
            ("listen", EntryType::Ok) => listening.push(entry.clone()),
            ("unlisten", EntryType::Invoke) => {
                listening.retain(|kept| kept.listener != entry.listener);
            }
            _ => {}
        }
        entries.push(entry.clone());
        if cuts.iter().any(|(since, _)| *since == at) {
            for listener in &listening {
                for (f, kind) in [("unlisten", EntryType::Invoke), ("listen", EntryType::Invoke)] {
                    // Each has a process of its own: the unlisten may still be open.
                    next_process += 1;
                    entries.push(synthetic(listener, next_process, f, kind, entry.time));
                }
            }
        }
        if cuts.iter().any(|(_, until)| *until == at) {
            let open: Vec<_> = still_open(&entries);
            for (f, listener) in open {
                // One that has ended meanwhile does not listen anew.
                let there = listening.iter().any(|kept| kept.listener == listener.listener);
                if f == "listen" && !there {
                    continue;
                }
                let process = number(&listener).unwrap_or_default();
                entries.push(synthetic(&listener, process, &f, EntryType::Ok, entry.time));
            }
        }
    }
    let mut renewed = History { header: history.header.clone(), entries };
    renewed.number();
    renewed
}

fn number(entry: &Entry) -> Option<u64> {
    match entry.process {
        Process::Client(number) => Some(number),
        Process::Named(_) => None,
    }
}

/// Lines of ours that nothing has completed.
fn still_open(entries: &[Entry]) -> Vec<(String, Entry)> {
    let mut open: Vec<(String, Entry)> = Vec::new();
    for entry in entries.iter().filter(|entry| entry.more.contains_key(SYNTHETIC)) {
        match entry.kind {
            EntryType::Invoke => open.push((entry.f.clone(), entry.clone())),
            _ => open.retain(|(_, begun)| begun.process != entry.process),
        }
    }
    open
}

/// Marks the lines that were added.
const SYNTHETIC: &str = "renewal";

fn synthetic(listener: &Entry, process: u64, f: &str, kind: EntryType, time: u64) -> Entry {
    let mut entry = Entry::new(Process::Client(process), kind, f);
    entry.time = time;
    entry.listener.clone_from(&listener.listener);
    entry.more.clone_from(&listener.more);
    entry.more.insert(SYNTHETIC.to_owned(), true.into());
    entry
}
