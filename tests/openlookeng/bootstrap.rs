//! Exactly one cluster, whatever happens to nodes and folder while it is founded: real processes.
//!
//! `bootstrap::tests::explore` goes through every order of events in small worlds; this shows that
//! the real thing behaves like them.

use crate::support::cluster::{CLUSTER_NAME, Cluster, Plan};
use crate::support::provision;
use crate::support::raw::RawClient;
use crate::support::{http, wait_until};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use statekeeper::seed::{MARKER, Seed, file};
use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Within this time nodes are started, killed and started again.
const TROUBLE: Duration = Duration::from_secs(6);
const STEP_MS: std::ops::Range<u64> = 0..400;
const TOLD_TIMEOUT: Duration = Duration::from_secs(20);
const FOUNDED_TIMEOUT: Duration = Duration::from_secs(40);
const MEMBER_TIMEOUT: Duration = Duration::from_secs(60);
/// Twice as long as nodes of a seed directory listen before they found.
const QUIET: Duration = Duration::from_secs(6);

#[test]
fn any_number_of_nodes_killed_at_any_point_become_one_cluster() {
    for (size, seed) in [(1, 1), (2, 2), (3, 3), (3, 4), (5, 5), (7, 6)] {
        eprintln!("{size} nodes, seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let mut cluster = Plan::of(size).with_seed_directory().prepare();
        let end = Instant::now() + TROUBLE;
        while Instant::now() < end {
            let i = random.random_range(0..size);
            if cluster.running().contains(&i) {
                cluster.kill(i);
            } else {
                cluster.spawn(i);
            }
            std::thread::sleep(Duration::from_millis(random.random_range(STEP_MS)));
        }
        expect_one(&mut cluster);
    }
}

#[test]
fn a_folder_emptied_by_hand_while_a_cluster_is_founded_makes_no_second_one() {
    let mut random = StdRng::seed_from_u64(7);
    let mut cluster = Plan::of(3).with_seed_directory().prepare();
    let folder = cluster.seed_directory();
    (0..3).for_each(|i| cluster.spawn(i));
    let end = Instant::now() + TROUBLE;
    while Instant::now() < end {
        for name in ["seeds.txt", MARKER, ".lockFile", ".lockInfo"] {
            let _ = fs::remove_file(folder.join(name));
        }
        std::thread::sleep(Duration::from_millis(random.random_range(STEP_MS)));
    }
    expect_one(&mut cluster);
    // A late one finds the cluster, not an empty folder.
    let late = cluster.add_site();
    cluster.spawn(late);
    cluster.wait_ready().unwrap();
    expect_one(&mut cluster);
}

#[test]
fn a_damaged_seed_file_is_waited_for_named_and_changed_by_nobody() {
    for (what, text) in
        [("half an entry", "rO0ABX"), ("garbage", "\u{0}\u{1}\u{2},,,"), ("JSON", "{}")]
    {
        eprintln!("{what}");
        let mut cluster = Plan::of(3).with_seed_directory().prepare();
        let path = cluster.seed_directory().join("seeds.txt");
        fs::create_dir_all(cluster.seed_directory()).unwrap();
        fs::write(&path, text).unwrap();
        (0..3).for_each(|i| cluster.spawn(i));
        expect_told(&cluster, "waiting for the seed directory: SK0021");
        std::thread::sleep(QUIET);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert!((0..3).all(|i| !cluster.is_ready(i)), "founded beside a file nobody can read");
        fs::remove_file(&path).unwrap();
        expect_one(&mut cluster);
    }
}

#[test]
fn seeds_of_the_dead_and_of_other_clusters_hold_nobody_up_and_are_never_joined() {
    let others = Plan::of(1).with("state-store.cluster", "others").start();
    let mut cluster = Plan::of(3).with_seed_directory().prepare();
    let dead = Seed { location: "127.0.0.1:9".to_owned(), timestamp_ms: 1 };
    let foreign = Seed { location: others.client_address(0).to_string(), timestamp_ms: 1 };
    fs::create_dir_all(cluster.seed_directory()).unwrap();
    let text = file::encode(&[dead, foreign]).unwrap();
    fs::write(cluster.seed_directory().join("seeds.txt"), text).unwrap();
    (0..3).for_each(|i| cluster.spawn(i));
    expect_one(&mut cluster);
    let theirs = others.admin(0, "/v1/cluster");
    assert_eq!(theirs["voters"].as_array().unwrap().len(), 1, "{theirs}");
}

#[test]
fn a_live_embedded_member_at_a_seed_is_named_and_waited_for() {
    let mut cluster = Plan::of(3).with_seed_directory().prepare();
    let spare = cluster.add_site();
    let address = cluster.client_address(spare);
    let mut member = Member::start(address.port());
    let seed = Seed { location: address.to_string(), timestamp_ms: 1 };
    fs::create_dir_all(cluster.seed_directory()).unwrap();
    let path = cluster.seed_directory().join("seeds.txt");
    fs::write(path, file::encode(&[seed]).unwrap()).unwrap();
    (0..3).for_each(|i| cluster.spawn(i));
    expect_told(&cluster, &format!("stop the embedded member at {address}"));
    std::thread::sleep(QUIET);
    assert!((0..3).all(|i| !cluster.is_ready(i)), "founded beside a live member");
    member.kill();
    wait_until("the cluster without the member", FOUNDED_TIMEOUT, || {
        (0..3).all(|i| cluster.is_ready(i))
    });
}

/// A real Hazelcast member, alone.
struct Member(Child);

impl Member {
    fn start(port: u16) -> Member {
        let mut command = provision::member();
        command.args([CLUSTER_NAME, &port.to_string(), "1", &port.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let member = Member(command.spawn().unwrap());
        wait_until("a member that listens", MEMBER_TIMEOUT, || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        member
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The line stands in the log of every node.
fn expect_told(cluster: &Cluster, line: &str) {
    for i in cluster.running() {
        wait_until(&format!("node {i} to say: {line}"), TOLD_TIMEOUT, || {
            cluster.log(i).contains(line)
        });
    }
}

/// With all nodes started, there is one cluster, all are in it, and it keeps what it is given.
fn expect_one(cluster: &mut Cluster) {
    let nodes = 0..cluster.size();
    let running = cluster.running();
    nodes.clone().filter(|i| !running.contains(i)).for_each(|i| cluster.spawn(i));
    cluster.wait_ready().unwrap();
    let ids: BTreeSet<String> =
        nodes.clone().map(|i| cluster.admin(i, "/v1/cluster")["cluster_id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}\n{}", cluster.logs());
    wait_until("all nodes as members of it", FOUNDED_TIMEOUT, || {
        nodes.clone().all(|i| {
            let seen = http::get_json(cluster.site(i).admin_address(), "/v1/cluster");
            let count =
                |seen: &serde_json::Value, role: &str| seen[role].as_array().map_or(0, Vec::len);
            seen.is_some_and(|seen| {
                count(&seen, "voters") + count(&seen, "learners") == nodes.len()
            })
        })
    });
    for i in nodes.clone() {
        let client = RawClient::connect(cluster.client_address(i)).unwrap();
        client.map("formed").put("key", u64::try_from(i).unwrap()).unwrap();
        let other = RawClient::connect(cluster.client_address(nodes.len() - 1 - i)).unwrap();
        assert_eq!(other.map("formed").get("key"), Ok(Some(u64::try_from(i).unwrap())));
    }
}
