//! What a node does when its disk has little room, and what it says of a slow one.

use crate::support::cluster::Plan;
use crate::support::raw::{CallError, RawClient};
use crate::support::wait_until;
use std::time::Duration;

const SEEN_TIMEOUT: Duration = Duration::from_secs(15);

#[test]
fn with_too_little_room_new_data_is_refused_by_the_keys_name_and_removals_are_taken() {
    // More than any disk has.
    let cluster = Plan::of(1).with("storage.disk-free-min", "1000000GB").start();
    let client = RawClient::connect(cluster.client_address(0)).unwrap();
    let map = client.map("m");
    wait_until("a line that tells of it", SEEN_TIMEOUT, || {
        cluster.log(0).contains("storage.disk-free-min: new data is refused")
    });
    let Err(CallError::Refused { message, .. }) = map.put("key", 1) else {
        panic!("a write was taken");
    };
    assert!(message.contains("storage.disk-free-min"), "{message}");
    assert_eq!(map.get("key"), Ok(None), "reads go on");
    map.remove("key").unwrap();
}

#[test]
fn slow_flushes_and_requests_are_logged() {
    let cluster = Plan::of(1).with("log.slow-flush", "1ms").with("log.slow-request", "1ms").start();
    let client = RawClient::connect(cluster.client_address(0)).unwrap();
    wait_until("lines that tell of it", SEEN_TIMEOUT, || {
        client.map("m").set("key", 1).unwrap();
        let log = cluster.log(0);
        log.contains("log.slow-flush") && log.contains("Map.set")
    });
}
