//! Who may import whom: the table of `docs/architecture.md`, and the crates that one room keeps
//! to itself.

use std::collections::BTreeSet;

use crate::tree::{Text, expect_none, rust};

/// A room of the root package and what it may import: other rooms, and our crates by their last
/// word. Everything not named here is refused.
const ROOMS: [(&str, &[&str]); 17] = [
    ("main", &["cli", "node"]),
    ("cli", &["config", "doctor", "node", "telemetry"]),
    (
        "doctor",
        &["bootstrap", "config", "coordinator", "discovery", "machine", "node", "seed", "storage"],
    ),
    (
        "node",
        &[
            "admin",
            "bootstrap",
            "config",
            "consensus",
            "coordinator",
            "discovery",
            "endpoint",
            "machine",
            "raft",
            "seed",
            "server",
            "storage",
            "telemetry",
        ],
    ),
    ("server", &["consensus", "endpoint", "machine", "protocol"]),
    ("admin", &["config", "consensus", "machine", "telemetry"]),
    ("raft", &["consensus", "machine", "storage"]),
    ("bootstrap", &["config", "discovery", "machine", "seed", "storage"]),
    ("coordinator", &["config", "consensus"]),
    ("consensus", &["machine"]),
    ("storage", &["machine", "sync_shim"]),
    // The datagrams of its multicast are the other use of seed's Java serialisation.
    ("discovery", &["config", "seed"]),
    ("seed", &["config"]),
    ("telemetry", &["config"]),
    // Reads addresses by the one grammar there is for them.
    ("config", &["discovery"]),
    ("protocol", &[]),
    ("machine", &[]),
];

/// A path and the only places that may write it.
const KEPT: [(&str, &[&str], &str); 8] = [
    ("sled::", &["src/storage/"], "removing sled must touch one folder"),
    ("openraft::", &["src/raft/", "src/storage/"], "its alphas change signatures"),
    // The others are of the harness: its reports, and what stands in for coordinators.
    (
        "axum::",
        &["src/admin/", "jepsen/src/report/serve.rs", "jepsen/src/cluster/coordinator.rs"],
        "HTTP is the matter of the admin API, and of the reports",
    ),
    // The configuration checks an address as the one that will ask it does.
    (
        "reqwest::",
        &["src/coordinator.rs", "src/cli/", "src/config/build/", "tests/", "jepsen/"],
        "HTTP is asked by the coordinator check and the command line",
    ),
    (
        "statekeeper_protocol::messages",
        &["src/endpoint/", "src/xtask/", "tests/", "jepsen/"],
        "messages have a meaning in the endpoint only",
    ),
    (
        "rustls::",
        &["src/cli/mod.rs", "tests/", "jepsen/"],
        "one place says which cryptography is used",
    ),
    ("anyhow::", &["src/main.rs", "src/xtask/", "jepsen/", "tests/"], "errors have types"),
    ("hdfs_native::", &["src/seed/"], "a file system of seeds"),
];

#[test]
fn rooms_import_what_the_table_allows() {
    let mut faults = Vec::new();
    for text in rust().iter().filter(|text| !text.is_test()) {
        let Some((room, allowed)) = room_of(&text.path) else { continue };
        for (line, import) in imports_of(text) {
            let known = ROOMS.iter().any(|(room, _)| *room == import);
            if known && import != room && !allowed.contains(&import.as_str()) {
                faults.push(format!("{}:{line}: {room} imports {import}", text.path));
            }
        }
    }
    expect_none("imports that the table does not allow", &faults);
}

#[test]
fn every_room_is_in_the_table() {
    let mut faults = BTreeSet::new();
    for text in rust() {
        let Some(rest) = text.path.strip_prefix("src/") else { continue };
        let room = rest.split(['/', '.']).next().unwrap_or_default();
        let elsewhere = ["lib", "xtask", "endpoint"];
        if room_of(&text.path).is_none() && !elsewhere.contains(&room) {
            faults.insert(room.to_owned());
        }
    }
    expect_none("rooms without a row", &faults.into_iter().collect::<Vec<_>>());
}

#[test]
fn kept_paths_are_written_where_they_belong() {
    let mut faults = Vec::new();
    for text in rust().iter().filter(|text| text.path != "tests/tidy/imports.rs") {
        for (path, places, reason) in KEPT {
            if places.iter().any(|place| text.path.starts_with(place)) {
                continue;
            }
            for (number, line) in text.numbered().filter(|(_, line)| !is_comment(line)) {
                if names(line, path) {
                    faults.push(format!("{}:{number}: {path} ({reason})", text.path));
                }
            }
        }
    }
    expect_none("paths outside their place", &faults);
}

#[test]
fn libraries_return_errors_with_a_type() {
    let mut faults = Vec::new();
    for text in rust().iter().filter(|text| {
        text.path.starts_with("src/") && !text.path.starts_with("src/xtask/") && !text.is_test()
    }) {
        for (number, line) in text.numbered().filter(|(_, line)| !is_comment(line)) {
            let bare = line.contains("Box<dyn Error") || line.contains("Box<dyn std::error::Error");
            // A source keeps what a library of others gives no type to.
            if bare && !line.contains("#[source]") {
                faults.push(format!("{}:{number}", text.path));
            }
        }
    }
    expect_none("errors without a type", &faults);
}

/// `src/raft/node.rs` and `src/coordinator.rs` belong to `raft` and `coordinator`.
fn room_of(path: &str) -> Option<(&'static str, &'static [&'static str])> {
    let name = path.strip_prefix("src/")?.split(['/', '.']).next()?;
    ROOMS.iter().find(|(room, _)| *room == name).copied()
}

/// Rooms and our crates that a file names, with the line.
fn imports_of(text: &Text) -> Vec<(usize, String)> {
    // In a crate of its own `crate::` is the crate itself.
    let own_crate = ["src/protocol/", "src/machine/"].iter().any(|at| text.path.starts_with(at));
    let mut found = Vec::new();
    for (number, line) in text.numbered().filter(|(_, line)| !is_comment(line)) {
        let mut add = |names: Vec<String>| {
            found.extend(names.into_iter().map(|name| (number, name)));
        };
        if !own_crate {
            add(paths_behind(line, "crate::"));
        }
        add(paths_behind(line, "statekeeper::"));
        add(words_behind(line, "statekeeper_"));
    }
    found
}

/// The first names behind a prefix: one, or those of a list in braces on the same line.
fn paths_behind(line: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in line.match_indices(prefix) {
        if line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &line[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(list) => names.extend(list.split(',').map(first_word)),
            None => names.push(first_word(rest)),
        }
    }
    names
}

/// What follows `statekeeper_` where a path begins.
fn words_behind(line: &str, prefix: &str) -> Vec<String> {
    let words = line.match_indices(prefix).map(|(at, _)| &line[at + prefix.len()..]);
    let paths = words.filter(|rest| rest[first_word(rest).len()..].starts_with("::"));
    paths.map(first_word).collect()
}

fn first_word(text: &str) -> String {
    let word = |c: &char| c.is_alphanumeric() || *c == '_';
    text.trim_start().chars().take_while(word).collect()
}

/// Whether a line names a path, as a whole word.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

#[test]
fn the_reader_of_imports_sees_what_is_written() {
    let text = Text {
        path: "src/raft/x.rs".into(),
        content: "use crate::{storage, seed::Local};\n// crate::admin\nfn f(x: crate::config::A) \
                  {}\nuse statekeeper_machine::B;\nlet statekeeper_thing = 1;\n"
            .into(),
    };
    let names: Vec<String> = imports_of(&text).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["storage", "seed", "config", "machine"]);
    assert!(names_sled("let x = sled::open();") && !names_sled("let x = bobsled::open();"));
}

fn names_sled(line: &str) -> bool {
    names(line, "sled::")
}
