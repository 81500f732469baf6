//! What was called durable is there again: after a clean stop, and after a kill at any moment.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use super::super::{LogStore, PurgeMark};
use super::{LOGS, Open, all, durable, entry};

fn append(log: &dyn LogStore, indexes: std::ops::Range<u64>, bytes: usize) {
    let entries = indexes.map(|index| entry(index, bytes)).collect();
    durable(|notice| log.append(entries, notice)).unwrap();
}

fn indexes(log: &dyn LogStore) -> Vec<u64> {
    let entries = all(log).unwrap();
    for found in &entries {
        assert_eq!(*found, entry(found.index, found.bytes.len()));
    }
    entries.iter().map(|entry| entry.index).collect()
}

fn with_both(test: fn(Open, &std::path::Path)) {
    for (name, open) in LOGS {
        println!("log: {name}");
        let directory = tempfile::tempdir().unwrap();
        test(open, directory.path());
    }
}

#[test]
fn entries_of_all_sizes_are_found_again() {
    with_both(|open, path| {
        let log = open(path).unwrap();
        let sizes = [0, 10, 5_000, 48 * 1024, 100_000, 240 * 1024, 240 * 1024 + 1, 3_000_000];
        let entries: Vec<_> = (1..).zip(sizes).map(|(index, size)| entry(index, size)).collect();
        durable(|notice| log.append(entries.clone(), notice)).unwrap();
        append(log.as_ref(), 9..500, 200);
        log.close().unwrap();
        drop(log);

        let log = open(path).unwrap();
        assert_eq!(log.recovered().entries, 1..500);
        assert_eq!(log.read(1..9, usize::MAX).unwrap(), entries);
        assert_eq!(indexes(log.as_ref()), (1..500).collect::<Vec<_>>());
        assert_eq!(log.read(7..400, 0).unwrap().len(), 1);
    });
}

#[test]
fn a_truncation_cuts_records_and_pieces_and_the_log_goes_on() {
    with_both(|open, path| {
        let log = open(path).unwrap();
        append(log.as_ref(), 0..100, 100);
        append(log.as_ref(), 100..103, 600_000);
        for kept in [101, 99, 41] {
            durable(|notice| log.truncate_after(Some(kept), notice)).unwrap();
            assert_eq!(indexes(log.as_ref()), (0..=kept).collect::<Vec<_>>());
        }
        append(log.as_ref(), 42..60, 300);
        drop(log);
        let log = open(path).unwrap();
        assert_eq!(indexes(log.as_ref()), (0..60).collect::<Vec<_>>());
        durable(|notice| log.truncate_after(None, notice)).unwrap();
        drop(log);
        assert!(open(path).unwrap().recovered().entries.is_empty());
    });
}

#[test]
fn a_purge_is_remembered_and_its_space_is_given_back() {
    with_both(|open, path| {
        let log = open(path).unwrap();
        for start in (0..4_000).step_by(4) {
            append(log.as_ref(), start..start + 4, 5_000);
        }
        let before = log.stats().log_bytes.load(std::sync::atomic::Ordering::Relaxed);
        let mark = PurgeMark { index: 3_990, log_id: vec![1, 2, 3] };
        durable(|notice| log.purge(mark.clone(), notice)).unwrap();
        append(log.as_ref(), 4_000..4_001, 10);
        drop(log);

        let log = open(path).unwrap();
        assert_eq!(log.recovered().purged, Some(mark));
        assert_eq!(log.recovered().entries, 3_991..4_001);
        durable(|notice| log.save_vote(vec![9], notice)).unwrap();
        log.close().unwrap();
        let after = log.stats().log_bytes.load(std::sync::atomic::Ordering::Relaxed);
        assert!(after < before, "{before} bytes before, {after} after");
    });
}

#[test]
fn a_purge_beyond_the_end_makes_the_log_go_on_behind_the_snapshot() {
    with_both(|open, path| {
        let log = open(path).unwrap();
        append(log.as_ref(), 0..50, 100);
        let mark = PurgeMark { index: 999, log_id: vec![7] };
        durable(|notice| log.purge(mark.clone(), notice)).unwrap();
        append(log.as_ref(), 1_000..1_010, 100);
        log.close().unwrap();
        drop(log);
        let log = open(path).unwrap();
        assert_eq!(log.recovered().entries, 1_000..1_010);
        assert_eq!(indexes(log.as_ref()), (1_000..1_010).collect::<Vec<_>>());
    });
}

#[test]
fn small_values_are_found_again_and_a_closed_log_refuses() {
    with_both(|open, path| {
        let log = open(path).unwrap();
        log.save_committed(b"committed".to_vec());
        durable(|notice| log.save_snapshot_pointer(b"pointer".to_vec(), notice)).unwrap();
        durable(|notice| log.save_vote(b"vote 1".to_vec(), notice)).unwrap();
        durable(|notice| log.save_vote(b"vote 2".to_vec(), notice)).unwrap();
        log.close().unwrap();
        assert!(durable(|notice| log.save_vote(b"late".to_vec(), notice)).is_err());
        drop(log);
        let log = open(path).unwrap();
        assert_eq!(log.recovered().vote.as_deref(), Some(b"vote 2".as_slice()));
        assert_eq!(log.recovered().committed.as_deref(), Some(b"committed".as_slice()));
        assert_eq!(log.recovered().snapshot_pointer.as_deref(), Some(b"pointer".as_slice()));
    });
}

#[test]
fn what_sled_left_of_an_unfinished_snapshot_does_not_stop_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let log = super::open_sled(directory.path()).unwrap();
    append(log.as_ref(), 0..10, 100);
    drop(log);
    std::fs::write(directory.path().join("sled/snap.0000000000000042.generating"), b"x").unwrap();
    assert_eq!(super::open_sled(directory.path()).unwrap().recovered().entries, 0..10);
}

#[test]
fn notices_come_in_the_order_of_the_writes() {
    with_both(|open, path| {
        let log = open(path).unwrap();
        let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
        for index in 0..200 {
            let order = order.clone();
            let notice = Box::new(move |result: Result<(), _>| {
                result.unwrap();
                order.lock().push(index);
            });
            log.append(vec![entry(index, 50)], notice);
        }
        log.close().unwrap();
        assert_eq!(*order.lock(), (0..200).collect::<Vec<_>>());
        let flushes = log.stats().flushes.load(std::sync::atomic::Ordering::Relaxed);
        assert!(flushes < 200, "{flushes} flushes: groups have not formed");
    });
}

#[test]
fn a_notice_that_panics_stops_nobody_else() {
    with_both(|open, path| {
        let log = open(path).unwrap();
        log.append(vec![entry(0, 10)], Box::new(|_| panic!("on purpose")));
        append(log.as_ref(), 1..5, 10);
        assert_eq!(indexes(log.as_ref()), [0, 1, 2, 3, 4]);
    });
}

const CHILD_LOG: &str = "STATEKEEPER_TEST_CHILD_LOG";
const CHILD_POINT: &str = "STATEKEEPER_TEST_CHILD_POINT";
const CHILD_PATH: &str = "STATEKEEPER_TEST_CHILD_PATH";

/// Does nothing by itself: the process that the tests below kill. Prints each index once durable.
#[test]
fn child_that_appends_until_it_is_killed() {
    use std::io::Write as _;
    let (Ok(name), Ok(path)) = (std::env::var(CHILD_LOG), std::env::var(CHILD_PATH)) else {
        return;
    };
    let (_, open) = LOGS.into_iter().find(|(log, _)| *log == name).unwrap();
    #[cfg(feature = "failpoints")]
    failpoints::arm();
    let log = open(path.as_ref()).unwrap();
    let purged = log.recovered().purged.as_ref().map_or(0, |mark| mark.index + 1);
    let start = log.recovered().entries.end.max(purged);
    for index in start.. {
        let size = if index % 50 == 49 { 300_000 } else { 200 };
        let notice = Box::new(move |result: Result<(), super::StorageError>| {
            result.unwrap();
            let mut out = std::io::stderr().lock();
            writeln!(out, "acked {index}").unwrap();
        });
        log.append(vec![entry(index, size)], notice);
        if index % 100 == 99 {
            let mark = PurgeMark { index: index - 60, log_id: vec![] };
            durable(|notice| log.purge(mark, notice)).unwrap();
        }
        if index % 70 == 69 {
            durable(|notice| log.save_vote(index.to_le_bytes().to_vec(), notice)).unwrap();
            eprintln!("voted {index}");
        }
    }
}

fn spawn_child(name: &str, path: &std::path::Path, point: Option<&str>) -> Child {
    let test = "storage::tests::durability::child_that_appends_until_it_is_killed";
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD_LOG, name)
        .env(CHILD_PATH, path)
        .env(CHILD_POINT, point.unwrap_or_default())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn every_acknowledged_entry_survives_sigkill() {
    with_killed_children(8);
}

fn with_killed_children(rounds: u64) {
    for (name, open) in LOGS {
        let directory = tempfile::tempdir().unwrap();
        let (mut acked, mut voted) = (0, 0);
        for round in 0..rounds {
            let mut child = spawn_child(name, directory.path(), None);
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
            // A different moment each time, counted in acknowledgements.
            let until = 40 + round * 53 % 211;
            let mut seen = 0;
            for line in lines.by_ref() {
                let line = line.unwrap();
                read_line(&line, &mut acked, &mut voted);
                seen += 1;
                if seen == until {
                    child.kill().unwrap();
                }
            }
            child.wait().unwrap();
            assert!(seen >= until, "{name}: the child ended by itself after {seen} lines");

            let log = open(directory.path()).unwrap();
            assert_nothing_lost(name, log.as_ref(), acked, voted);
        }
    }
}

fn assert_nothing_lost(name: &str, log: &dyn LogStore, acked: u64, voted: u64) {
    let found = indexes(log);
    let (first, last) = (*found.first().unwrap(), *found.last().unwrap());
    assert!(last >= acked, "{name}: {acked} was acknowledged, the log ends at {last}");
    assert_eq!(found, (first..=last).collect::<Vec<_>>(), "{name}: a hole");
    if voted > 0 {
        let vote = log.recovered().vote.as_ref().unwrap();
        let vote = u64::from_le_bytes(vote.as_slice().try_into().unwrap());
        assert!(vote >= voted, "{name}: vote {voted} was acknowledged, found {vote}");
    }
}

fn read_line(line: &str, acked: &mut u64, voted: &mut u64) {
    if let Some(index) = line.strip_prefix("acked ").and_then(|index| index.parse().ok()) {
        *acked = index;
    }
    if let Some(index) = line.strip_prefix("voted ").and_then(|index| index.parse().ok()) {
        *voted = index;
    }
}

#[cfg(feature = "failpoints")]
mod failpoints {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const POINTS: [&str; 5] = [
        "log-before-write",
        "log-after-write",
        "log-after-sync",
        "log-before-notice",
        "log-before-purge",
    ];

    /// In the child: die at the named point, the n-th time it is passed.
    pub(super) fn arm() {
        let armed = std::env::var(CHILD_POINT).unwrap_or_default();
        let Some((point, count)) = armed.split_once('=') else { return };
        let count: u64 = count.parse().unwrap();
        let passed = AtomicU64::new(0);
        let die = move || {
            if passed.fetch_add(1, Ordering::Relaxed) + 1 == count {
                std::process::abort();
            }
        };
        fail::cfg_callback(point, die).unwrap();
    }

    #[test]
    fn every_acknowledged_entry_survives_a_death_at_each_write_point() {
        for (name, open) in LOGS {
            for point in POINTS {
                let directory = tempfile::tempdir().unwrap();
                let (mut acked, mut voted) = (0, 0);
                for count in [2, 7, 3] {
                    let armed = format!("{point}={count}");
                    let mut child = spawn_child(name, directory.path(), Some(&armed));
                    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
                    lines.for_each(|line| read_line(&line.unwrap(), &mut acked, &mut voted));
                    assert!(!child.wait().unwrap().success(), "{name}: {point} was not passed");
                    let log = open(directory.path()).unwrap();
                    if !log.recovered().entries.is_empty() {
                        assert_nothing_lost(name, log.as_ref(), acked, voted);
                    } else {
                        assert_eq!((acked, voted), (0, 0), "{name}: {point}");
                    }
                }
            }
        }
    }
}
