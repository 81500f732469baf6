//! Whether the cluster served while a majority of it was healthy.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::operation::operations;
use crate::history::{Entry, EntryType, History, Process};

/// A time in which a majority was healthy, the time after each fault left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Beginning, milliseconds since the start of the run.
    pub from_ms: u64,
    /// End, likewise.
    pub to_ms: u64,
    /// Operations begun in it that were acknowledged.
    pub ok: u64,
    /// Others begun in it.
    pub not_ok: u64,
}

/// How well it served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Availability {
    /// In order.
    pub windows: Vec<Window>,
    /// Share of acknowledged operations in all windows; none without operations.
    pub ok_share: Option<f64>,
}

/// Counts operations begun in windows in which a majority of `nodes` was healthy.
///
/// `faulted` reads from a line of the nemesis how many nodes are faulted from then on; `None`: the
/// line is no change. After each change `grace` is left out.
pub fn available(
    history: &History,
    nodes: usize,
    grace: Duration,
    faulted: impl Fn(&Entry) -> Option<usize>,
) -> Availability {
    let mut windows = windows(history, nodes, grace, faulted);
    let ended = operations(history);
    let answered = |at: usize| {
        let found = ended.binary_search_by_key(&at, |operation| operation.invoked);
        found.is_ok_and(|found| ended[found].returned.is_some())
    };
    for (at, entry) in history.entries.iter().enumerate() {
        let invoked = entry.kind == EntryType::Invoke && entry.f != "expire";
        if !invoked || !matches!(entry.process, Process::Client(_)) {
            continue;
        }
        let now = entry.time / NANOS_PER_MS;
        let after = windows.partition_point(|window| window.to_ms <= now);
        let Some(window) = windows.get_mut(after).filter(|window| window.from_ms <= now) else {
            continue;
        };
        *(if answered(at) { &mut window.ok } else { &mut window.not_ok }) += 1;
    }
    let ok: u64 = windows.iter().map(|window| window.ok).sum();
    let all: u64 = windows.iter().map(|window| window.ok + window.not_ok).sum();
    Availability { windows, ok_share: (all > 0).then(|| ok as f64 / all as f64) }
}

/// The nodes that a line of the nemesis lists as faulted from then on, in a field of its own or of
/// its value.
pub fn faulted(entry: &Entry) -> Option<usize> {
    let value = entry.value.as_ref().and_then(|value| value.get("faulted"));
    Some(entry.more.get("faulted").or(value)?.as_array()?.len())
}

const NANOS_PER_MS: u64 = 1_000_000;

fn windows(
    history: &History,
    nodes: usize,
    grace: Duration,
    faulted: impl Fn(&Entry) -> Option<usize>,
) -> Vec<Window> {
    let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    let mut windows = Vec::new();
    let mut since = Some(0);
    let mut end = |since: Option<u64>, now: u64| {
        if let Some(from_ms) = since.filter(|from| *from < now) {
            windows.push(Window { from_ms, to_ms: now, ok: 0, not_ok: 0 });
        }
    };
    for entry in history.entries.iter().filter(|entry| matches!(entry.process, Process::Named(_))) {
        let Some(faulted) = faulted(entry) else { continue };
        let now = entry.time / NANOS_PER_MS;
        end(since, now);
        let healthy = nodes.saturating_sub(faulted) > nodes / 2;
        since = healthy.then(|| now.saturating_add(grace_ms));
    }
    let last = history.entries.last().map_or(0, |entry| entry.time / NANOS_PER_MS + 1);
    end(since, last);
    windows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::parse;

    #[test]
    fn operations_count_while_a_majority_is_healthy() {
        let mut text = r#"{"history":1,"name":"n","model":"register"}"#.to_owned();
        let mut index = 0;
        let mut line = |second: u64, rest: &str| {
            let time = second * 1_000_000_000;
            text.push_str(&format!("\n{{\"index\":{index},\"time\":{time},{rest}}}"));
            index += 1;
        };
        for (process, (second, kind)) in
            [(0, "ok"), (11, "fail"), (14, "ok"), (21, "info"), (35, "info")].iter().enumerate()
        {
            match second {
                11 => line(10, r#""process":"nemesis","type":"info","f":"kill","faulted":["a"]"#),
                21 => line(
                    20,
                    r#""process":"nemesis","type":"info","f":"kill","value":{"faulted":["a","b"]}"#,
                ),
                35 => line(30, r#""process":"nemesis","type":"info","f":"heal","faulted":[]"#),
                _ => {}
            }
            line(*second, &format!(r#""process":{process},"type":"invoke","f":"write","value":1"#));
            line(*second, &format!(r#""process":{process},"type":"{kind}","f":"write""#));
        }
        let history = parse(&text).unwrap();
        let found = available(&history, 3, Duration::from_secs(3), faulted);
        let windows: Vec<_> = found
            .windows
            .iter()
            .map(|window| (window.from_ms, window.to_ms, window.ok, window.not_ok))
            .collect();
        assert_eq!(windows, [(0, 10_000, 1, 0), (13_000, 20_000, 1, 0), (33_000, 35_001, 0, 1)]);
        assert_eq!(found.ok_share, Some(2.0 / 3.0));
    }
}
