//! Everything over IPv6: the seed file, openLooKeng's client, a coordinator and its record.

use crate::coordinator::Place;
use crate::published::{self, Neighbour};
use crate::support::cluster::{CLUSTER_NAME, Plan};
use crate::support::driver::Driver;
use crate::support::kind::Kind;
use crate::support::{http, wait_until};
use serde_json::{Value, json};
use std::net::Ipv6Addr;
use std::time::Duration;

const OPENLOOKENG: Kind = Kind::Java("5.1");
const TIMEOUT: Duration = Duration::from_secs(30);

#[test]
fn a_client_finds_nodes_on_ipv6_in_the_seed_file_and_there_the_coordinator() {
    let coordinator = Place::at(Ipv6Addr::LOCALHOST.into(), 0).start();
    let mut cluster = Plan::of(3).on_ipv6().with_seed_directory().prepare();
    let worker = Neighbour::WorkerOf(coordinator.address());
    for (i, neighbour) in
        [Neighbour::Coordinator(coordinator.address()), worker, worker].into_iter().enumerate()
    {
        published::write(&cluster, i, neighbour, "");
        cluster.spawn(i);
    }
    cluster.wait_ready().unwrap();

    let driver = Driver::spawn(OPENLOOKENG);
    let seed_file = cluster.seed_directory().join("seeds.txt");
    let seeds = driver.ok(json!({"op": "openlookeng.seeds", "seed_file": seed_file}));
    let mut read: Vec<&str> =
        seeds.as_array().unwrap().iter().map(|seed| seed["location"].as_str().unwrap()).collect();
    read.sort_unstable();
    let mut written: Vec<String> =
        cluster.client_addresses().iter().map(ToString::to_string).collect();
    written.sort_unstable();
    assert_eq!(read, written, "as Java reads the file");
    assert!(read.iter().all(|location| location.starts_with("[::1]:")), "{read:?}");

    driver.ok(json!({"op": "openlookeng.start", "cluster": CLUSTER_NAME, "seed_file": seed_file}));
    wait_until("a connection to every node", TIMEOUT, || {
        (0..3).all(|i| cluster.admin(i, "/v1/clients").to_string().contains("hz.client_1"))
    });
    // Readers put the host before a colon and the port.
    let record = json!({"[::1]": coordinator.address().port().to_string()});
    wait_until("the record", TIMEOUT, || {
        let entries = driver.ok(json!({"op": "map.entry_set", "name": "discovery-service"}));
        assert!(entries == record || entries == json!({}), "{entries}");
        entries == record
    });
    let put = json!({"op": "map.put", "name": "query", "key": "q1", "value": "{}"});
    assert_eq!(driver.ok(put), Value::Null);
    let admin = cluster.site(0).admin_address();
    assert!(http::get(admin, "/v1/seeds").is_some_and(|(status, _)| status == 200));
}
