//! The command line, as scripts see it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::path::Path;
use std::process::{Command, Output};

fn check(files: &[&str]) -> Output {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let paths = files.iter().map(|name| golden.join(format!("{name}.history.jsonl")));
    let mut command = Command::new(env!("CARGO_BIN_EXE_statekeeper-jepsen"));
    command.arg("check").args(paths).output().unwrap()
}

#[test]
fn the_exit_code_of_check_is_the_worst_verdict() {
    for (files, code) in [
        (&["register-sequential"][..], 0),
        (&["register-stale-read"], 1),
        (&["register-sequential", "register-stale-read"], 1),
        (&["malformed-two-open", "register-stale-read"], 3),
        (&["no-such-file"], 3),
    ] {
        let output = check(files);
        assert_eq!(output.status.code(), Some(code), "{files:?}: {output:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), files.len());
    }
}

#[test]
fn a_violation_is_told_with_what_cannot_be_left_out() {
    let output = check(&["register-stale-read"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["verdict"], "invalid", "{told}");
    assert!(told["checkers"].to_string().contains("shrunken"), "{told}");
}

#[test]
fn wrong_arguments_and_a_harness_that_fails_are_no_verdicts() {
    let harness = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_statekeeper-jepsen"));
        command.args(arguments).output().unwrap().status.code()
    };
    assert_eq!(harness(&["--help"]), Some(0));
    assert_eq!(harness(&["run", "--workload"]), Some(64));
    assert_eq!(harness(&["replay", "no-such-folder"]), Some(70));
    assert_eq!(harness(&["profile", "no-such-profile"]), Some(70));
}
