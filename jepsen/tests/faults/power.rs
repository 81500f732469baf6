//! Power cuts.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use statekeeper_jepsen::cluster::disk::{FileSystem, PowerCut};
use tempfile::tempdir;

use crate::node::Node;
use crate::{BOTH, disk};

const PAGE: usize = 4096;
const PAGES: u64 = 64;

#[test]
fn exactly_what_was_flushed_survives_a_cut() {
    for file_system in BOTH {
        let dir = tempdir().unwrap();
        let mut disk = disk(dir.path(), file_system);
        let path = disk.path().join("lines");
        let mut file = File::create(&path).unwrap();
        File::open(disk.path()).unwrap().sync_all().unwrap();
        for line in 1..=1000 {
            writeln!(file, "line {line:04}").unwrap();
            if line <= 500 && line % 10 == 0 {
                file.sync_data().unwrap();
            }
        }
        disk.cut_power(0.5, &mut StdRng::seed_from_u64(1)).unwrap();
        let refused = file.write_all(b"after the cut").unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(5), "EIO: {refused}");
        drop(file);
        disk.restore_power().unwrap();
        let lines = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = lines.lines().collect();
        let expected: Vec<String> = (1..=500).map(|line| format!("line {line:04}")).collect();
        assert_eq!(lines, expected, "{file_system:?}");
        // And the disk is in use again.
        fs::write(disk.path().join("new"), "later").unwrap();
    }
}

#[test]
fn a_file_that_is_overwritten_comes_back_torn() {
    for file_system in BOTH {
        let (cut, torn) = overwrite_and_cut(file_system, 0.5, 7);
        assert_eq!(cut.dirty_pages, PAGES, "{file_system:?}");
        let new = torn.iter().filter(|page| **page == b'b').count();
        assert_eq!(u64::try_from(new).unwrap(), cut.torn_pages, "{file_system:?}");
        assert!((16..=48).contains(&new), "half of 64, more or less: {new}");
        assert_eq!(overwrite_and_cut(file_system, 0.5, 7), (cut, torn), "a seed is a pattern");
    }
    let (cut, torn) = overwrite_and_cut(FileSystem::Ext4, 0.0, 7);
    assert_eq!(cut.torn_pages, 0);
    assert!(torn.iter().all(|page| *page == b'a'), "nothing new without a torn write");
}

/// The letter in each page after the cut.
fn overwrite_and_cut(file_system: FileSystem, share: f64, seed: u64) -> (PowerCut, Vec<u8>) {
    let dir = tempdir().unwrap();
    let mut disk = disk(dir.path(), file_system);
    let path = disk.path().join("file");
    let write = |file: &File, letter: u8| {
        let page = [letter; PAGE];
        (0..PAGES).for_each(|i| file.write_all_at(&page, i * PAGE as u64).unwrap());
    };
    let file = File::create(&path).unwrap();
    write(&file, b'a');
    file.sync_all().unwrap();
    File::open(disk.path()).unwrap().sync_all().unwrap();
    write(&file, b'b');
    let cut = disk.cut_power(share, &mut StdRng::seed_from_u64(seed)).unwrap();
    drop(file);
    disk.restore_power().unwrap();
    let bytes = fs::read(&path).unwrap();
    let letters = bytes.chunks(PAGE).map(|page| {
        assert!(page.iter().all(|byte| *byte == page[0]), "a page is old or new");
        page[0]
    });
    (cut, letters.collect())
}

#[test]
fn a_disk_that_somebody_uses_is_waited_for() {
    let dir = tempdir().unwrap();
    let mut disk = disk(dir.path(), FileSystem::Ext4);
    let mut held = File::create(disk.path().join("held")).unwrap();
    disk.cut_power(0.0, &mut StdRng::seed_from_u64(1)).unwrap();
    assert!(held.write_all(b"x").is_err());
    let holder = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        drop(held);
    });
    disk.restore_power().unwrap();
    holder.join().unwrap();
    assert!(fs::read_dir(disk.path()).unwrap().next().is_none(), "no name was flushed");
    assert!(Path::new(&disk.path()).is_dir());
}

#[test]
fn a_node_keeps_what_it_acknowledged_before_its_power_was_cut() {
    for file_system in BOTH {
        let dir = tempdir().unwrap();
        let mut disk = disk(dir.path(), file_system);
        let mut node = Node::start(dir.path(), &disk.path(), vec![]);
        let mut chance = StdRng::seed_from_u64(3);
        for round in 0..3 {
            let keys = round * 40..(round + 1) * 40;
            keys.for_each(|key| node.put(key).unwrap());
            disk.cut_power(0.5, &mut chance).unwrap();
            assert!(node.put(1_000_000).is_err(), "acknowledged without power");
            node.kill();
            disk.restore_power().unwrap();
            node.restart();
            node.expect(0..(round + 1) * 40);
        }
    }
}
