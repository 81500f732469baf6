//! What every workload keeps.

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;

use super::*;

/// What a workload asks when everything it asks succeeds.
fn play(name: &str, seed: u64, steps: usize) -> Vec<Asked> {
    let mut workload = by_name(name).unwrap();
    let mut random = StdRng::seed_from_u64(seed);
    let workers = workload.workers();
    (0..steps)
        .map(|step| {
            let asked = workload.next(step % workers, &mut random);
            let outcome = Outcome::Ok { value: None, result: Some(json!(step + 1)) };
            workload.done(step % workers, &asked, &outcome);
            asked
        })
        .collect()
}

#[test]
fn a_seed_asks_the_same_again_and_another_one_something_else() {
    for name in NAMES {
        assert_eq!(play(name, 7, 500), play(name, 7, 500), "{name}");
        assert_ne!(play(name, 7, 500), play(name, 8, 500), "{name}");
    }
}

#[test]
fn no_object_is_asked_more_often_than_a_checker_can_search() {
    for name in ["register", "map-entry", "map-whole", "counter", "lock", "ttl"] {
        let mut counts = std::collections::BTreeMap::new();
        for asked in play(name, 1, 20_000) {
            *counts.entry(asked.object).or_insert(0) += 1;
        }
        assert!(counts.len() > 10, "{name}: {} objects", counts.len());
        assert!(counts.values().all(|count| *count <= 420), "{name}: {counts:?}");
    }
}

#[test]
fn values_are_unique_in_a_key() {
    for name in ["register", "map-entry", "events", "mix-openlookeng"] {
        let mut seen = std::collections::BTreeSet::new();
        for asked in play(name, 3, 5_000) {
            if let (f, Some(value)) = (asked.op.f.as_str(), &asked.op.value)
                && matches!(f, "put" | "set" | "write")
            {
                assert!(seen.insert(value.to_string()), "{name}: {value} twice");
            }
        }
        assert!(seen.len() > 500, "{name}");
    }
}

#[test]
fn every_workload_ends_with_something_to_answer() {
    for name in NAMES {
        let mut workload = by_name(name).unwrap();
        let mut random = StdRng::seed_from_u64(1);
        for worker in 0..workload.workers() {
            workload.next(worker, &mut random);
        }
        assert!(!workload.last().is_empty(), "{name}");
    }
}
