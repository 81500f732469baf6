//! Whether a run did enough to count.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::operation::operations;
use crate::history::{EntryType, History, Process};

/// What a counted run must show.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// Acknowledged operations of each kind.
    pub ok_each: u64,
    /// Share of operations on a key of which nobody knows what became, at most.
    pub unknown_share_max: f64,
    /// Operations a second, at least.
    pub operations_per_second_min: f64,
}

/// What a run did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// By kind of operation.
    pub kinds: BTreeMap<String, Outcomes>,
    /// The greatest share of unknown outcomes on a key, with the key.
    pub unknown_share: Option<(Value, f64)>,
    /// Operations that ended, a second.
    pub operations_per_second: f64,
    /// What is lacking, in words; empty: the run counts.
    pub lacking: Vec<String>,
}

/// How many operations of a kind ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// They happened.
    pub ok: u64,
    /// They did not.
    pub fail: u64,
    /// Nobody knows, or they were open at the end.
    pub unknown: u64,
}

/// Counts what a well-formed history did.
pub fn coverage(history: &History, needs: Needs) -> Coverage {
    let kinds = kinds(history);
    let mut lacking = Vec::new();
    let ok_each = needs.ok_each;
    for (f, outcomes) in kinds
        .iter()
        .filter(|(f, outcomes)| outcomes.ok < ok_each && !UNCOUNTED.contains(&f.as_str()))
    {
        lacking.push(format!("{} of {ok_each} {f} were acknowledged", outcomes.ok));
    }
    if kinds.is_empty() {
        lacking.push("there are no operations".to_owned());
    }
    let unknown_share = unknown_share(history);
    if let Some((key, share)) = &unknown_share
        && *share > needs.unknown_share_max
    {
        lacking.push(format!("{:.1} % of the outcomes on {key} are unknown", share * 100.0));
    }
    let ended: u64 = kinds.values().map(|outcomes| outcomes.ok + outcomes.fail).sum();
    let times = history.entries.first().zip(history.entries.last());
    let nanos = times.map_or(0, |(first, last)| last.time.saturating_sub(first.time));
    let operations_per_second = ended as f64 * 1e9 / nanos.max(1) as f64;
    if operations_per_second < needs.operations_per_second_min {
        lacking.push(format!("{operations_per_second:.0} operations a second"));
    }
    Coverage { kinds, unknown_share, operations_per_second, lacking }
}

/// These complete never, or once a run.
const UNCOUNTED: [&str; 3] = ["expire", "listen", "unlisten"];

fn kinds(history: &History) -> BTreeMap<String, Outcomes> {
    let mut kinds: BTreeMap<String, Outcomes> = BTreeMap::new();
    for entry in &history.entries {
        // Nobody acknowledges what a listener got.
        if !matches!(entry.process, Process::Client(_)) || entry.kind == EntryType::Event {
            continue;
        }
        let outcomes = kinds.entry(entry.f.clone()).or_default();
        match entry.kind {
            // Unknown until the other line comes.
            EntryType::Invoke => outcomes.unknown += 1,
            EntryType::Ok => outcomes.ok += 1,
            EntryType::Fail => outcomes.fail += 1,
            EntryType::Info | EntryType::Event => {}
        }
    }
    for outcomes in kinds.values_mut() {
        outcomes.unknown = outcomes.unknown.saturating_sub(outcomes.ok + outcomes.fail);
    }
    kinds
}

fn unknown_share(history: &History) -> Option<(Value, f64)> {
    let mut keys: BTreeMap<String, (Value, u64, u64)> = BTreeMap::new();
    for operation in operations(history) {
        if UNCOUNTED.contains(&operation.f()) {
            continue;
        }
        let key = operation.key();
        let (_, all, unknown) = keys.entry(key.to_string()).or_insert((key.clone(), 0, 0));
        *all += 1;
        *unknown += u64::from(operation.returned.is_none());
    }
    let shares = keys.into_values().map(|(key, all, unknown)| (key, unknown as f64 / all as f64));
    shares.max_by(|one, other| one.1.total_cmp(&other.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::parse;

    #[test]
    fn what_is_lacking_is_told() {
        let history = parse(
            r#"{"history":1,"name":"n","model":"register"}
{"index":0,"time":0,"process":0,"type":"invoke","f":"write","key":"k","value":1}
{"index":1,"time":1,"process":1,"type":"invoke","f":"read","key":"k"}
{"index":2,"time":2,"process":0,"type":"ok","f":"write","key":"k"}
{"index":3,"time":3,"process":1,"type":"info","f":"read","key":"k"}
{"index":4,"time":1000000000,"process":0,"type":"invoke","f":"write","key":"k","value":2}
{"index":5,"time":2000000000,"process":0,"type":"fail","f":"write","key":"k"}
"#,
        )
        .unwrap();
        let needs = Needs { ok_each: 1, unknown_share_max: 0.05, operations_per_second_min: 10.0 };
        let coverage = coverage(&history, needs);
        assert_eq!(coverage.kinds["write"], Outcomes { ok: 1, fail: 1, unknown: 0 });
        assert_eq!(coverage.kinds["read"], Outcomes { ok: 0, fail: 0, unknown: 1 });
        assert_eq!(coverage.unknown_share, Some((Value::from("k"), 0.5)));
        assert_eq!(
            coverage.lacking,
            [
                "0 of 1 read were acknowledged",
                "50.0 % of the outcomes on \"k\" are unknown",
                "1 operations a second"
            ]
        );
        let modest = Needs { ok_each: 0, unknown_share_max: 0.5, operations_per_second_min: 1.0 };
        assert_eq!(super::coverage(&history, modest).lacking, Vec::<String>::new());
    }
}
