//! Damaged and foreign data directories: named, with what to do, and never served.

use crate::support::cluster::{Cluster, Plan};
use crate::support::raw::RawClient;
use crate::support::wait_until;
use statekeeper_protocol::Data;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(20);
const MARK_TIMEOUT: Duration = Duration::from_secs(10);
const BYTE_ARRAY: i32 = -12;
const MARKER: &[u8] = b"a value that the test finds again in the files";

#[test]
fn a_flipped_byte_in_the_log_stops_the_start_and_names_file_and_fix() {
    let mut cluster = Plan::of(3).start();
    let client = RawClient::connect(cluster.client_address(0)).unwrap();
    client.map("damaged").set_data("key", Data::from_parts(BYTE_ARRAY, MARKER), -1).unwrap();
    // A mark names the last durable entry, within a second. What is damaged behind it is not seen
    // here, but by the other nodes, which remember what this one acknowledged.
    let mark = || fs::read(cluster.site(0).data().join("log/mark")).unwrap_or_default();
    let before = mark();
    client.map("damaged").set("after", 1).unwrap();
    wait_until("a mark behind the value", MARK_TIMEOUT, || mark() != before);
    cluster.kill(0);
    let log = cluster.site(0).data().join("log");
    let (file, at) = find(&log, MARKER).expect("the value in the log");
    flip(&file, at + 5);
    expect_refused(&mut cluster, 0, &log);
    // The others serve on.
    let client = RawClient::connect(cluster.client_address(cluster.leader())).unwrap();
    let value = client.map("damaged").get_data("key").unwrap().unwrap();
    assert_eq!(value.payload(), MARKER);
}

#[test]
fn a_flipped_byte_in_a_snapshot_stops_the_start_and_names_file_and_fix() {
    let mut cluster = Plan::of(1).with("raft.snapshot-log-bytes", "1MB").start();
    let client = RawClient::connect(cluster.client_address(0)).unwrap();
    let folder = cluster.site(0).data().join("snapshots");
    let value = vec![1; 256 * 1024];
    wait_until("a snapshot", SNAPSHOT_TIMEOUT, || {
        let data = Data::from_parts(BYTE_ARRAY, &value);
        client.map("damaged").set_data("key", data, -1).unwrap();
        !whole_files(&folder).is_empty()
    });
    cluster.kill(0);
    for file in whole_files(&folder) {
        let length = fs::metadata(&file).unwrap().len();
        flip(&file, usize::try_from(length / 2).unwrap());
    }
    expect_refused(&mut cluster, 0, &folder);
}

#[test]
fn a_lost_mark_or_a_lost_log_is_not_taken_for_an_empty_one() {
    let mut cluster = Plan::of(1).start();
    let client = RawClient::connect(cluster.client_address(0)).unwrap();
    client.map("kept").set("key", 1).unwrap();
    cluster.kill(0);
    let log = cluster.site(0).data().join("log");
    fs::remove_dir_all(&log).unwrap();
    let (status, text) = cluster.refused_start(0);
    assert!(!status.success(), "{text}");
    assert!(text.contains(log.parent().unwrap().to_str().unwrap()), "{text}");
}

#[test]
fn a_node_never_joins_with_the_data_directory_of_another_cluster() {
    let mut stranger = Plan::of(1).start();
    stranger.stop(0);
    let mut cluster = Plan::of(3).start();
    cluster.stop(2);
    fs::remove_dir_all(cluster.site(2).data()).unwrap();
    copy(&stranger.site(0).data(), &cluster.site(2).data());
    let before = RawClient::connect(cluster.client_address(0)).unwrap().cluster_id();
    let (status, text) = cluster.refused_start(2);
    assert!(!status.success(), "{text}");
    assert!(text.contains("cluster"), "{text}");
    let data = cluster.site(2).data();
    assert!(text.contains(data.to_str().unwrap()), "{text}");
    let client = RawClient::connect(cluster.client_address(cluster.leader())).unwrap();
    client.map("untouched").set("key", 1).unwrap();
    assert_eq!(client.cluster_id(), before);
}

#[test]
fn a_data_directory_is_used_by_one_process_at_a_time() {
    let mut cluster = Plan::of(1).start();
    let second = cluster.add_site();
    let etc = cluster.site(second).home.join("etc/statekeeper.properties");
    let text = fs::read_to_string(&etc).unwrap();
    let own = cluster.site(second).data().display().to_string();
    let others = cluster.site(0).data().display().to_string();
    fs::write(&etc, text.replace(&own, &others)).unwrap();
    let (status, text) = cluster.refused_start(second);
    assert!(!status.success(), "{text}");
    assert!(text.contains("in use by another process"), "{text}");
    assert!(text.contains(&others), "{text}");
}

fn expect_refused(cluster: &mut Cluster, i: usize, folder: &Path) {
    let (status, text) = cluster.refused_start(i);
    assert!(!status.success(), "{text}");
    assert!(text.contains(folder.to_str().unwrap()), "no file is named: {text}");
    assert!(text.contains("damaged"), "no damage is named: {text}");
    assert!(text.contains("set the data directory aside"), "no fix is named: {text}");
}

/// File and place of some bytes; the newest copy when there are several.
fn find(folder: &Path, wanted: &[u8]) -> Option<(PathBuf, usize)> {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if let Some(found) = find(&path, wanted) {
                return Some(found);
            }
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let at = bytes.windows(wanted.len()).rposition(|window| window == wanted);
        if let Some(at) = at {
            return Some((path, at));
        }
    }
    None
}

/// Snapshot files that are complete.
fn whole_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let files = entries.map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_none_or(|kind| kind != "new")).collect()
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 0x20;
    fs::write(file, bytes).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}
