//! Where files may lie and how they may be called.

use std::collections::BTreeSet;

use crate::tree::{expect_none, texts};

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 8] =
    ["utils", "util", "common", "helpers", "helper", "types", "manager", "misc"];
/// What tools insist on finding at the root.
const ROOT_FILES: [&str; 8] = [
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "rust-toolchain.toml",
    "rustfmt.toml",
];
const ROOT_FOLDERS: [&str; 7] = [".cargo", ".ci", ".config", "docs", "jepsen", "src", "tests"];

#[test]
fn no_path_has_a_name_that_says_nothing() {
    let mut faults = Vec::new();
    for text in texts() {
        let words = text.path.split(['/', '_', '-', '.']);
        if let Some(word) = words.into_iter().find(|word| EMPTY_NAMES.contains(word)) {
            faults.push(format!("{}: {word}", text.path));
        }
    }
    expect_none("names that say nothing", &faults);
}

#[test]
fn the_root_holds_what_tools_insist_on_and_nothing_more() {
    let mut faults = BTreeSet::new();
    for text in texts() {
        match text.path.split_once('/') {
            Some((folder, _)) if !ROOT_FOLDERS.contains(&folder) => {
                faults.insert(format!("{folder}/"));
            }
            None if !ROOT_FILES.contains(&text.path.as_str()) => {
                faults.insert(text.path);
            }
            _ => {}
        }
    }
    expect_none("unexpected at the root", &faults.into_iter().collect::<Vec<_>>());
}
