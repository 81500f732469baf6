//! Input that no client sends: arbitrary bytes, and real messages with bytes changed. The same
//! code is behind the fuzz target, so its corpus runs here as well.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::{from_hex, wire_data};
use crate::fuzzing::read_anything;

// checks: R-3
#[test]
fn the_corpus_of_the_fuzz_target_is_read_without_a_panic() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/read_anything");
    let inputs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(inputs.len() >= 8, "{}", inputs.len());
    for input in inputs {
        read_anything(&fs::read(input).unwrap());
    }
}

fn captured_wires() -> Vec<Vec<u8>> {
    let text = fs::read_to_string(wire_data("captures/java-5.7.0-on-5.7.0.json")).unwrap();
    let captured: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    captured.iter().map(|vector| from_hex(vector["hex"].as_str().unwrap()).to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None,
        ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_read_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        read_anything(&bytes);
    }

    #[test]
    fn damaged_messages_are_read_without_a_panic(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        thread_local!(static WIRES: Vec<Vec<u8>> = captured_wires());
        let mut wire = WIRES.with(|wires| which.get(wires).clone());
        for (at, byte) in changes {
            let at = at.index(wire.len());
            wire[at] = byte;
        }
        if cut.index(4) == 0 {
            wire.truncate(cut.index(wire.len()));
        }
        read_anything(&wire);
    }
}
