//! A flipped byte anywhere is either harmless or named; never a silently shorter or other log.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::{Damage, LogStore, PurgeMark, StorageError, StoredState};
use super::{EncodedEntry, LOGS, Open, all, durable, entry};

/// What a sound log has to say.
#[derive(Debug, PartialEq)]
struct Content {
    state: StoredState,
    entries: Vec<EncodedEntry>,
}

fn content(log: &dyn LogStore) -> Result<Content, StorageError> {
    Ok(Content { state: log.recovered().clone(), entries: all(log)? })
}

/// A log with everything in it: packs, pieces, a truncation, a purge, votes, a pointer.
fn fill(open: Open, path: &Path) -> Content {
    let log = open(path).unwrap();
    durable(|notice| log.save_vote(b"vote 1".to_vec(), notice)).unwrap();
    for start in (0..400).step_by(20) {
        let entries = (start..start + 20).map(|index| entry(index, 700)).collect();
        durable(|notice| log.append(entries, notice)).unwrap();
    }
    durable(|notice| log.truncate_after(Some(369), notice)).unwrap();
    durable(|notice| log.append(vec![entry(370, 500_000)], notice)).unwrap();
    durable(|notice| log.append(vec![entry(371, 100)], notice)).unwrap();
    let mark = PurgeMark { index: 49, log_id: b"49".to_vec() };
    durable(|notice| log.purge(mark, notice)).unwrap();
    durable(|notice| log.save_snapshot_pointer(b"pointer".to_vec(), notice)).unwrap();
    log.save_committed(b"committed".to_vec());
    durable(|notice| log.save_vote(b"vote 2".to_vec(), notice)).unwrap();
    log.close().unwrap();
    drop(log);
    // Read from a copy: a second opening here would leave a snapshot of sled's own, and with it
    // sled sees by itself that a tail is missing.
    let probe = path.with_extension("probe");
    copy(path, &probe);
    let log = open(&probe).unwrap();
    content(log.as_ref()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy(&file.path(), &target);
        } else {
            fs::copy(file.path(), &target).unwrap();
        }
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for file in fs::read_dir(directory).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_dir() {
            found.extend(files(&file.path()));
        } else {
            found.push(file.path());
        }
    }
    found
}

/// Offsets over the part of a file that was written: its first bytes, and steps of a prime.
fn offsets(bytes: &[u8], count: usize) -> Vec<usize> {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut offsets: Vec<_> = (0..used.min(24)).collect();
    let step = (used / count).max(1) | 1;
    offsets.extend((24..used).step_by(step));
    offsets.extend(used.checked_sub(1));
    offsets
}

/// Opens a damaged copy and says whether all is there (true) or the damage is named (false).
fn judge(open: Open, path: &Path, sound: &Content, what: &str) -> bool {
    let opened = open(path).and_then(|log| {
        let content = content(log.as_ref());
        drop(log);
        content
    });
    match opened {
        Ok(content) => {
            assert!(content == *sound, "{what}: another log was served without a word");
            true
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(&path.display().to_string()), "{what}: no file named: {text}");
            false
        }
    }
}

fn flip_all_over(name: &str, open: Open, per_file: usize) {
    let directory = tempfile::tempdir().unwrap();
    let (sound_path, path) = (directory.path().join("sound"), directory.path().join("damaged"));
    let sound = fill(open, &sound_path);
    let (mut harmless, mut named) = (0, 0);
    for file in files(&sound_path) {
        let relative = file.strip_prefix(&sound_path).unwrap();
        let bytes = fs::read(&file).unwrap();
        for offset in offsets(&bytes, per_file) {
            let _ = fs::remove_dir_all(&path);
            copy(&sound_path, &path);
            let mut flipped = bytes.clone();
            flipped[offset] ^= 0x41;
            fs::write(path.join(relative), &flipped).unwrap();
            let what = format!("{name}: {} at {offset}", relative.display());
            if judge(open, &path, &sound, &what) { harmless += 1 } else { named += 1 }
        }
    }
    println!("{name}: {named} flips named, {harmless} harmless");
    assert!(named > 30, "{name}: only {named} flips were noticed");
}

// checks: R-9
#[test]
fn a_flipped_byte_in_the_sled_log_is_harmless_or_named() {
    flip_all_over(LOGS[0].0, LOGS[0].1, 60);
}

#[test]
fn a_flipped_byte_in_the_file_log_is_harmless_or_named() {
    flip_all_over(LOGS[1].0, LOGS[1].1, 200);
}

#[test]
fn a_shortened_file_is_named() {
    for (name, open) in LOGS {
        let directory = tempfile::tempdir().unwrap();
        let (sound_path, path) = (directory.path().join("sound"), directory.path().join("damaged"));
        let sound = fill(open, &sound_path);
        for file in files(&sound_path) {
            let relative = file.strip_prefix(&sound_path).unwrap();
            let length = fs::metadata(&file).unwrap().len();
            for quarter in 0..4 {
                let _ = fs::remove_dir_all(&path);
                copy(&sound_path, &path);
                let shortened = fs::OpenOptions::new().write(true).open(path.join(relative));
                shortened.unwrap().set_len(length * quarter / 4).unwrap();
                let what = format!("{name}: {} cut at {quarter}/4", relative.display());
                judge(open, &path, &sound, &what);
            }
        }
    }
}

// checks: R-10
#[test]
fn a_log_that_was_exchanged_for_an_older_one_is_behind_its_mark() {
    for (name, open) in LOGS {
        let directory = tempfile::tempdir().unwrap();
        let (path, older) = (directory.path().join("log"), directory.path().join("older"));
        let log = open(&path).unwrap();
        durable(|notice| log.append(vec![entry(1, 100), entry(2, 100)], notice)).unwrap();
        log.close().unwrap();
        drop(log);
        copy(&path, &older);

        // The same indexes with another content: the index alone would not tell.
        let log = open(&path).unwrap();
        durable(|notice| log.truncate_after(Some(1), notice)).unwrap();
        durable(|notice| log.append(vec![entry(2, 333)], notice)).unwrap();
        log.close().unwrap();
        drop(log);
        fs::copy(path.join("mark"), older.join("mark")).unwrap();
        let error = open(&older).err().unwrap();
        assert!(matches!(error, StorageError::BehindMark { .. }), "{name}: {error}");

        fs::remove_file(older.join("mark")).unwrap();
        let error = open(&older).err().unwrap();
        let missing = matches!(error, StorageError::Damaged { damage: Damage::Missing, .. });
        assert!(missing, "{name}: {error}");
    }
}

#[test]
fn a_lost_vote_is_behind_its_mark() {
    for (name, open) in LOGS {
        let directory = tempfile::tempdir().unwrap();
        let (path, older) = (directory.path().join("log"), directory.path().join("older"));
        drop(open(&path).unwrap());
        copy(&path, &older);
        let log = open(&path).unwrap();
        durable(|notice| log.save_vote(b"vote".to_vec(), notice)).unwrap();
        // No clean stop is needed: the mark holds the vote before the notice.
        fs::copy(path.join("mark"), older.join("mark")).unwrap();
        let error = open(&older).err().unwrap();
        assert!(matches!(error, StorageError::BehindMark { .. }), "{name}: {error}");
    }
}
