//! A real node that finds its files damaged: it names the damage, or nothing is missing.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use statekeeper_jepsen::cluster::disk::{Corruption, Kind, Part, corrupt, keep_copy};
use tempfile::tempdir;

use crate::node::Node;

const KEYS: u64 = 60;
const MARKED_WITHIN: Duration = Duration::from_secs(10);

/// Waits until the mark says how far the log reaches now, as it does after a second. Without it the
/// damaged end of a log looks like a write that a crash cut off.
fn wait_mark(data: &Path) {
    let (begin, deadline) = (SystemTime::now(), Instant::now() + MARKED_WITHIN);
    while fs::metadata(data.join("log/mark")).unwrap().modified().unwrap() < begin {
        assert!(Instant::now() < deadline, "no new mark");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_damaged_node_refuses_to_run_or_has_everything() {
    let dir = tempdir().unwrap();
    let [older, good] = ["older", "good"].map(|name| dir.path().join(name));
    let mut node = Node::start(dir.path(), &dir.path().join("data"), vec![]);
    (0..KEYS / 2).for_each(|key| node.put(key).unwrap());
    node.kill();
    keep_copy(node.data(), &older).unwrap();
    node.restart();
    (KEYS / 2..KEYS).for_each(|key| node.put(key).unwrap());
    wait_mark(node.data());
    node.kill();
    keep_copy(node.data(), &good).unwrap();
    let kinds = [Kind::BitFlip, Kind::Truncation, Kind::BlockSwap, Kind::OldCopy(older)];
    let mut chance = StdRng::seed_from_u64(11);
    let mut refused = Vec::new();
    for part in [Part::Log, Part::Vote, Part::Identity] {
        for kind in &kinds {
            let corruption = Corruption { kind: kind.clone(), part };
            let damage = corrupt(&corruption, node.data(), &mut chance).unwrap();
            eprintln!("{part:?}: {damage}");
            let said = node.log().len();
            if node.try_restart() {
                node.expect(0..KEYS);
                node.kill();
            } else {
                let log = node.log()[said..].to_owned();
                assert!(log.contains(node.data().to_str().unwrap()), "names nothing: {log}");
                refused.push((part, kind.clone()));
            }
            fs::remove_dir_all(node.data()).unwrap();
            // A folder, a file, or nothing.
            let before = node.data().with_extension("before");
            let _ = fs::remove_dir_all(&before).or_else(|_| fs::remove_file(&before));
            keep_copy(&good, node.data()).unwrap();
        }
    }
    eprintln!("refused: {refused:?}");
    let has = |part| refused.iter().any(|(of, _)| *of == part);
    assert!(has(Part::Log) && has(Part::Vote) && has(Part::Identity), "{refused:?}");
    node.restart();
    node.expect(0..KEYS);
}
