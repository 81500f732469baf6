//! Images that are whole are read; images that are not are refused by name.

use proptest::prelude::*;

use super::*;
use crate::properties::histories;
use crate::proposal::LogEntry;

fn machine(log: Vec<LogEntry>) -> Machine {
    let mut machine = Machine::new();
    for entry in log {
        machine.apply(entry);
    }
    machine
}

fn image(machine: &Machine) -> Vec<u8> {
    machine.freeze().blocks().flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_image_with_a_flipped_bit_is_refused(
        log in histories(60),
        place in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut image = image(&machine(log));
        let index = place.index(image.len());
        image[index] ^= 1 << bit;
        prop_assert!(Machine::restore([image]).is_err(), "byte {}", index);
    }

    #[test]
    fn an_image_that_is_cut_short_is_refused(
        log in histories(60),
        place in any::<prop::sample::Index>(),
    ) {
        let image = image(&machine(log));
        let cut = &image[..place.index(image.len())];
        prop_assert!(Machine::restore([cut]).is_err(), "{} bytes", cut.len());
    }
}

#[test]
fn an_image_says_what_is_wrong_with_it() {
    let whole = image(&Machine::new());
    assert!(matches!(Machine::restore([b"other"]), Err(SnapshotError::NotAnImage)));
    let none: [&[u8]; 0] = [];
    assert!(matches!(Machine::restore(none), Err(SnapshotError::CutShort { items: 0 })));
    let mut later = whole.clone();
    later[MAGIC.len()] = 9;
    let refused = Machine::restore([later]);
    assert!(matches!(refused, Err(SnapshotError::Version { found: 9, known: VERSION })));
    let mut longer = whole.clone();
    longer.push(0);
    assert!(matches!(Machine::restore([longer]), Err(SnapshotError::Damaged { .. })));
    let header = &whole[..MAGIC.len() + 4];
    assert!(matches!(Machine::restore([header]), Err(SnapshotError::CutShort { items: 0 })));
}

#[test]
fn blocks_keep_to_their_size_unless_one_record_is_larger() {
    use crate::command::{Caller, Command, Lifetime, MapChange, PutMode};

    let mut machine = machine(Vec::new());
    let found = crate::command::ClusterCommand::Found {
        cluster_id: crate::ids::ClusterId(1),
        cluster_name: Name::from("dev"),
        sessions: machine.cluster.sessions,
        maps: Vec::new(),
    };
    let mut commands = vec![Command::Cluster(found)];
    let sizes = (0..40).map(|n| n * 1_000).chain([BLOCK_BYTES * 2, 10, 20]);
    commands.extend(sizes.enumerate().map(|(n, size)| Command::Map {
        map: Name::from("m"),
        caller: Caller::default(),
        change: MapChange::Put {
            key: Blob::string(&format!("{n:03}")),
            value: Blob::string(&"v".repeat(size)),
            ttl: Lifetime::Default,
            max_idle: Lifetime::Default,
            mode: PutMode::Set,
        },
    }));
    for command in commands {
        let entry = LogEntry { at: ClusterTime(1), proposer: NodeId(1), origin: None, command };
        machine.apply(entry).reply.expect("nothing here is refused");
    }
    let blocks: Vec<Vec<u8>> = machine.freeze().blocks().collect();
    let large = blocks.iter().filter(|block| block.len() > BLOCK_BYTES).count();
    assert!(
        blocks.len() > 4 && large == 1,
        "{:?}",
        blocks.iter().map(Vec::len).collect::<Vec<_>>()
    );
    let restored = Machine::restore(blocks).expect("the image is whole");
    assert_eq!(restored.digest(), machine.digest());
}
