//! Nodes die under load: nothing acknowledged is lost, and clients go on.

use crate::join;
use crate::lock_checks::{LockOf, SHORT_SESSIONS};
use crate::map_checks::MapOf;
use crate::support::cluster::Cluster;
use crate::support::driver::Driver;
use crate::support::kind::Kind;
use crate::support::wait_until;
use serde_json::{Value, json};
use std::time::Duration;

const OPENLOOKENG: Kind = Kind::Java("5.1");
/// The promise: writes succeed again within this time of the leader's death.
const GAP_MAX_MS: u64 = 3000;
/// What one phase of a load must achieve before the next begins.
const WRITES_PER_PHASE: u64 = 500;
const PHASE_TIMEOUT: Duration = Duration::from_secs(60);
/// What the client raises for calls in flight on a dying connection, and the protocol's code 80.
const EXPECTED_ERRORS: [&str; 2] = [
    "write:com.hazelcast.spi.exception.TargetDisconnectedException",
    "write:com.hazelcast.core.IndeterminateOperationStateException",
];

// checks: R-8
#[test]
fn writes_go_on_within_three_seconds_of_the_leaders_death() {
    let mut cluster = Cluster::start(3);
    let driver = Driver::start(OPENLOOKENG, cluster.options());
    let load = Load::start(&driver, "load");
    load.advance("before the kill");
    let leader = cluster.leader();
    cluster.kill(leader);
    load.advance("after the kill");
    let report = load.stop();
    report.expect_only(&EXPECTED_ERRORS);
    report.expect_nothing_lost(&driver);
    report.expect_gap(GAP_MAX_MS);
}

#[test]
fn a_followers_death_loses_nothing_and_is_told() {
    let mut cluster = Cluster::start(3);
    let driver = Driver::start(OPENLOOKENG, cluster.options());
    let load = Load::start(&driver, "load");
    load.advance("before the kill");
    let follower = cluster.follower();
    let port = cluster.client_port(follower);
    cluster.kill(follower);
    load.advance("after the kill");
    let told = |kind: &str| {
        driver.wait_for(PHASE_TIMEOUT, |event| {
            event["event"] == "member" && event["type"] == kind && event["port"] == port
        });
    };
    told("REMOVED");
    let before = driver.events_of("default").len();
    cluster.restart(follower);
    cluster.wait_ready().unwrap();
    wait_until("the node in the member list again", PHASE_TIMEOUT, || {
        driver.events_of("default")[before..]
            .iter()
            .any(|event| event["type"] == "ADDED" && event["port"] == port)
    });
    load.advance("after the restart");
    let report = load.stop();
    report.expect_only(&EXPECTED_ERRORS);
    report.expect_nothing_lost(&driver);
    report.expect_gap(GAP_MAX_MS);
}

// checks: R-7
#[test]
fn every_acknowledged_write_survives_the_death_of_all_nodes() {
    let mut cluster = Cluster::start(3);
    let driver = Driver::start(OPENLOOKENG, cluster.options());
    let load = Load::start(&driver, "load");
    load.advance("before the kills");
    (0..3).for_each(|i| cluster.kill(i));
    (0..3).for_each(|i| cluster.restart(i));
    cluster.wait_ready().unwrap();
    load.advance("after the restarts, through the client's own reconnection");
    let report = load.stop();
    report.expect_nothing_lost(&driver);
    let fresh = Driver::start(OPENLOOKENG, cluster.options());
    report.expect_nothing_lost(&fresh);
}

#[test]
fn nothing_is_lost_when_no_client_is_there_to_write_again() {
    let mut cluster = Cluster::start(3);
    let driver = Driver::start(OPENLOOKENG, cluster.options());
    let load = Load::start(&driver, "load");
    load.advance("before the kills");
    (0..3).for_each(|i| cluster.kill(i));
    let report = load.stop();
    drop(driver);
    (0..3).for_each(|i| cluster.restart(i));
    cluster.wait_ready().unwrap();
    let fresh = Driver::start(OPENLOOKENG, cluster.options());
    report.expect_nothing_lost(&fresh);
}

#[test]
fn every_client_follows_a_new_leader() {
    let mut cluster = Cluster::start_with(3, &SHORT_SESSIONS);
    let drivers = join::ALL.map(|kind| Driver::start(kind, cluster.options()));
    for driver in &drivers {
        let name = driver.kind.to_string();
        MapOf::new(driver, "followed").put(&name, "before");
        MapOf::new(driver, "followed").ok("add_listener", json!({"listener": name}));
        if driver.kind.has_fenced_locks() {
            LockOf::new(driver, &name).by("default", "holder").lock();
        }
    }
    let waiting: Vec<_> = drivers
        .iter()
        .filter(|driver| driver.kind.has_fenced_locks())
        .map(|driver| {
            let name = driver.kind.to_string();
            let begun = LockOf::new(driver, &name).by("default", "waiter").begin_lock();
            begun.keeps_waiting(Duration::from_millis(100));
            (driver, name, begun)
        })
        .collect();
    let leader = cluster.leader();
    cluster.kill(leader);
    for driver in &drivers {
        let name = driver.kind.to_string();
        let map = MapOf::new(driver, "followed");
        // The first write may be in flight on the dying connection; its error is the client's own.
        wait_until("a write after the kill", PHASE_TIMEOUT, || {
            map.call("put", json!({"key": name, "value": "after"})).is_ok()
        });
        assert_eq!(map.get(&name), "after");
        driver.wait_for(PHASE_TIMEOUT, |event| {
            event["listener"] == name && event["key"] == name && event["value"] == "after"
        });
    }
    for (driver, name, begun) in waiting {
        begun.keeps_waiting(Duration::from_millis(100));
        LockOf::new(driver, &name).by("default", "holder").unlock();
        begun.wait(PHASE_TIMEOUT).unwrap_or_else(|e| panic!("{name}'s waiter: {}", e.text()));
        LockOf::new(driver, &name).by("default", "waiter").unlock();
    }
}

#[test]
fn a_stopped_node_hands_over_and_exits_cleanly() {
    let mut cluster = Cluster::start(3);
    let driver = Driver::start(OPENLOOKENG, cluster.options());
    let load = Load::start(&driver, "load");
    load.advance("before the stop");
    let leader = cluster.leader();
    cluster.stop(leader);
    load.advance("after the stop");
    let report = load.stop();
    report.expect_only(&EXPECTED_ERRORS);
    report.expect_nothing_lost(&driver);
    report.expect_gap(GAP_MAX_MS);
}

/// A load that runs in a driver.
struct Load<'a> {
    driver: &'a Driver,
    map: &'static str,
}

/// What a load saw.
struct Report {
    map: &'static str,
    result: Value,
}

impl<'a> Load<'a> {
    fn start(driver: &'a Driver, map: &'static str) -> Load<'a> {
        driver.ok(json!({"op": "load.start", "name": map, "threads": 4, "keys": 16}));
        Load { driver, map }
    }

    /// Waits until some more writes were acknowledged.
    fn advance(&self, phase: &str) {
        let acked = || self.driver.ok(json!({"op": "load.acked"})).as_u64().unwrap();
        let goal = acked() + WRITES_PER_PHASE;
        wait_until(&format!("load {phase}"), PHASE_TIMEOUT, || acked() >= goal);
    }

    fn stop(self) -> Report {
        let result = self.driver.call_async(json!({"op": "load.stop"}));
        Report { map: self.map, result: result.wait(PHASE_TIMEOUT).unwrap() }
    }
}

impl Report {
    fn expect_only(&self, expected: &[&str]) {
        let errors = self.result["errors"].as_object().unwrap();
        let unexpected: Vec<_> = errors.keys().filter(|e| !expected.contains(&&***e)).collect();
        assert!(unexpected.is_empty(), "{errors:?}: {}", self.result["error_samples"]);
        assert_eq!(self.result["stuck_threads"], 0);
    }

    fn expect_gap(&self, max_ms: u64) {
        let gap = self.result["max_gap_ms"].as_u64().unwrap();
        eprintln!(
            "{} writes, longest gap {gap} ms, p50 {} us, p99 {} us, errors {}",
            self.result["acked"],
            self.result["p50_us"],
            self.result["p99_us"],
            self.result["errors"]
        );
        assert!(gap <= max_ms, "no write was acknowledged for {gap} ms");
    }

    /// Each key holds its last acknowledged value or one that was tried after it.
    fn expect_nothing_lost(&self, driver: &Driver) {
        assert_eq!(self.result["stale_reads"], json!([]), "reads during the load");
        let map = MapOf::new(driver, self.map);
        for (key, bounds) in self.result["keys"].as_object().unwrap() {
            let value = map.get(key).as_u64().unwrap_or(0);
            let [acked, tried] = ["acked", "tried"].map(|b| bounds[b].as_u64().unwrap());
            assert!(
                (acked..=tried).contains(&value),
                "{key} is {value}: acknowledged {acked}, tried {tried}"
            );
        }
    }
}
