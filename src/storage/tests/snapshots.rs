//! Snapshot files: written, sent, received, kept, damaged.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::super::{
    Damage, FileLog, LogStore, SnapshotFile, SnapshotHeader, SnapshotStore, StorageError,
    StorageStats,
};

fn open(path: &Path) -> (Arc<FileLog>, Result<SnapshotStore, StorageError>) {
    let log = FileLog::open(&path.join("log"), Arc::new(StorageStats::default())).unwrap();
    let log = Arc::new(log);
    let store = SnapshotStore::open(&path.join("snapshots"), log.clone());
    (log, store)
}

fn header(last_index: u64) -> SnapshotHeader {
    SnapshotHeader { last_index, records: 3, meta: format!("meta of {last_index}").into_bytes() }
}

fn blocks(last_index: u64) -> Vec<Vec<u8>> {
    let sizes = [1, 70_000, 3_000];
    sizes.into_iter().map(|size| vec![last_index as u8; size]).collect()
}

fn build(store: &SnapshotStore, last_index: u64) -> SnapshotFile {
    let mut writer = store.writer(header(last_index)).unwrap();
    for block in blocks(last_index) {
        writer.write_block(&block).unwrap();
    }
    writer.write_block(b"").unwrap();
    writer.finish().unwrap()
}

fn assert_content(file: &SnapshotFile, last_index: u64) {
    let reader = file.blocks().unwrap();
    assert_eq!(*reader.header(), header(last_index));
    let found: Vec<_> = reader.map(|block| block.unwrap().to_vec()).collect();
    assert_eq!(found, blocks(last_index));
}

fn names(path: &Path) -> Vec<String> {
    let files = fs::read_dir(path.join("snapshots")).unwrap();
    let mut names: Vec<_> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_snapshot_is_found_again_and_the_newest_two_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (log, store) = open(directory.path());
    let store = store.unwrap();
    assert!(store.current().is_none());
    for last_index in [10, 20, 30] {
        let file = build(&store, last_index);
        assert_content(&file, last_index);
        assert_eq!(store.current(), Some(file));
    }
    assert_eq!(names(directory.path()).len(), 2);
    drop((store, log));

    let (_log, store) = open(directory.path());
    let store = store.unwrap();
    assert_content(&store.current().unwrap(), 30);
    let next = build(&store, 40);
    assert_content(&next, 40);
}

// checks: R-12
#[test]
fn what_was_not_finished_leaves_nothing_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (log, store) = open(directory.path());
    let store = store.unwrap();
    let kept = build(&store, 10);
    let mut writer = store.writer(header(20)).unwrap();
    writer.write_block(b"half").unwrap();
    drop(writer);
    assert_eq!(names(directory.path()).len(), 1);
    let received = directory.path().join("snapshots/0000000008-15.snapshot");
    fs::write(received, b"received, never installed").unwrap();
    // As a crash leaves it.
    fs::write(directory.path().join("snapshots/0000000009-20.snapshot.new"), b"half").unwrap();
    drop((store, log));
    let (_log, store) = open(directory.path());
    assert_eq!(store.unwrap().current(), Some(kept));
    assert_eq!(names(directory.path()).len(), 1);
}

#[test]
fn a_snapshot_travels_in_chunks_and_is_checked_before_it_is_installed() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_log, source) = open(here.path());
    let sent = build(&source.unwrap(), 77);
    let (log, target) = open(there.path());
    let target = target.unwrap();
    let receive = |flip: Option<u64>| {
        let chunks = sent.chunks().unwrap();
        let mut receiver = target.receiver().unwrap();
        loop {
            let offset = receiver.received();
            let mut chunk = chunks.read(offset, 10_000).unwrap();
            if chunk.is_empty() {
                return receiver.finish(sent.bytes(), sent.checksum());
            }
            if let Some(byte) = flip.and_then(|flip| flip.checked_sub(offset))
                && let Some(byte) = chunk.get_mut(byte as usize)
            {
                *byte ^= 1;
            }
            receiver.write_chunk(offset, &chunk).unwrap();
            let again = receiver.write_chunk(offset, &chunk).unwrap_err();
            assert!(matches!(again, StorageError::ChunkOutOfOrder { .. }));
        }
    };
    for flip in [0, 9, 30, 60, 40_000, sent.bytes() - 1] {
        assert!(receive(Some(flip)).is_err(), "byte {flip}");
    }
    assert!(names(there.path()).is_empty());
    let file = receive(None).unwrap();
    assert!(target.current().is_none());
    target.install(&file).unwrap();
    assert_content(&target.current().unwrap(), 77);
    drop((target, log));
    let (_log, target) = open(there.path());
    assert_content(&target.unwrap().current().unwrap(), 77);
}

#[test]
fn every_damage_of_a_snapshot_is_named_and_nothing_of_it_is_served_as_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (_log, store) = open(directory.path());
    let file = build(&store.unwrap(), 5);
    let sound = fs::read(file.path()).unwrap();
    let steps = (0..sound.len()).step_by(997).chain(0..200).chain(sound.len() - 60..sound.len());
    for offset in steps {
        let mut flipped = sound.clone();
        flipped[offset] ^= 0x10;
        fs::write(file.path(), &flipped).unwrap();
        let text = file.verify().unwrap_err().to_string();
        assert!(text.contains(&file.path().display().to_string()), "offset {offset}: {text}");
    }
    for length in [0, 5, 25, 200, sound.len() - 1] {
        fs::write(file.path(), &sound[..length]).unwrap();
        assert!(file.verify().is_err(), "length {length}");
    }
    let longer = [sound.as_slice(), b"x"].concat();
    fs::write(file.path(), longer).unwrap();
    assert!(file.verify().is_err());
    fs::write(file.path(), &sound).unwrap();
    file.verify().unwrap();
}

#[test]
fn a_snapshot_that_vanished_or_shrank_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let (log, store) = open(directory.path());
    let file = build(&store.unwrap(), 5);
    log.close().unwrap();
    drop(log);
    fs::OpenOptions::new().write(true).open(file.path()).unwrap().set_len(50).unwrap();
    let (log, store) = open(directory.path());
    let error = store.unwrap_err();
    let shrank = matches!(error, StorageError::Damaged { damage: Damage::Length(50), .. });
    assert!(shrank, "{error}");
    drop(log);
    fs::remove_file(file.path()).unwrap();
    let (_log, store) = open(directory.path());
    let error = store.unwrap_err();
    assert!(matches!(error, StorageError::Damaged { damage: Damage::Missing, .. }), "{error}");
}

#[cfg(feature = "failpoints")]
mod failpoints {
    use std::process::Command;

    use super::*;

    const CHILD_PATH: &str = "STATEKEEPER_TEST_SNAPSHOT_PATH";
    const CHILD_POINT: &str = "STATEKEEPER_TEST_SNAPSHOT_POINT";

    /// Does nothing by itself: the process that dies while it writes its second snapshot.
    #[test]
    fn child_that_dies_at_a_snapshot() {
        let Ok(path) = std::env::var(CHILD_PATH) else { return };
        let (_log, store) = open(path.as_ref());
        let store = store.unwrap();
        build(&store, 10);
        fail::cfg_callback(std::env::var(CHILD_POINT).unwrap(), || std::process::abort()).unwrap();
        build(&store, 20);
    }

    #[test]
    fn a_death_around_the_rename_leaves_the_snapshot_before() {
        for point in ["snapshot-before-rename", "snapshot-after-rename"] {
            let directory = tempfile::tempdir().unwrap();
            let test = "storage::tests::snapshots::failpoints::child_that_dies_at_a_snapshot";
            let child = Command::new(std::env::current_exe().unwrap())
                .args([test, "--exact", "--test-threads=1"])
                .env(CHILD_PATH, directory.path())
                .env(CHILD_POINT, point)
                .output()
                .unwrap();
            assert!(!child.status.success(), "{point} was not passed");
            assert_eq!(names(directory.path()).len(), 2, "{point}");
            let (_log, store) = open(directory.path());
            let store = store.unwrap();
            assert_content(&store.current().unwrap(), 10);
            assert_eq!(names(directory.path()).len(), 1, "{point}");
            assert_content(&build(&store, 30), 30);
        }
    }
}
