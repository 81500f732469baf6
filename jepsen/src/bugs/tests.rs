#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
//! The table is complete, its patches apply, and the page says the same.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::{nemesis, workload};

/// Of 10 minutes in all: a bug that takes longer to find counts as missed.
const TIME_S_MAX: u64 = 600;
const CLIENTS: [&str; 4] = ["native", "http", "java", "python"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn prose(patch: &str) -> &str {
    patch.split_once("\n--- ").expect("a diff follows the prose").0
}

#[test]
fn every_patch_applies_to_the_working_tree() {
    check_all_apply(root()).unwrap();
}

#[test]
fn every_patch_has_a_row_and_every_row_its_patch() {
    let rows: BTreeSet<String> = table().into_iter().map(|bug| bug.patch).collect();
    let files: BTreeSet<String> = fs::read_dir(root().join(FOLDER))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "table.json")
        .collect();
    assert_eq!(rows, files);
}

#[test]
fn every_row_is_complete() {
    for (bug, number) in table().iter().zip(1..) {
        let label = bug.label();
        assert_eq!(bug.number, number, "{label}");
        assert!(bug.patch.starts_with(&format!("{number:02}-")), "{label}");
        assert!(bug.patch.ends_with(".patch"), "{label}");
        let workload = workload::by_name(&bug.workload).map(|_| ());
        let lanes = nemesis::lanes(&bug.nemesis);
        // What was never found may wait for a workload that is still to come.
        if bug.found_after_s.is_some() {
            workload.unwrap_or_else(|error| panic!("{label}: {error}"));
        }
        let lanes = lanes.unwrap_or_else(|error| panic!("{label}: {error}"));
        let planned = nemesis::schedule(&lanes, Duration::from_secs(bug.time_s), bug.seed);
        for row in lanes.iter().flatten() {
            let done = planned.iter().flatten().any(|planned| planned.fault == row.name);
            assert!(done, "{label}: {} is not done within the time", row.name);
        }
        assert!(CLIENTS.contains(&&*bug.client), "{label}: {}", bug.client);
        assert!([1, 3, 5, 7].contains(&bug.nodes), "{label}: {} nodes", bug.nodes);
        assert!((10..=TIME_S_MAX).contains(&bug.time_s), "{label}: {} s", bug.time_s);
        assert!(bug.found_after_s.is_none_or(|after| after <= TIME_S_MAX), "{label}");
        for text in [&bug.name, &bug.breaks, &bug.also_found_by] {
            assert!(!text.is_empty() && !text.contains('|'), "{label}: {text:?}");
        }
    }
    assert!(table().len() >= 20, "the design names twenty");
}

#[test]
fn every_patch_says_what_it_breaks_and_touches_the_server_alone() {
    for bug in table() {
        let patch = fs::read_to_string(patch_of(root(), &bug)).unwrap();
        assert!(prose(&patch).contains("\nBreaks: "), "{}", bug.label());
        for line in patch.lines().filter(|line| line.starts_with("+++ ")) {
            assert!(line.starts_with("+++ b/src/"), "{}: {line}", bug.label());
            assert!(!line.contains("/tests"), "{}: {line}", bug.label());
        }
    }
}

#[test]
fn a_patch_that_does_not_apply_is_told() {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir_all(temp.path().join(FOLDER)).unwrap();
    for bug in table() {
        fs::copy(patch_of(root(), &bug), patch_of(temp.path(), &bug)).unwrap();
    }
    let error = check_all_apply(temp.path()).unwrap_err().to_string();
    for bug in table() {
        assert!(error.contains(&bug.patch), "{error}");
    }
}

#[test]
fn the_page_is_fresh() {
    let path = root().join("docs/testing.md");
    let page = fs::read_to_string(&path).unwrap();
    let fresh = renew_page(&page, &page_part(&table())).unwrap();
    if std::env::var_os("STATEKEEPER_TEST_WRITE_DOCS").is_some() {
        fs::write(&path, &fresh).unwrap();
        return;
    }
    assert!(page == fresh, "run: cargo xtask docs");
}

#[test]
fn only_what_lies_between_the_marks_of_the_page_changes() {
    let page = renew_page(&fs::read_to_string(root().join("docs/testing.md")).unwrap(), "new\n");
    let page = page.unwrap();
    let again = renew_page(&page, &page_part(&table())).unwrap();
    assert!(page.contains("new\n<!-- end") && !again.contains("\nnew\n"));
    assert_eq!(renew_page(&again, "new\n").unwrap(), page);
    assert!(renew_page("no marks", "new\n").is_err());
}
