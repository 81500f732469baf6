//! Membership by the admin API: nodes are added, promoted and removed, leadership is handed over.

use crate::support::cluster::{Cluster, Plan};
use crate::support::load::Load;
use crate::support::raw::RawClient;
use crate::support::wait_until;
use serde_json::{Value, json};
use std::time::Duration;

const CHANGE_TIMEOUT: Duration = Duration::from_secs(30);
const WRITES_PER_PHASE: u64 = 200;
/// A planned hand-over costs clients less than the death of a leader.
const HAND_OVER_GAP_MAX: Duration = Duration::from_secs(2);

#[test]
fn a_fourth_node_joins_is_promoted_and_takes_the_place_of_another() {
    let mut cluster = Plan::of(3).with_seed_directory().start();
    let load = Load::start(&cluster.client_addresses());
    load.advance(WRITES_PER_PHASE, "before the change");
    let joiner = cluster.add_site();
    cluster.spawn(joiner);
    cluster.wait_ready().unwrap();
    let id = text(&cluster.node_id(joiner));
    wait_until("the new node as a learner", CHANGE_TIMEOUT, || {
        ids(&cluster, 0, "learners").contains(&id)
    });
    assert!(!ids(&cluster, 0, "voters").contains(&id), "three voters are enough");

    expect_taken(&cluster, 0, "PATCH", &id, Some(&json!({"voter": true})));
    wait_until("the new node as a voter", CHANGE_TIMEOUT, || {
        ids(&cluster, 0, "voters").contains(&id)
    });

    let leader = cluster.leader();
    let removed = (0..3).find(|i| *i != leader).unwrap();
    let removed_id = text(&cluster.node_id(removed));
    expect_taken(&cluster, leader, "DELETE", &removed_id, None);
    wait_until("the removed node to be no voter", CHANGE_TIMEOUT, || {
        !ids(&cluster, leader, "voters").contains(&removed_id)
    });
    cluster.kill(removed);
    load.advance(WRITES_PER_PHASE, "after the change");
    // Three voters are left: one of them may die, the new one votes.
    let leader = cluster.leader();
    let dies = if leader == joiner { (0..3).find(|i| *i != removed).unwrap() } else { leader };
    cluster.kill(dies);
    load.advance(WRITES_PER_PHASE, "with the new node in the majority");
    load.stop().expect_nothing_lost(cluster.client_address(joiner));
}

#[test]
fn a_removal_that_leaves_no_quorum_is_refused_with_its_rule() {
    let mut cluster = Plan::of(3).start();
    let leader = cluster.leader();
    let [dead, alive] = [(leader + 1) % 3, (leader + 2) % 3];
    let alive_id = text(&cluster.node_id(alive));
    cluster.kill(dead);
    wait_until("a refusal", CHANGE_TIMEOUT, || {
        let path = format!("/v1/nodes/{alive_id}");
        let (status, answer) = cluster.ask_admin(leader, "DELETE", &path, None);
        assert!(status >= 400, "the removal was taken: {answer}");
        status == 409 && !answer["rule"].is_null()
    });
    let client = RawClient::connect(cluster.client_address(leader)).unwrap();
    client.map("still").set("key", 1).unwrap();
    assert_eq!(ids(&cluster, leader, "voters").len(), 3);
}

#[test]
fn leadership_is_handed_over_on_request_and_clients_hardly_notice() {
    let cluster = Plan::of(3).start();
    let load = Load::start(&cluster.client_addresses());
    load.advance(WRITES_PER_PHASE, "before the transfer");
    let old = cluster.leader();
    let new = (old + 1) % 3;
    load.restart_gap();
    let target = cluster.node_id(new);
    let (status, answer) =
        cluster.ask_admin(old, "POST", "/v1/leader:transfer", Some(&json!({"to": target})));
    assert!(status < 300, "{status}: {answer}");
    wait_until("the new leader", CHANGE_TIMEOUT, || cluster.leader() == new);
    load.advance(WRITES_PER_PHASE, "after the transfer");
    let gap = load.longest_gap();
    assert!(gap < HAND_OVER_GAP_MAX, "no write was acknowledged for {gap:?}");
    let report = load.stop();
    assert_eq!(report.unknown(), 0, "a planned hand-over leaves no call in doubt");
    report.expect_nothing_lost(cluster.client_address(new));
}

/// A change of one node, taken at last: the rules refuse it until its node answers heartbeats.
fn expect_taken(cluster: &Cluster, i: usize, method: &str, node: &str, body: Option<&Value>) {
    wait_until(&format!("{method} of a node"), CHANGE_TIMEOUT, || {
        let path = format!("/v1/nodes/{node}");
        let (status, answer) = cluster.ask_admin(i, method, &path, body);
        assert!(status < 300 || status == 409, "{status}: {answer}");
        status < 300
    });
}

/// Node ids in a list of the cluster's description, which holds ids or whole nodes.
fn ids(cluster: &Cluster, i: usize, list: &str) -> Vec<String> {
    let seen = cluster.admin(i, "/v1/cluster");
    let nodes = seen[list].as_array().unwrap_or_else(|| panic!("no {list} in {seen}"));
    let id = |node: &Value| text(node.get("node_id").unwrap_or(node));
    nodes.iter().map(id).collect()
}

fn text(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), ToString::to_string)
}
