//! What is left: nothing.

use std::fs;
use std::os::unix::process::parent_id;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use statekeeper_jepsen::cluster::disk::FileSystem;
use tempfile::tempdir;

use crate::disk;

const GONE_WITHIN: Duration = Duration::from_secs(10);

#[test]
fn a_disk_is_seen_inside_only_and_goes_when_it_is_dropped() {
    let dir = tempdir().unwrap();
    let disk = disk(dir.path(), FileSystem::Ext4);
    assert!(is_mounted("thread-self", dir.path()));
    assert!(!is_mounted(&parent_id().to_string(), dir.path()), "seen outside");
    assert!(has_loop_device(dir.path()));
    drop(disk);
    assert!(!is_mounted("thread-self", dir.path()));
    expect_no_loop_device(dir.path());
}

#[test]
fn a_disk_whose_owner_ends_without_a_word_goes_too() {
    let dir = tempdir().unwrap();
    thread::scope(|scope| {
        // A thread has mounts of its own, as a process has: nobody unmounts this one.
        scope.spawn(|| std::mem::forget(disk(dir.path(), FileSystem::Ext4)));
    });
    expect_no_loop_device(dir.path());
}

fn is_mounted(process: &str, folder: &Path) -> bool {
    let mounts = fs::read_to_string(format!("/proc/{process}/mounts")).unwrap();
    mounts.contains(folder.to_str().unwrap())
}

fn expect_no_loop_device(folder: &Path) {
    let deadline = Instant::now() + GONE_WITHIN;
    while has_loop_device(folder) {
        assert!(Instant::now() < deadline, "a loop device is left");
        thread::sleep(Duration::from_millis(10));
    }
}

fn has_loop_device(folder: &Path) -> bool {
    let backing = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("loop/backing_file"));
    let devices = fs::read_dir("/sys/block").unwrap().flatten();
    devices.filter_map(|entry| backing(entry).ok()).any(|f| Path::new(f.trim()).starts_with(folder))
}
