//! Every call of openLooKeng's state store, at its pace, by three coordinators at once.

use crate::support::cluster::{CLUSTER_NAME, Cluster, Plan};
use crate::support::driver::Driver;
use crate::support::kind::Kind;
use crate::support::{wait_for, wait_until};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const OPENLOOKENG: Kind = Kind::Java("5.1");
const COORDINATORS: usize = 3;
const UNDISTURBED: Duration = Duration::from_secs(8);
/// Ten rounds of three states a second are what is asked for; two shared cores are slow hosts.
const UPDATES_PER_SECOND_MIN: u64 = 6;
/// An election, and what the client waits before it tries again.
const LONGEST_GAP_MS_MAX: u64 = 6_000;
const CONNECTED_TIMEOUT: Duration = Duration::from_secs(40);
/// `cp.session-time-to-live`, openLooKeng's default.
const SESSION: Duration = Duration::from_secs(30);
/// The client says that it lives every five seconds; the last time may be that long ago.
const SESSION_HEARTBEAT: Duration = Duration::from_secs(5);
/// How often a leader looks, a slow machine, and one try of the waiter.
const SESSION_LATE_MAX: Duration = Duration::from_secs(10);

/// Three drivers, each the state store's side of one coordinator.
struct Coordinators(Vec<Driver>);

impl Coordinators {
    fn start(cluster: &Cluster) -> Coordinators {
        let drivers: Vec<Driver> = (0..COORDINATORS).map(|_| connect(cluster)).collect();
        for (i, driver) in drivers.iter().enumerate() {
            // One of them with `state-store.encryption-type=base64encoding`.
            let (name, base64) = (format!("coordinator-{i}"), i == 2);
            driver.ok(json!({"op": "openlookeng.live", "name": name, "base64": base64}));
        }
        Coordinators(drivers)
    }

    /// What each saw, after the checks that hold whatever happened.
    fn leave(&self) -> Vec<Value> {
        let told: Vec<Value> =
            self.0.iter().map(|driver| driver.ok(json!({"op": "openlookeng.leave"}))).collect();
        for (driver, told) in self.0.iter().zip(&told) {
            eprintln!("{told}");
            assert_eq!(told["stale"], 0, "an acknowledged state was not read: {told}");
            let errors = told["errors"].to_string();
            assert!(!errors.contains("event: "), "an event too many: {told}");
            assert!(!errors.contains("came back as"), "a value was changed: {told}");
            for counter in ["locked", "finished", "events", "fetches"] {
                assert!(told[counter].as_u64().unwrap() > 0, "{counter}: {told}");
            }
            let events = driver.events_of("default");
            let gone = events.iter().any(|event| event["type"] == "SHUTDOWN");
            assert!(!gone, "openLooKeng never recovers from this: {events:?}");
        }
        told
    }
}

fn connect(cluster: &Cluster) -> Driver {
    let driver = Driver::spawn(OPENLOOKENG);
    let seed_file = cluster.seed_directory().join("seeds.txt");
    driver.ok(json!({
        "op": "openlookeng.start", "cluster": CLUSTER_NAME, "seed_file": seed_file,
    }));
    driver
}

fn start(nodes: usize) -> Cluster {
    Plan::of(nodes).with_seed_directory().start()
}

#[test]
fn three_coordinators_work_on_one_node() {
    undisturbed(1);
}

#[test]
fn three_coordinators_work_on_three_nodes() {
    undisturbed(3);
}

#[test]
fn three_coordinators_work_on_five_nodes() {
    undisturbed(5);
}

fn undisturbed(nodes: usize) {
    let cluster = start(nodes);
    let coordinators = Coordinators::start(&cluster);
    std::thread::sleep(UNDISTURBED);
    for told in coordinators.leave() {
        assert_eq!(told["failures"], 0, "{told}");
        let least = UPDATES_PER_SECOND_MIN * UNDISTURBED.as_secs();
        assert!(told["updates"].as_u64().unwrap() >= least, "{told}");
    }
}

#[test]
fn three_coordinators_live_through_restarts_of_three_nodes() {
    restarts(3);
}

#[test]
fn three_coordinators_live_through_restarts_of_five_nodes() {
    restarts(5);
}

fn restarts(nodes: usize) {
    let mut cluster = start(nodes);
    let coordinators = Coordinators::start(&cluster);
    wait_until_connected(&cluster, nodes);
    for i in 0..nodes {
        if i % 2 == 0 {
            cluster.kill(i);
        } else {
            cluster.stop(i);
        }
        cluster.restart(i);
        cluster.wait_ready().unwrap();
        wait_until_connected(&cluster, nodes);
    }
    for told in coordinators.leave() {
        let gap = told["longest_gap_ms"].as_u64().unwrap();
        assert!(gap <= LONGEST_GAP_MS_MAX, "{told}");
    }
}

/// Every coordinator has a connection to every node, as each node says.
fn wait_until_connected(cluster: &Cluster, nodes: usize) {
    wait_until("a connection of each to every node", CONNECTED_TIMEOUT, || {
        (0..nodes).all(|i| {
            let clients = cluster.admin(i, "/v1/clients").to_string();
            clients.matches("hz.client_1").count() >= COORDINATORS
        })
    });
}

#[test]
fn the_group_lock_of_a_killed_coordinator_is_free_after_its_session_and_not_before() {
    let cluster = start(3);
    let (mut holder, waiter) = (connect(&cluster), connect(&cluster));
    holder.ok(json!({"op": "lock.try_lock", "name": "global"}));
    holder.kill();
    let killed = Instant::now();
    // As a resource group tries: without a time, then with a second.
    let freed = wait_for("the lock", SESSION + SESSION_LATE_MAX, || {
        let tried = json!({"op": "lock.try_lock", "name": "global", "timeout_ms": 1000});
        (waiter.ok(tried) != 0).then(|| killed.elapsed())
    });
    eprintln!("free {freed:?} after the kill");
    assert!(freed >= SESSION.checked_sub(SESSION_HEARTBEAT).unwrap(), "too early: {freed:?}");
}
