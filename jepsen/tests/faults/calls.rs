//! Flushes and writes that one process sees spoilt: a small program (`dd`), then a real node.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use statekeeper_jepsen::cluster::disk::{FlushFaults, Times, WriteFault};
use statekeeper_jepsen::cluster::preload::Preload;
use tempfile::tempdir;

use crate::node::Node;

/// More than a call ever takes that nothing holds back.
const WAIT: Duration = Duration::from_millis(400);

/// Writes 16 pages, one at a time, and flushes once.
fn dd(preload: &Preload, folder: &Path) -> Command {
    let mut command = Command::new("dd");
    command.args(["if=/dev/zero", "bs=4096", "count=16", "conv=fdatasync"]);
    command.arg(format!("of={}", folder.join("file").display()));
    command.envs(preload.environment());
    command
}

/// Writes 16 pages and makes up for what is not written at once. (`dd` writes to its standard
/// output, which is left alone.)
fn writer(preload: &Preload, folder: &Path) -> Command {
    let program = "import os, sys\n\
        file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)\n\
        rest = bytes(16 * 4096)\n\
        while rest: rest = rest[os.write(file, rest[:4096]):]\n";
    let mut command = Command::new("python3");
    command.args(["-c", program]).arg(folder.join("file")).envs(preload.environment());
    command
}

fn faults(folder: &Path) -> (Preload, FlushFaults) {
    let preload = Preload::new(&folder.join("block")).unwrap();
    let faults = FlushFaults::new(&preload);
    (preload, faults)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_slow_flush_is_slow_and_heals() {
    let dir = tempdir().unwrap();
    let (preload, faults) = faults(dir.path());
    faults.slow(WAIT).unwrap();
    let begin = Instant::now();
    assert!(dd(&preload, dir.path()).output().unwrap().status.success());
    assert!(begin.elapsed() >= WAIT);
    assert_eq!(faults.affected().unwrap(), 1);
    faults.heal().unwrap();
    let begin = Instant::now();
    assert!(dd(&preload, dir.path()).output().unwrap().status.success());
    assert!(begin.elapsed() < WAIT);
    assert_eq!(faults.affected().unwrap(), 1);
    assert_eq!((faults.flushes().unwrap(), preload.loaded().unwrap()), (2, 2));
}

#[test]
fn a_hanging_flush_waits_for_the_heal_or_for_the_end() {
    let dir = tempdir().unwrap();
    let (preload, faults) = faults(dir.path());
    faults.hang().unwrap();
    for killed in [false, true] {
        let before = faults.affected().unwrap();
        let mut process = dd(&preload, dir.path()).spawn().unwrap();
        while faults.affected().unwrap() == before {
            sleep(Duration::from_millis(5));
        }
        sleep(WAIT);
        assert!(process.try_wait().unwrap().is_none(), "it hangs");
        if killed {
            process.kill().unwrap();
        } else {
            faults.heal().unwrap();
        }
        assert_eq!(process.wait().unwrap().success(), !killed);
        faults.hang().unwrap();
    }
}

#[test]
fn as_many_flushes_fail_as_were_asked_for() {
    let dir = tempdir().unwrap();
    let (preload, faults) = faults(dir.path());
    let run = || dd(&preload, dir.path()).output().unwrap();
    faults.fail(Times::Next(1)).unwrap();
    let failed = run();
    assert!(said(&failed).contains("Input/output error"), "{failed:?}");
    assert!(run().status.success());
    assert_eq!(faults.affected().unwrap(), 1);
    faults.fail(Times::Lasting).unwrap();
    assert!((0..2).all(|_| !run().status.success()));
    faults.heal().unwrap();
    assert!(run().status.success());
    // The program may try once more by another call.
    assert!(faults.affected().unwrap() >= 3);
}

#[test]
fn writes_fail_or_stop_half_way() {
    let dir = tempdir().unwrap();
    let (preload, faults) = faults(dir.path());
    let run = || writer(&preload, dir.path()).output().unwrap();
    let length = || fs::metadata(dir.path().join("file")).unwrap().len();
    faults.spoil_writes(WriteFault::Full, Times::Next(1)).unwrap();
    assert!(said(&run()).contains("No space left"));
    assert_eq!((length(), faults.affected().unwrap()), (0, 1));
    faults.spoil_writes(WriteFault::Failed, Times::Lasting).unwrap();
    assert!(said(&run()).contains("Input/output error"));
    // A program that minds how much was written makes up for it.
    faults.spoil_writes(WriteFault::Short, Times::Next(3)).unwrap();
    let before = faults.affected().unwrap();
    assert!(run().status.success());
    assert_eq!((length(), faults.affected().unwrap()), (16 * 4096, before + 3));
}

#[test]
fn only_files_of_the_device_that_is_meant_are_affected() {
    let dir = tempdir().unwrap();
    let (preload, faults) = faults(dir.path());
    faults.only_on(Path::new("/proc")).unwrap();
    faults.fail(Times::Lasting).unwrap();
    faults.spoil_writes(WriteFault::Failed, Times::Lasting).unwrap();
    assert!(dd(&preload, dir.path()).output().unwrap().status.success());
    faults.only_on(dir.path()).unwrap();
    assert!(!dd(&preload, dir.path()).output().unwrap().status.success());
}

#[test]
fn a_node_waits_for_its_disk_and_is_killed_while_it_hangs() {
    let dir = tempdir().unwrap();
    let (preload, faults) = faults(dir.path());
    let mut node = Node::start(dir.path(), &dir.path().join("data"), preload.environment());
    assert!(preload.loaded().unwrap() > 0 && faults.flushes().unwrap() > 0);
    faults.slow(WAIT).unwrap();
    let begin = Instant::now();
    node.put(1).unwrap();
    assert!(begin.elapsed() >= WAIT, "acknowledged before the flush");
    faults.heal().unwrap();
    let before = faults.affected().unwrap();
    faults.hang().unwrap();
    thread::scope(|scope| {
        let put = scope.spawn(|| node.put(2));
        while faults.affected().unwrap() == before {
            sleep(Duration::from_millis(5));
        }
        assert!(put.join().unwrap().is_err(), "acknowledged without a flush");
    });
    assert!(node.kill() < Duration::from_secs(5));
    faults.heal().unwrap();
    node.restart();
    node.expect(1..=1);
    node.put(3).unwrap();
}

#[test]
fn a_node_whose_flush_fails_stops_and_has_lost_nothing() {
    let dir = tempdir().unwrap();
    let (preload, faults) = faults(dir.path());
    let mut node = Node::start(dir.path(), &dir.path().join("data"), preload.environment());
    (0..20).for_each(|key| node.put(key).unwrap());
    faults.fail(Times::Next(1)).unwrap();
    let refused = node.put(20);
    assert!(refused.is_err(), "acknowledged after a flush that failed");
    let ended = node.wait_end(Duration::from_secs(15));
    assert!(ended.is_some_and(|status| !status.success()), "{ended:?}: it has to stop");
    assert_eq!(faults.affected().unwrap(), 1);
    faults.heal().unwrap();
    node.restart();
    node.expect(0..20);
}
