//! What changes of leader mean for a history.

use serde_json::json;

use super::*;
use crate::history::{Header, History};

fn history(lines: &[serde_json::Value]) -> History {
    let header = json!({"history": 1, "name": "n", "model": "events", "params": {}});
    let header: Header = serde_json::from_value(header).unwrap();
    let entries = lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let mut line = line.clone();
            line["index"] = json!(index);
            line["time"] = json!(index * 1_000_000);
            serde_json::from_value(line).unwrap()
        })
        .collect();
    History { header, entries }
}

fn leader(name: Option<&str>) -> serde_json::Value {
    json!({"process": "leader", "type": "info", "f": "leader", "value": name})
}

#[test]
fn a_change_of_leader_renews_the_listeners_from_the_last_sight_of_the_old_one() {
    let with = with_renewed_listeners(&history(&[
        json!({"process": 1, "type": "invoke", "f": "listen", "listener": "L"}),
        json!({"process": 1, "type": "ok", "f": "listen", "listener": "L"}),
        leader(Some("1/a")),
        json!({"process": 2, "type": "invoke", "f": "put", "key": "k", "value": 1}),
        leader(None),
        json!({"process": 2, "type": "ok", "f": "put", "key": "k", "value": 1}),
        leader(Some("2/b")),
        json!({"process": 1, "type": "event", "f": "added", "key": "k", "listener": "L"}),
    ]));
    let lines: Vec<_> = with
        .entries
        .iter()
        .filter(|entry| entry.listener.is_some())
        .map(|entry| (entry.f.as_str(), entry.kind))
        .collect();
    assert_eq!(
        lines,
        [
            ("listen", EntryType::Invoke),
            ("listen", EntryType::Ok),
            ("unlisten", EntryType::Invoke),
            ("listen", EntryType::Invoke),
            ("unlisten", EntryType::Ok),
            ("listen", EntryType::Ok),
            ("added", EntryType::Event),
        ]
    );
    let at = |f: &str, kind| with.entries.iter().position(|e| e.f == f && e.kind == kind).unwrap();
    let put = at("put", EntryType::Invoke);
    assert!(at("unlisten", EntryType::Invoke) < put);
    assert!(at("unlisten", EntryType::Ok) > at("put", EntryType::Ok));
    assert!(with.entries.iter().enumerate().all(|(at, entry)| entry.index == at as u64));
}

#[test]
fn a_listener_that_ends_while_nobody_leads_is_not_there_afterwards() {
    let with = with_renewed_listeners(&history(&[
        json!({"process": 1, "type": "invoke", "f": "listen", "listener": "L"}),
        json!({"process": 1, "type": "ok", "f": "listen", "listener": "L"}),
        leader(Some("1/a")),
        json!({"process": 1, "type": "invoke", "f": "unlisten", "listener": "L"}),
        json!({"process": 1, "type": "ok", "f": "unlisten", "listener": "L"}),
        leader(Some("2/b")),
    ]));
    let listens = with.entries.iter().filter(|entry| entry.f == "listen");
    assert_eq!(listens.filter(|entry| entry.kind == EntryType::Ok).count(), 1);
}

#[test]
fn a_listener_that_was_lost_ends_with_the_last_change_it_was_told_of() {
    let with = with_renewed_listeners(&history(&[
        json!({"process": 1, "type": "invoke", "f": "listen", "listener": "L"}),
        json!({"process": 1, "type": "ok", "f": "listen", "listener": "L"}),
        json!({"process": 2, "type": "invoke", "f": "put", "key": "k", "value": 1}),
        json!({"process": 2, "type": "ok", "f": "put", "key": "k", "value": 1}),
        json!({"process": 2, "type": "invoke", "f": "set", "key": "k", "value": 2}),
        json!({"process": 2, "type": "ok", "f": "set", "key": "k", "value": 2}),
        json!({"process": 2, "type": "invoke", "f": "remove", "key": "k"}),
        json!({"process": 2, "type": "ok", "f": "remove", "key": "k"}),
        json!({"process": 1, "type": "event", "f": "added", "key": "k", "value": 1,
            "listener": "L"}),
        json!({"process": 1, "type": "event", "f": "updated", "key": "k", "value": 2,
            "listener": "L"}),
        json!({"process": 1, "type": "invoke", "f": "unlisten", "listener": "L", "lost": true}),
        json!({"process": 1, "type": "ok", "f": "unlisten", "listener": "L"}),
    ]));
    let order: Vec<&str> = with.entries.iter().map(|entry| entry.f.as_str()).collect();
    let begin = ["listen", "listen", "put", "put", "unlisten", "set", "set", "remove", "remove"];
    assert_eq!(order[..begin.len()], begin);
    assert_eq!(order[begin.len()..], ["added", "updated", "unlisten"]);
    assert!(with.entries.is_sorted_by_key(|entry| entry.time));
}

#[test]
fn the_same_leader_renews_nothing() {
    let plain = history(&[
        json!({"process": 1, "type": "ok", "f": "listen", "listener": "L"}),
        leader(Some("1/a")),
        leader(None),
        leader(Some("1/a")),
    ]);
    assert_eq!(with_renewed_listeners(&plain), plain);
}

#[test]
fn the_time_without_a_leader_is_the_longest_one() {
    let mut lines = history(&[leader(Some("1/a")), leader(None), leader(Some("2/b"))]);
    lines.entries[2].time = 700_000_000;
    assert_eq!(leaderless(&lines), Duration::from_millis(700));
}
