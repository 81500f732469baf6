//! Entry listeners: one copy of each event for a client that listens on every node.

use crate::support::cluster::{Cluster, Plan};
use crate::support::load::{CHAIN, Load};
use crate::support::raw::{RawClient, number_of, text_of};
use crate::support::{holds_for, wait_until};
use statekeeper_protocol::CorrelationId;
use statekeeper_protocol::messages::map::add_entry_listener::EntryEvent;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

const EVENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a second copy is looked for.
const SILENCE: Duration = Duration::from_millis(500);
const WRITES_PER_PHASE: u64 = 300;
const ADDED: i32 = 1;
const REMOVED: i32 = 2;
const UPDATED: i32 = 4;

/// A smart client's listener: one registration on each node, made again when a node comes back.
struct SmartListener {
    map: &'static str,
    uuid: u128,
    /// Ended connections too: what they brought was delivered.
    registrations: Vec<(RawClient, CorrelationId)>,
}

impl SmartListener {
    fn on(map: &'static str, addresses: &[SocketAddr]) -> SmartListener {
        let uuid = uuid::Uuid::new_v4().as_u128();
        let mut listener = SmartListener { map, uuid, registrations: Vec::new() };
        addresses.iter().for_each(|address| listener.register(*address));
        listener
    }

    fn register(&mut self, address: SocketAddr) {
        let client = RawClient::connect_as(address, self.uuid).unwrap();
        let id = client.map(self.map).listen(true).unwrap();
        self.registrations.push((client, id));
    }

    fn events(&self) -> Vec<EntryEvent> {
        self.registrations.iter().flat_map(|(client, id)| client.events(*id)).collect()
    }
}

#[test]
fn a_client_that_listens_on_every_node_hears_each_event_once() {
    let cluster = Plan::of(3).start();
    let smart = SmartListener::on("heard", &cluster.client_addresses());
    let single = RawClient::connect(cluster.client_address(cluster.follower())).unwrap();
    let single_id = single.map("heard").listen(false).unwrap();
    let writers: Vec<RawClient> =
        cluster.client_addresses().into_iter().map(|a| RawClient::connect(a).unwrap()).collect();
    for (i, writer) in writers.iter().enumerate() {
        let key = format!("key-{i}");
        let map = writer.map("heard");
        map.put(&key, 1).unwrap();
        map.put(&key, 2).unwrap();
        map.remove(&key).unwrap();
    }
    let all = |events: Vec<EntryEvent>| events.len() >= 9;
    wait_until("all events for the smart client", EVENT_TIMEOUT, || all(smart.events()));
    wait_until("all events for the other", EVENT_TIMEOUT, || all(single.events(single_id)));
    holds_for("no second copy", SILENCE, || smart.events().len() == 9);
    for events in [smart.events(), single.events(single_id)] {
        for i in 0..3 {
            expect_the_three_events(&events, &format!("key-{i}"));
        }
    }
    let members: Vec<_> = writers.iter().map(RawClient::member).collect();
    assert!(smart.events().iter().all(|event| members.contains(&event.uuid)), "a member's uuid");
}

fn expect_the_three_events(events: &[EntryEvent], key: &str) {
    let of_key = |event: &&EntryEvent| event.key.as_ref().is_some_and(|k| text_of(k) == key);
    let seen: Vec<_> = events
        .iter()
        .filter(of_key)
        .map(|e| {
            let number = |value: &Option<_>| value.as_ref().map(number_of);
            (e.event_type, number(&e.value), number(&e.old_value))
        })
        .collect();
    let expected = [(ADDED, Some(1), None), (UPDATED, Some(2), Some(1)), (REMOVED, None, Some(2))];
    assert_eq!(seen, expected, "{key}");
}

#[test]
fn a_rolling_restart_under_load_loses_no_write_and_tells_no_event_twice() {
    let mut cluster = Plan::of(3).start();
    let mut listener = SmartListener::on(CHAIN, &cluster.client_addresses());
    let load = Load::start(&cluster.client_addresses());
    for _ in 0..2 {
        for i in 0..3 {
            load.advance(WRITES_PER_PHASE, "before the stop");
            restart_in_order(&mut cluster, i);
            listener.register(cluster.client_address(i));
        }
    }
    load.advance(WRITES_PER_PHASE, "after the restarts");
    let report = load.stop();
    let acked = report.chain_acked();
    let copies = || count(&listener);
    wait_until("the events of all acknowledged writes", EVENT_TIMEOUT, || {
        let copies = copies();
        acked.iter().all(|write| copies.contains_key(write))
    });
    let twice: Vec<_> = copies().into_iter().filter(|(_, copies)| *copies > 1).collect();
    assert!(twice.is_empty(), "told more than once: {twice:?}");
    report.expect_nothing_lost(cluster.client_address(0));
}

fn restart_in_order(cluster: &mut Cluster, i: usize) {
    cluster.stop(i);
    cluster.restart(i);
    cluster.wait_ready().unwrap();
}

/// How often each value of each key was told.
fn count(listener: &SmartListener) -> BTreeMap<(String, u64), usize> {
    let mut copies = BTreeMap::new();
    for event in listener.events() {
        if let (Some(key), Some(value)) = (&event.key, &event.value) {
            *copies.entry((text_of(key), number_of(value))).or_default() += 1;
        }
    }
    copies
}
