//! Where a node listens and what others are told are two things, and a name is no address.

use crate::support::cluster::{Cluster, Plan};
use crate::support::driver::Driver;
use crate::support::kind::Kind;
use crate::support::raw::RawClient;
use crate::support::wait_until;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const JAVA: Kind = Kind::Java("5.1");
const TIMEOUT: Duration = Duration::from_secs(30);

/// One field of all nodes, as a node tells it once all are known to it.
fn of_all(cluster: &Cluster, asked: usize, field: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    wait_until(&format!("{field} of every node"), TIMEOUT, || {
        let nodes = cluster.admin(asked, "/v1/nodes");
        let texts = nodes["items"].as_array().unwrap().iter();
        all = texts.filter_map(|node| node[field].as_str().map(str::to_owned)).collect();
        all.len() == cluster.size()
    });
    all
}

fn raft_addresses(cluster: &Cluster) -> BTreeSet<String> {
    (0..cluster.size()).map(|i| cluster.site(i).raft_address().to_string()).collect()
}

/// A client that is told of one node connects to all of them, and its calls work.
fn expect_whole_view(cluster: &Cluster, driver: &Driver, told_of: usize) {
    driver.start_client("default", cluster.options_for(&[told_of]));
    let size = cluster.size();
    wait_until("a connection to every node", TIMEOUT, || {
        let connected = |i| cluster.admin(i, "/v1/clients")["items"].as_array().unwrap().len();
        (0..size).all(|i| connected(i) == 1)
    });
    let members = driver.ok(json!({"op": "members"}));
    assert_eq!(members.as_array().map(Vec::len), Some(size), "{members}");
    let put = json!({"op": "map.put", "name": "addresses", "key": "k", "value": "v"});
    assert_eq!(driver.ok(put), Value::Null);
    assert_eq!(driver.ok(json!({"op": "map.get", "name": "addresses", "key": "k"})), "v");
}

#[test]
fn nodes_on_ipv6_meet_by_a_list_fail_over_and_come_back() {
    let mut cluster = Plan::of(3).on_ipv6().start();
    assert_eq!(of_all(&cluster, 0, "raft_address"), raft_addresses(&cluster));
    let clients: BTreeSet<String> =
        cluster.client_addresses().iter().map(ToString::to_string).collect();
    assert!(clients.iter().all(|address| address.starts_with("[::1]:")), "{clients:?}");
    assert_eq!(of_all(&cluster, 1, "client_address"), clients);
    let driver = Driver::spawn(JAVA);
    expect_whole_view(&cluster, &driver, 2);

    let leader = cluster.leader();
    cluster.kill(leader);
    // A write that was on its way to the dead node is not repeated by the client itself.
    let set = json!({"op": "map.set", "name": "addresses", "key": "k", "value": "later"});
    wait_until("a write after the death", TIMEOUT, || driver.call(set.clone()).is_ok());
    cluster.restart(leader);
    cluster.wait_ready().unwrap();
    let client = RawClient::connect(cluster.client_address(leader)).unwrap();
    assert_eq!(client.map("addresses").size(), Ok(1));
}

#[test]
fn clients_behind_a_translated_address_see_members_they_can_reach() {
    let cluster = Plan::of(3).behind_translation().start();
    // The seeds are what clients use: another network and another port than Raft's.
    assert_eq!(of_all(&cluster, 0, "raft_address"), raft_addresses(&cluster));
    let beside = cluster.size();
    cluster.network().cut_from_peers(beside);
    let driver = Driver::spawn_in(JAVA, &cluster.network().namespace(beside));
    expect_whole_view(&cluster, &driver, 1);
}

#[test]
fn a_node_whose_name_gets_another_address_is_found_again() {
    let mut cluster = Plan::of(3).with_names().start();
    let moved = cluster.follower();
    let named: BTreeSet<String> =
        (0..3).map(|i| format!("node-{i}.statekeeper.test:5751")).collect();
    assert_eq!(of_all(&cluster, moved, "raft_address"), named);

    cluster.move_named(moved);
    let begin = Instant::now();
    // No majority without the moved node: the others must have reached it under its new address.
    let leader = cluster.leader();
    let other = 3 - leader - moved;
    cluster.kill(other);
    let client = RawClient::connect(cluster.client_address(leader)).unwrap();
    wait_until("a write with the moved node", TIMEOUT, || client.map("moved").set("k", 1).is_ok());
    eprintln!("reached {:.3} s after the move", begin.elapsed().as_secs_f64());
    let there = RawClient::connect(cluster.client_address(moved)).unwrap();
    wait_until("a read through the moved node", TIMEOUT, || {
        there.map("moved").get("k") == Ok(Some(1))
    });

    // Who starts anew asks the names of the list, and the moved node may have to answer it.
    cluster.kill(leader);
    cluster.restart(other);
    wait_until("a write with the node that is back", TIMEOUT, || {
        there.map("moved").set("k", 2).is_ok()
    });
    cluster.restart(leader);
    cluster.wait_ready().unwrap();
}
