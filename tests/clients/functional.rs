//! Each client makes every call it has, on one cluster of three nodes for each client.

use crate::support::checks::Checks;
use crate::support::cluster::Cluster;
use crate::support::driver::Driver;
use crate::support::kind::Kind;
use crate::{lock_checks, map_checks, object_checks};
use serde_json::json;

#[test]
fn java_5_1_makes_every_call() {
    makes_every_call(Kind::Java("5.1"));
}

#[test]
fn java_4_2_makes_every_call() {
    makes_every_call(Kind::Java("4.2.8"));
}

#[test]
fn java_5_3_makes_every_call() {
    makes_every_call(Kind::Java("5.3.8"));
}

#[test]
fn java_5_7_makes_every_call() {
    makes_every_call(Kind::Java("5.7.0"));
}

#[test]
fn python_makes_every_call() {
    makes_every_call(Kind::Python);
}

#[test]
fn node_makes_every_call() {
    makes_every_call(Kind::Node);
}

fn makes_every_call(kind: Kind) {
    let cluster = Cluster::start_with(3, &lock_checks::SHORT_SESSIONS);
    let mut options = cluster.options_for(&[0]);
    options["near_cache"] = json!(["near"]);
    options["statistics"] = json!(true);
    let driver = Driver::start(kind, options);
    driver.start_client("second", cluster.options());
    let mut single = cluster.options_for(&[1]);
    single["smart"] = json!(false);
    driver.start_client("single", single);

    let mut checks = Checks::of(kind);
    checks.check("members", || object_checks::members(&driver, &cluster));
    maps(&mut checks, &driver);
    checks.check("sets", || object_checks::sets(&driver, "items"));
    checks.check("flake ids", || object_checks::flake_ids(&driver, &cluster, "ids"));
    checks.check("objects", || object_checks::distributed_objects(&driver, "objects"));
    if kind.has_near_cache() {
        checks.check("near cache", || object_checks::near_cache(&driver, "near"));
    }
    if kind.is_java() {
        checks.check("classes", || object_checks::java_classes(&driver, "classes"));
    }
    if kind.has_fenced_locks() {
        locks(&mut checks, &driver, &cluster);
    }
    // A real member can do what is refused here.
    if !cluster.is_hazelcast() {
        checks.check("refused calls", || object_checks::refused_calls(&driver, "refused"));
    }
    checks.finish();
}

fn maps(checks: &mut Checks, driver: &Driver) {
    checks.check("single records", || map_checks::single_records(driver, "records"));
    checks.check("whole map", || map_checks::whole_map(driver, "whole"));
    checks.check("entry view", || map_checks::entry_view(driver, "views"));
    checks.check("listeners", || map_checks::listeners(driver, "default", "heard"));
    checks.check("single connection", || map_checks::listeners(driver, "single", "single"));
    checks.check("large batch", || map_checks::large_batch(driver, "batch"));
    checks.check("large value", || map_checks::large_value(driver, "large"));
    checks.check("key locks", || map_checks::key_locks(driver, "locked"));
    checks.check("life times", || map_checks::life_times(driver, "timed"));
}

fn locks(checks: &mut Checks, driver: &Driver, cluster: &Cluster) {
    checks.check("fences", || lock_checks::fences_grow(driver, "fences"));
    checks.check("timed tries", || lock_checks::timed_tries(driver, "tries"));
    checks.check("order", || lock_checks::waiting_in_order(driver, "order"));
    if driver.kind.has_thread_locks() {
        checks.check("reentrancy", || lock_checks::reentrancy(driver, "reentrant"));
    }
    checks.check("crash", || lock_checks::crashed_holder(driver, cluster, "crash"));
    checks.check("destroyed", || lock_checks::destroyed_locks(driver, "destroyed"));
}
