//! The seed directory, in openLooKeng's own format and under its own lock.

use crate::published::{self, Neighbour};
use crate::support::cluster::{CLUSTER_NAME, Cluster, Plan};
use crate::support::driver::Driver;
use crate::support::kind::Kind;
use crate::support::{holds_for, wait_until};
use serde_json::{Value, json};
use statekeeper::seed::{Seed, file};
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const OPENLOOKENG: Kind = Kind::Java("5.1");
/// Shorter than the published ten and sixty seconds, in the same milliseconds.
const QUICK: &str = "seed-store.seed.heartbeat=1000\nseed-store.seed.heartbeat.timeout=4000\n";
const REFRESH_TIMEOUT: Duration = Duration::from_secs(8);
const PRUNE_TIMEOUT: Duration = Duration::from_secs(20);
/// A fresh lock of openLooKeng keeps others away; it lives five seconds after its last refresh.
const LOCK_REFRESH: Duration = Duration::from_millis(500);
const LOCK_HELD: Duration = Duration::from_secs(4);
const LOCK_EXPIRY_TIMEOUT: Duration = Duration::from_secs(10);

fn start(seed_store: &str) -> Cluster {
    let mut cluster = Plan::of(3).with_seed_directory().prepare();
    (0..3).for_each(|i| published::write(&cluster, i, Neighbour::Worker, seed_store));
    (0..3).for_each(|i| cluster.spawn(i));
    cluster.wait_ready().unwrap();
    cluster
}

fn seeds(cluster: &Cluster) -> Vec<Seed> {
    let bytes = fs::read(cluster.seed_directory().join("seeds.txt")).unwrap_or_default();
    file::decode(&bytes).unwrap()
}

fn locations(cluster: &Cluster) -> BTreeSet<String> {
    seeds(cluster).into_iter().map(|seed| seed.location).collect()
}

fn addresses(cluster: &Cluster, nodes: &[usize]) -> BTreeSet<String> {
    nodes.iter().map(|i| cluster.client_address(*i).to_string()).collect()
}

#[test]
fn a_client_finds_a_cluster_started_from_the_published_files_and_their_seed_file() {
    let cluster = start("");
    let driver = Driver::spawn(OPENLOOKENG);
    let seed_file = cluster.seed_directory().join("seeds.txt");
    let read = driver.ok(json!({"op": "openlookeng.seeds", "seed_file": seed_file}));
    let read: BTreeSet<String> = read
        .as_array()
        .unwrap()
        .iter()
        .map(|seed| seed["location"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(read, addresses(&cluster, &[0, 1, 2]), "as Java reads the file");
    driver.ok(json!({
        "op": "openlookeng.start", "cluster": CLUSTER_NAME, "seed_file": seed_file,
    }));
    let put = json!({"op": "map.put", "name": "query", "key": "q1", "value": "{}"});
    assert_eq!(driver.ok(put), Value::Null);
    assert_eq!(driver.ok(json!({"op": "map.get", "name": "query", "key": "q1"})), "{}");
    let fence = driver.ok(json!({"op": "lock.try_lock", "name": "global", "timeout_ms": 1000}));
    assert!(fence.as_u64().is_some_and(|fence| fence > 0), "{fence}");
    let log = cluster.log(0);
    for trap in ["state-store.properties:6", "seed-store.properties:3"] {
        assert!(log.contains(trap), "no warning about {trap}: {log}");
    }
}

#[test]
fn seeds_are_refreshed_removed_at_an_orderly_stop_and_pruned_after_a_death() {
    let mut cluster = start(QUICK);
    assert_eq!(locations(&cluster), addresses(&cluster, &[0, 1, 2]));
    let oldest = |cluster: &Cluster| seeds(cluster).iter().map(|s| s.timestamp_ms).min().unwrap();
    let before = oldest(&cluster);
    wait_until("three refreshed seeds", REFRESH_TIMEOUT, || oldest(&cluster) > before);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let age = i128::try_from(now).unwrap() - i128::from(oldest(&cluster));
    assert!(age.unsigned_abs() < 5_000, "a time of the wall clock, {age} ms ago");

    let follower = cluster.follower();
    cluster.stop(follower);
    let left: Vec<usize> = (0..3).filter(|i| *i != follower).collect();
    assert_eq!(locations(&cluster), addresses(&cluster, &left), "gone with the node");
    cluster.restart(follower);
    cluster.wait_ready().unwrap();
    wait_until("the seed of the node that came back", REFRESH_TIMEOUT, || {
        locations(&cluster) == addresses(&cluster, &[0, 1, 2])
    });

    let leader = cluster.leader();
    cluster.kill(leader);
    let left: Vec<usize> = (0..3).filter(|i| *i != leader).collect();
    wait_until("the dead node's seed to be pruned", PRUNE_TIMEOUT, || {
        locations(&cluster) == addresses(&cluster, &left)
    });
}

#[test]
fn a_fresh_lock_of_another_program_is_respected_and_a_stale_one_is_not() {
    let cluster = start(QUICK);
    let folder = cluster.seed_directory();
    let hold = || {
        fs::write(folder.join(".lockInfo"), "11111111-2222-3333-4444-555555555555").unwrap();
        fs::write(folder.join(".lockFile"), "update").unwrap();
    };
    // Whoever holds the lock at this moment gives it back first.
    wait_until("the lock to be free", REFRESH_TIMEOUT, || !folder.join(".lockFile").exists());
    hold();
    let stamp = || fs::metadata(folder.join("seeds.txt")).unwrap().modified().unwrap();
    std::thread::sleep(LOCK_REFRESH);
    let before = stamp();
    let mut refreshed = std::time::Instant::now();
    holds_for("nobody writes behind the lock", LOCK_HELD, || {
        if refreshed.elapsed() > LOCK_REFRESH {
            hold();
            refreshed = std::time::Instant::now();
        }
        stamp() == before
    });
    let info = fs::read_to_string(folder.join(".lockInfo")).unwrap();
    assert!(info.starts_with("11111111"), "the lock was taken away: {info}");
    // Nobody refreshes it any more.
    wait_until("the stale lock to be taken over", LOCK_EXPIRY_TIMEOUT, || stamp() > before);
    assert_eq!(locations(&cluster), addresses(&cluster, &[0, 1, 2]));
}

#[test]
fn seeds_written_away_by_hand_come_back_and_strangers_seeds_stay_while_they_are_fresh() {
    let cluster = start(QUICK);
    let path = cluster.seed_directory().join("seeds.txt");
    fs::write(&path, "").unwrap();
    wait_until("the seeds to be written again", REFRESH_TIMEOUT, || {
        locations(&cluster) == addresses(&cluster, &[0, 1, 2])
    });
    let stranger = Seed { location: "127.0.0.1:9".to_owned(), timestamp_ms: 1 };
    let mut with_stranger = seeds(&cluster);
    with_stranger.push(stranger.clone());
    fs::write(&path, file::encode(&with_stranger).unwrap()).unwrap();
    // Its clock says 1970, which nobody compares with: it goes when it stood still for so long.
    wait_until("the silent stranger's seed to be pruned", PRUNE_TIMEOUT, || {
        !locations(&cluster).contains(&stranger.location)
    });
    assert_eq!(locations(&cluster), addresses(&cluster, &[0, 1, 2]));
}
