//! The golden histories: small ones with known verdicts. They are in the tree, copied from the
//! collection that belongs to the design of these tests.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::path::Path;

use statekeeper_jepsen::check::{Budget, Verdict, judge_file};

#[test]
fn every_golden_history_is_judged_right() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.jsonl")).unwrap();
    let mut judged = 0;
    let mut wrong = Vec::new();
    for line in manifest.lines() {
        let golden: serde_json::Value = serde_json::from_str(line).unwrap();
        let file = golden["file"].as_str().unwrap();
        let expected: Verdict = serde_json::from_value(golden["valid"].clone()).unwrap();
        let judgement = judge_file(&folder.join(file), &Budget::default());
        judged += 1;
        if judgement.verdict != expected {
            let told = serde_json::to_string_pretty(&judgement).unwrap();
            wrong.push(format!("{file} ({}): {told}", golden["why"]));
        }
        if expected == Verdict::Invalid {
            let (_, violation) = judgement.violations().next().expect("a violation is told");
            assert!(!violation.shrunken.is_empty(), "{file}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let files = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(judged, files - 1, "each history stands in the manifest");
}
