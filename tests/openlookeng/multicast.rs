//! Multicast: nodes find each other and openLooKeng's clients find the nodes, by datagrams alone.

use crate::support::cluster::{CLUSTER_NAME, Plan};
use crate::support::driver::Driver;
use crate::support::kind::Kind;
use crate::support::raw::RawClient;
use crate::support::wait_until;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const OPENLOOKENG: Kind = Kind::Java("5.1");
const VIEW_TIMEOUT: Duration = Duration::from_secs(20);

#[test]
fn nodes_form_a_cluster_and_a_client_connects_by_datagrams_alone() {
    let mut cluster = Plan::of(3).with_multicast().start();
    let ids: BTreeSet<u128> = cluster
        .client_addresses()
        .into_iter()
        .map(|address| RawClient::connect(address).unwrap().cluster_id().as_u128())
        .collect();
    assert_eq!(ids.len(), 1, "{ids:x?}");

    let driver = Driver::spawn_in(OPENLOOKENG, &cluster.network().namespace(3));
    driver.ok(json!({"op": "openlookeng.start", "cluster": CLUSTER_NAME}));
    let put = json!({"op": "map.put", "name": "query", "key": "q1", "value": "{}"});
    assert_eq!(driver.ok(put), Value::Null);
    wait_until("all nodes in the client's view", VIEW_TIMEOUT, || {
        driver.ok(json!({"op": "members"})).as_array().is_some_and(|all| all.len() == 3)
    });

    // An empty node that hears of the cluster joins it instead of founding another.
    let leader = cluster.leader();
    cluster.kill(leader);
    cluster.restart(leader);
    cluster.wait_ready().unwrap();
    assert_eq!(driver.ok(json!({"op": "map.get", "name": "query", "key": "q1"})), "{}");
}
