//! Empty directories become exactly one cluster, whatever the order of their starts.

use crate::support::cluster::{Cluster, Plan};
use crate::support::http;
use crate::support::raw::RawClient;
use crate::support::wait_until;
use std::collections::BTreeSet;
use std::time::Duration;

const LIVE_TIMEOUT: Duration = Duration::from_secs(20);

#[test]
fn one_node_is_a_cluster() {
    expect_one_cluster(&Plan::of(1).start());
}

#[test]
fn three_nodes_that_know_each_other_form_one_cluster() {
    expect_one_cluster(&Plan::of(3).start());
}

#[test]
fn five_nodes_that_start_one_after_the_other_form_one_cluster() {
    expect_one_cluster(&start_in_order(&Plan::of(5), &[4, 0, 3, 1, 2]));
}

#[test]
fn three_nodes_that_meet_in_a_seed_directory_form_one_cluster() {
    expect_one_cluster(&Plan::of(3).with_seed_directory().start());
}

#[test]
fn nodes_that_come_late_to_the_seed_directory_form_one_cluster() {
    expect_one_cluster(&start_in_order(&Plan::of(3).with_seed_directory(), &[2, 0, 1]));
}

#[test]
fn a_node_killed_while_the_cluster_forms_is_part_of_it_when_it_comes_back() {
    let mut cluster = Plan::of(3).with_seed_directory().prepare();
    (0..3).for_each(|i| cluster.spawn(i));
    wait_live(&cluster, 1);
    cluster.kill(1);
    cluster.spawn(1);
    cluster.wait_ready().unwrap();
    expect_one_cluster(&cluster);
}

#[test]
fn a_cluster_comes_back_as_itself_and_only_under_its_own_id() {
    let mut cluster = Plan::of(3).start();
    let before = expect_one_cluster(&cluster);
    cluster.kill_all();
    [2, 1, 0].into_iter().for_each(|i| cluster.spawn(i));
    cluster.wait_ready().unwrap();
    assert_eq!(expect_one_cluster(&cluster), before);
}

fn start_in_order(plan: &Plan, order: &[usize]) -> Cluster {
    let mut cluster = plan.prepare();
    for i in order {
        cluster.spawn(*i);
        wait_live(&cluster, *i);
    }
    cluster.wait_ready().unwrap();
    cluster
}

fn wait_live(cluster: &Cluster, i: usize) {
    let address = cluster.site(i).admin_address();
    wait_until("a node that has started", LIVE_TIMEOUT, || {
        http::get(address, "/livez").is_some_and(|(status, _)| status == 200)
    });
}

/// All nodes name one cluster, one leader and the same voters, and hold the same state.
fn expect_one_cluster(cluster: &Cluster) -> u128 {
    let nodes: Vec<usize> = (0..cluster.size()).collect();
    let clients: Vec<RawClient> =
        nodes.iter().map(|i| RawClient::connect(cluster.client_address(*i)).unwrap()).collect();
    let ids: BTreeSet<u128> = clients.iter().map(|c| c.cluster_id().as_u128()).collect();
    assert_eq!(ids.len(), 1, "{ids:x?}");
    let members: BTreeSet<u128> = clients.iter().map(|c| c.member().as_u128()).collect();
    assert_eq!(members.len(), nodes.len(), "{members:x?}");
    wait_until("all nodes as voters", LIVE_TIMEOUT, || {
        nodes.iter().all(|i| {
            let seen = cluster.admin(*i, "/v1/cluster");
            seen["voters"].as_array().is_some_and(|voters| voters.len() == nodes.len())
        })
    });
    for (i, client) in clients.iter().enumerate() {
        let value = u64::try_from(i).unwrap();
        client.map("formed").put("key", value).unwrap();
        for other in &clients {
            assert_eq!(other.map("formed").get("key").unwrap(), Some(value));
        }
    }
    clients[0].cluster_id().as_u128()
}
