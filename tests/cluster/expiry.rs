//! Records end by cluster time: never early, and soon after, whoever leads.

use crate::support::cluster::Plan;
use crate::support::raw::{CallError, RawClient, number, number_of};
use crate::support::wait_until;
use statekeeper_protocol::Data;
use statekeeper_protocol::messages::map::add_entry_listener::EntryEvent;
use std::time::{Duration, Instant};

const TIME_TO_LIVE: Duration = Duration::from_secs(4);
/// An election, the leaderless time by which cluster time may lag, and the proposal of the end.
const LATE_MAX: Duration = Duration::from_secs(4);
const EXPIRED: i32 = 16;

#[test]
fn a_record_outlives_a_leader_change_by_no_more_and_no_less_than_its_time() {
    let mut cluster = Plan::of(3).start();
    let leader = cluster.leader();
    let follower = (leader + 1) % 3;
    let client = RawClient::connect(cluster.client_address(follower)).unwrap();
    let map = client.map("timed");
    let listener = map.listen(false).unwrap();
    let begin = Instant::now();
    let ttl = i64::try_from(TIME_TO_LIVE.as_millis()).unwrap();
    map.set_data("ends", number(1), ttl).unwrap();
    map.set("stays", 2).unwrap();
    cluster.kill(leader);
    let mut gone_after = None;
    while gone_after.is_none() {
        let asked = begin.elapsed();
        match map.get_data("ends") {
            Ok(Some(value)) => assert_eq!(number_of(&value), 1),
            Ok(None) => gone_after = Some(begin.elapsed()),
            // No leader yet: the call may be repeated.
            Err(error) => assert!(error.is_not_applied(), "{error:?}"),
        }
        assert!(asked < TIME_TO_LIVE + LATE_MAX, "the record is there after {asked:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let gone_after = gone_after.unwrap();
    assert!(gone_after >= TIME_TO_LIVE, "gone after {gone_after:?}");
    assert_eq!(map.get("stays"), Ok(Some(2)));
    let told = || {
        let events: Vec<EntryEvent> = client.events(listener);
        events.iter().filter(|event| event.event_type == EXPIRED).count()
    };
    wait_until("the event of the end", LATE_MAX, || told() == 1);
}

#[test]
fn the_built_in_settings_of_openlookengs_filter_map_are_there() {
    let cluster = Plan::of(1).start();
    let client = RawClient::connect(cluster.client_address(0)).unwrap();
    let map = client.map("merged-dynamic-filters");
    map.set("filter", 1).unwrap();
    let settings = cluster.admin(0, "/v1/maps/merged-dynamic-filters");
    let text = settings.to_string();
    for expected in ["3000000", "30000", "10000"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn a_value_above_its_limit_is_refused_by_name_and_the_connection_goes_on() {
    let cluster = Plan::of(1).with("limits.value-bytes-max", "1MB").start();
    let client = RawClient::connect(cluster.client_address(0)).unwrap();
    let map = client.map("limited");
    let refused = map.set_data("large", Data::from_parts(-12, &vec![7; 2 * 1024 * 1024]), -1);
    let Err(CallError::Refused { message, .. }) = &refused else {
        panic!("a value of 2 MB was not refused: {refused:?}");
    };
    assert!(message.contains("limits.value-bytes-max"), "{message}");
    map.set("small", 1).unwrap();
    assert_eq!(map.get("small"), Ok(Some(1)));
}
