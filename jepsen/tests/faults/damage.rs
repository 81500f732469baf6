//! A real node that finds its files damaged: it names the damage, or nothing is missing.

use std::fs;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use statekeeper_jepsen::cluster::disk::{Corruption, Kind, Part, corrupt, keep_copy};
use tempfile::tempdir;

use crate::node::Node;

const KEYS: u64 = 60;

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
    node.kill();
    keep_copy(node.data(), &good).unwrap();
    let kinds = [Kind::BitFlip, Kind::Truncation, Kind::BlockSwap, Kind::OldCopy(older)];
    let mut chance = StdRng::seed_from_u64(11);
    let mut refused = Vec::new();
    for part in [Part::Log, Part::Vote, Part::Identity] {
        for kind in &kinds {
            let corruption = Corruption { kind: kind.clone(), part };
            // The identity is as it was at the first start but for a count.
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
            let _ = fs::remove_dir_all(node.data().with_extension("before"));
            keep_copy(&good, node.data()).unwrap();
        }
    }
    eprintln!("refused: {refused:?}");
    let has = |part| refused.iter().any(|(of, _)| *of == part);
    assert!(has(Part::Log) && has(Part::Vote) && has(Part::Identity), "{refused:?}");
    node.restart();
    node.expect(0..KEYS);
}
