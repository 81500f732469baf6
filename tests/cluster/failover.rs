//! Nodes die under load: writes go on, nothing acknowledged is lost, nothing is applied twice.

use crate::support::cluster::Plan;
use crate::support::load::Load;
use std::time::Duration;

/// The promise: writes succeed again within this time of the leader's death.
const GAP_MAX: Duration = Duration::from_secs(3);
/// What one phase of a load must achieve before the next begins.
const WRITES_PER_PHASE: u64 = 400;

#[test]
fn writes_go_on_within_three_seconds_of_each_leaders_death() {
    let mut cluster = Plan::of(3).start();
    let load = Load::start(&cluster.client_addresses());
    for round in 1..=3 {
        load.advance(WRITES_PER_PHASE, "before the kill");
        let leader = cluster.leader();
        load.restart_gap();
        cluster.kill(leader);
        load.advance(WRITES_PER_PHASE, "after the kill");
        let gap = load.longest_gap();
        assert!(gap < GAP_MAX, "round {round}: no write was acknowledged for {gap:?}");
        cluster.restart(leader);
        cluster.wait_ready().unwrap();
    }
    load.stop().expect_nothing_lost(cluster.client_address(0));
}

#[test]
fn every_acknowledged_write_survives_the_death_of_all_nodes() {
    let mut cluster = Plan::of(3).start();
    let load = Load::start(&cluster.client_addresses());
    for _ in 0..2 {
        load.advance(WRITES_PER_PHASE, "before the kills");
        cluster.kill_all();
        (0..3).for_each(|i| cluster.restart(i));
        cluster.wait_ready().unwrap();
    }
    load.advance(WRITES_PER_PHASE, "after the restarts");
    cluster.kill_all();
    let report = load.stop();
    (0..3).for_each(|i| cluster.restart(i));
    cluster.wait_ready().unwrap();
    report.expect_nothing_lost(cluster.client_address(1));
}

#[test]
fn a_single_node_keeps_what_it_acknowledged_through_its_death() {
    let mut cluster = Plan::of(1).start();
    let load = Load::start(&cluster.client_addresses());
    for _ in 0..3 {
        load.advance(WRITES_PER_PHASE, "before the kill");
        cluster.kill(0);
        cluster.restart(0);
        cluster.wait_ready().unwrap();
    }
    load.stop().expect_nothing_lost(cluster.client_address(0));
}
