//! The runs of the profile `ci`: every workload, every fault, every client once.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;
use std::process::Command;

#[test]
fn every_run_of_the_profile_ci_is_valid() {
    let harness = Path::new(env!("CARGO_BIN_EXE_statekeeper-jepsen"));
    // Kept, so that one can look at a run that was not valid; beside the programs that were built.
    let store = harness.with_file_name("jepsen-ci");
    if store.exists() {
        std::fs::remove_dir_all(&store).unwrap();
    }
    let mut profile = Command::new(harness);
    let status = profile.args(["profile", "ci", "--store"]).arg(&store).status().unwrap();
    assert!(status.success(), "{status}; the runs are in {}", store.display());
    let mut summary = Command::new(harness);
    let output = summary.arg("summary").arg("--store").arg(&store).output().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
}
