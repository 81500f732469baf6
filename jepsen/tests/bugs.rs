//! The check of the checkers: every seeded bug can be planted, and the quickest two are found.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;
use std::process::{Command, Stdio};

/// The harness in the checkout; what it says goes to this test's own output.
fn bugs(arguments: &[&str]) -> Command {
    let mut bugs = Command::new(env!("CARGO_BIN_EXE_statekeeper-jepsen"));
    bugs.current_dir(env!("CARGO_MANIFEST_DIR")).arg("bugs").args(arguments);
    bugs.stdin(Stdio::null());
    bugs
}

#[test]
fn every_bug_can_be_planted() {
    let status = bugs(&["check"]).status().unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn the_quickest_two_are_found() {
    let programs = Path::new(env!("CARGO_BIN_EXE_statekeeper-jepsen")).parent().unwrap();
    let target_dir = programs.parent().unwrap().join("seeded-bugs-ci");
    let find = ["find", "--quickest", "2", "--target-dir"];
    let status = bugs(&find).arg(&target_dir).status().unwrap();
    assert!(status.success(), "{status}; the runs are in {}", target_dir.display());
    // A gigabyte that is made again in a minute.
    std::fs::remove_dir_all(&target_dir).unwrap();
}
