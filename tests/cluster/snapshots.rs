//! A node that missed more than the log keeps is brought up to date by a snapshot.

use crate::support::cluster::{Cluster, Plan};
use crate::support::raw::{RawClient, number, number_of};
use crate::support::wait_until;
use statekeeper_protocol::Data;
use std::fs;
use std::path::Path;
use std::time::Duration;

const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(30);
const BYTE_ARRAY: i32 = -12;
const VALUE_BYTES: usize = 64 * 1024;
const KEYS: u64 = 20;
const ROUNDS: u64 = 16;
/// What is written while the node is away is about 20 MB; the log keeps one, the state another.
/// sled's segments are 16 MB, so what is left on disk is bounded by a few of them.
const DATA_BYTES_MAX: u64 = 160 * 1024 * 1024;

/// Values large enough to push everything before them out of the log.
fn push(client: &RawClient, round: u64) {
    for key in 0..KEYS {
        let mut payload = u32::try_from(VALUE_BYTES).unwrap().to_be_bytes().to_vec();
        payload.resize(VALUE_BYTES + 4, u8::try_from(round).unwrap());
        let value = Data::from_parts(BYTE_ARRAY, &payload);
        client.map("large").set_data(&format!("key-{key}"), value, -1).unwrap();
    }
}

#[test]
fn a_node_that_was_away_for_long_catches_up_by_a_snapshot() {
    let mut cluster = Plan::of(3).with("raft.snapshot-log-bytes", "1MB").start();
    let leader = cluster.leader();
    let away = (leader + 1) % 3;
    let client = RawClient::connect(cluster.client_address(leader)).unwrap();
    client.map("small").set("before", 1).unwrap();
    client.map("small").set("ends", 1).unwrap();
    let known = cluster.admin(away, "/v1/cluster?consistency=local");
    cluster.kill(away);
    for round in 1..=ROUNDS {
        push(&client, round);
    }
    client.map("small").set_data("after", number(2), -1).unwrap();
    client.map("small").remove("ends").unwrap();
    wait_until("the log to be compacted beyond what the node has", CATCH_UP_TIMEOUT, || {
        let now = cluster.admin(leader, "/v1/cluster?consistency=local");
        index(&now, "snapshot_index") > index(&known, "applied_index")
    });
    cluster.restart(away);
    cluster.wait_ready().unwrap();
    expect_same_state(&mut cluster, leader, away);
    for i in 0..3 {
        let bytes = bytes_below(&cluster.site(i).data());
        assert!(bytes < DATA_BYTES_MAX, "node {i} keeps {bytes} bytes");
    }
}

#[test]
fn a_node_comes_back_from_its_own_snapshot_and_the_log_behind_it() {
    let mut cluster = Plan::of(1).with("raft.snapshot-log-bytes", "1MB").start();
    let client = RawClient::connect(cluster.client_address(0)).unwrap();
    for round in 1..=4 {
        push(&client, round);
    }
    client.map("small").set("last", 7).unwrap();
    wait_until("a snapshot", CATCH_UP_TIMEOUT, || {
        index(&cluster.admin(0, "/v1/cluster?consistency=local"), "snapshot_index") > 0
    });
    cluster.kill(0);
    cluster.restart(0);
    cluster.wait_ready().unwrap();
    let client = RawClient::connect(cluster.client_address(0)).unwrap();
    assert_eq!(client.map("small").get("last"), Ok(Some(7)));
    assert_eq!(client.map("large").size(), Ok(i32::try_from(KEYS).unwrap()));
}

/// The other follower dies, so that every answer rests on the node that came back.
fn expect_same_state(cluster: &mut Cluster, leader: usize, away: usize) {
    let third = 3 - leader - away;
    cluster.kill(third);
    cluster.kill(leader);
    cluster.restart(third);
    let client = RawClient::connect(cluster.client_address(away)).unwrap();
    let small = client.map("small");
    wait_until("the other two as a cluster", CATCH_UP_TIMEOUT, || small.size().is_ok());
    assert_eq!(small.get("before"), Ok(Some(1)));
    assert_eq!(small.get("after"), Ok(Some(2)));
    assert_eq!(small.get("ends"), Ok(None));
    let values = client.map("large").entries().unwrap();
    assert_eq!(values.len() as u64, KEYS);
    for (key, value) in values {
        let last = u64::from(*value.payload().last().unwrap());
        assert_eq!((value.payload().len(), last), (VALUE_BYTES + 4, ROUNDS), "{key:?}");
    }
    assert_eq!(number_of(&small.get_data("after").unwrap().unwrap()), 2);
}

fn index(cluster: &serde_json::Value, field: &str) -> u64 {
    cluster[field].as_u64().unwrap_or_else(|| panic!("no {field} in {cluster}"))
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().filter_map(Result::ok);
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => bytes_below(&entry.path()),
            // Files come and go while the node works.
            Ok(_) => entry.metadata().map_or(0, |metadata| metadata.len()),
            Err(_) => 0,
        })
        .sum()
}
