//! openLooKeng never recovers from losing its last connection: restarts must not cost it that.

use crate::support::cluster::{CLUSTER_NAME, Cluster, Plan};
use crate::support::driver::Driver;
use crate::support::kind::Kind;
use crate::support::wait_until;
use serde_json::json;
use std::time::Duration;

const OPENLOOKENG: Kind = Kind::Java("5.1");
const CONNECTED_TIMEOUT: Duration = Duration::from_secs(30);

#[test]
fn a_client_that_never_reconnects_lives_through_restarts_of_every_node() {
    let mut cluster = Plan::of(3).with_seed_directory().start();
    let driver = Driver::spawn(OPENLOOKENG);
    let seed_file = cluster.seed_directory().join("seeds.txt");
    driver.ok(json!({
        "op": "openlookeng.start", "cluster": CLUSTER_NAME, "seed_file": seed_file,
    }));
    wait_until_connected(&cluster);
    let settled = lifecycle(&driver);
    for i in 0..3 {
        if i % 2 == 0 {
            cluster.kill(i);
        } else {
            cluster.stop(i);
        }
        cluster.restart(i);
        cluster.wait_ready().unwrap();
        wait_until_connected(&cluster);
        let key = format!("q{i}");
        driver.ok(json!({"op": "map.put", "name": "query", "key": key, "value": "{}"}));
    }
    assert_eq!(lifecycle(&driver), settled, "no event of the client's life");
    let size = driver.ok(json!({"op": "map.size", "name": "query"}));
    assert_eq!(size, 3);
}

/// The client has a connection to every node, as each node says.
fn wait_until_connected(cluster: &Cluster) {
    wait_until("a connection to every node", CONNECTED_TIMEOUT, || {
        (0..3).all(|i| {
            let clients = cluster.admin(i, "/v1/clients");
            clients.to_string().contains("hz.client_1")
        })
    });
}

fn lifecycle(driver: &Driver) -> Vec<String> {
    let events = driver.events_of("default");
    let types = events.iter().filter(|event| event["event"] == "lifecycle");
    types.map(|event| event["type"].to_string()).collect()
}
