//! What the manifests may ask for.

use crate::tree::{Text, expect_none, rust, texts};

/// What any pure crate may stand on.
const PURE: [&str; 4] = ["bytes", "serde", "thiserror", "tracing"];
/// A pure crate and what it may have beyond that.
const PURE_CRATES: [(&str, &[&str]); 3] = [
    ("src/protocol/Cargo.toml", &[]),
    // The image of a snapshot: decision 6.
    ("src/machine/Cargo.toml", &["postcard"]),
    ("src/endpoint/Cargo.toml", &["statekeeper-machine", "statekeeper-protocol"]),
];
/// Versions that are pinned exactly, and where the reason stands.
const PINNED: [(&str, &str); 2] = [("openraft", "0001"), ("sled", "0002")];
/// Dependencies that work by being there.
const BY_LINK_ALONE: [(&str, &str); 1] =
    [("statekeeper-preload", "a library for other processes, built with the harness")];

#[test]
fn pure_crates_depend_on_pure_crates() {
    let mut faults = Vec::new();
    for (path, allowed) in PURE_CRATES {
        for name in dependencies_in(&manifest(path).content, "[dependencies]") {
            if !PURE.contains(&name.as_str()) && !allowed.contains(&name.as_str()) {
                faults.push(format!("{path}: {name}"));
            }
        }
    }
    expect_none("dependencies of pure crates", &faults);
}

#[test]
fn versions_are_written_once() {
    let mut faults = Vec::new();
    for text in manifests() {
        let section = ["[dependencies]", "[dev-dependencies]", "[build-dependencies]"];
        for (number, line) in lines_in(&text.content, &section) {
            if !line.contains("workspace = true") {
                faults.push(format!("{}:{number}: {line}", text.path));
            }
        }
    }
    expect_none("versions outside [workspace.dependencies]", &faults);
}

#[test]
fn every_dependency_is_named_by_its_crate() {
    let folders: Vec<String> =
        manifests().map(|text| text.path.trim_end_matches("Cargo.toml").to_owned()).collect();
    // A file belongs to the crate whose folder is the longest above it.
    let crate_of = |path: &str| {
        folders.iter().filter(|folder| path.starts_with(*folder)).max_by_key(|folder| folder.len())
    };
    let mut code = rust();
    code.retain(|file| !file.path.starts_with("tests/tidy"));
    let mut faults = Vec::new();
    for (text, folder) in manifests().zip(&folders) {
        for section in ["[dependencies]", "[dev-dependencies]"] {
            for name in dependencies_in(&text.content, section) {
                let path = format!("{}::", name.replace('-', "_"));
                let used = code.iter().any(|file| {
                    crate_of(&file.path) == Some(folder) && file.content.contains(&path)
                });
                let by_link = BY_LINK_ALONE.iter().any(|(linked, _)| *linked == name);
                if !used && !by_link {
                    faults.push(format!("{}: {name}", text.path));
                }
            }
        }
    }
    expect_none("dependencies that nobody names", &faults);
}

#[test]
fn lines_that_change_under_us_are_pinned() {
    let root = manifest("Cargo.toml").content;
    for (name, decision) in PINNED {
        let line = root.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap();
        assert!(line.contains("\"="), "{name} must be pinned, see decision {decision}: {line}");
    }
}

fn manifests() -> impl Iterator<Item = Text> {
    let fuzz = |text: &Text| text.path.contains("/fuzz/");
    texts().into_iter().filter(move |text| text.path.ends_with("Cargo.toml") && !fuzz(text))
}

fn manifest(path: &str) -> Text {
    manifests().find(|text| text.path == path).unwrap_or_else(|| panic!("{path} is missing"))
}

fn dependencies_in(manifest: &str, section: &str) -> Vec<String> {
    lines_in(manifest, &[section])
        .map(|(_, line)| line.split(['.', ' ', '=']).next().unwrap().to_owned())
        .collect()
}

/// Lines with something on them below one of these headings.
fn lines_in<'a>(manifest: &'a str, headings: &'a [&str]) -> impl Iterator<Item = (usize, &'a str)> {
    let mut inside = false;
    manifest.lines().enumerate().filter_map(move |(index, line)| {
        if line.starts_with('[') {
            inside = headings.contains(&line);
            return None;
        }
        let says_something = !line.is_empty() && !line.starts_with('#');
        (inside && says_something).then_some((index + 1, line))
    })
}
