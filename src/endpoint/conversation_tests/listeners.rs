//! Who is told of what, once.

use std::sync::Arc;

use statekeeper_machine::{ClientUuid, EntryEventKind, Event, EventBatch, Name};
use statekeeper_protocol::messages::client::{
    add_distributed_object_listener, remove_distributed_object_listener,
};
use statekeeper_protocol::messages::map::{
    add_entry_listener, add_entry_listener_to_key, add_near_cache_invalidation_listener,
    remove_entry_listener,
};
use statekeeper_protocol::messages::set::{add_listener, remove_listener};
use statekeeper_protocol::{PartitionId, ProtocolUuid};

use super::talk::Talk;
use super::{CLIENT, blob, member, settings, text, view};
use crate::{CloseReason, Input, Output};

const ALL_FLAGS: i32 = 127;

fn on_all(flags: i32, include_value: bool, local_only: bool) -> add_entry_listener::Request {
    let name = "m".to_owned();
    add_entry_listener::Request { name, include_value, listener_flags: flags, local_only }
}

fn on_key(key: &str) -> add_entry_listener_to_key::Request {
    add_entry_listener_to_key::Request {
        name: "m".to_owned(),
        key: text(key),
        include_value: true,
        listener_flags: ALL_FLAGS,
        local_only: true,
    }
}

fn changed(map: &str, key: &str, kind: EntryEventKind) -> Event {
    let (value, old_value) = match kind {
        EntryEventKind::Added => (Some(blob("new")), None),
        EntryEventKind::Updated => (Some(blob("new")), Some(blob("old"))),
        _ => (None, Some(blob("old"))),
    };
    Event::MapEntry { map: Name::from(map), key: blob(key), value, old_value, kind }
}

fn cleared(count: u64) -> Event {
    Event::MapWide { map: Name::from("m"), kind: EntryEventKind::ClearAll, count }
}

fn own() -> ProtocolUuid {
    ProtocolUuid::from_u128(member(1).0)
}

#[test]
fn an_entry_event_carries_values_when_they_are_wanted() {
    let mut talk = Talk::new();
    let _: add_entry_listener::Response = talk.answer(&on_all(ALL_FLAGS, true, true));
    let with = talk.correlation();
    let _: add_entry_listener::Response = talk.answer(&on_all(ALL_FLAGS, false, true));
    let without = talk.correlation();
    assert!(talk.endpoint.wants_events());
    for (kind, value, old) in [
        (EntryEventKind::Added, Some("new"), None),
        (EntryEventKind::Updated, Some("new"), Some("old")),
        (EntryEventKind::Removed, None, Some("old")),
        (EntryEventKind::Evicted, None, Some("old")),
        (EntryEventKind::Expired, None, Some("old")),
    ] {
        let told = talk.events(true, vec![changed("m", "k", kind)]);
        assert_eq!([told[0].correlation_id(), told[1].correlation_id()], [with, without]);
        assert!(told.iter().all(|one| one.is_event() && one.partition_id() == PartitionId(0)));
        let event = add_entry_listener::EntryEvent::decode(&told[0]).unwrap();
        let expected = add_entry_listener::EntryEvent {
            key: Some(text("k")),
            value: value.map(text),
            old_value: old.map(text),
            merging_value: None,
            event_type: kind as i32,
            uuid: own(),
            number_of_affected_entries: 1,
        };
        assert_eq!(event, expected);
        let bare = add_entry_listener::EntryEvent::decode(&told[1]).unwrap();
        let expected = add_entry_listener::EntryEvent { value: None, old_value: None, ..expected };
        assert_eq!(bare, expected);
    }
}

#[test]
fn flags_name_and_key_say_what_a_listener_hears() {
    let mut talk = Talk::new();
    let added = EntryEventKind::Added as i32;
    let _: add_entry_listener::Response = talk.answer(&on_all(added, true, true));
    let of_added = talk.correlation();
    let _: add_entry_listener_to_key::Response = talk.answer(&on_key("k"));
    let of_key = talk.correlation();
    let mut heard = |event: Event| -> Vec<_> {
        talk.events(true, vec![event]).iter().map(|one| one.correlation_id()).collect()
    };
    assert_eq!(heard(changed("m", "k", EntryEventKind::Added)), [of_added, of_key]);
    assert_eq!(heard(changed("m", "other", EntryEventKind::Added)), [of_added]);
    assert_eq!(heard(changed("m", "k", EntryEventKind::Updated)), [of_key]);
    assert_eq!(heard(changed("m", "other", EntryEventKind::Removed)), []);
    assert_eq!(heard(changed("n", "k", EntryEventKind::Added)), []);
    assert_eq!(heard(cleared(3)), [of_key], "an event of the whole map, if its flag is set");
}

#[test]
fn a_key_listener_is_told_by_the_event_of_its_own_message() {
    let mut talk = Talk::new();
    let _: add_entry_listener_to_key::Response = talk.answer(&on_key("k"));
    let told = talk.events(true, vec![changed("m", "k", EntryEventKind::Updated)]);
    let event = add_entry_listener_to_key::EntryEvent::decode(&told[0]).unwrap();
    assert_eq!((event.value, event.old_value), (Some(text("new")), Some(text("old"))));
}

#[test]
fn a_clear_is_one_event_with_a_count_and_no_key() {
    let mut talk = Talk::new();
    let _: add_entry_listener::Response = talk.answer(&on_all(ALL_FLAGS, true, true));
    let told = talk.events(true, vec![cleared(12)]);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].partition_id(), PartitionId::NONE);
    let event = add_entry_listener::EntryEvent::decode(&told[0]).unwrap();
    assert_eq!((event.key, event.event_type), (None, 64));
    assert_eq!(event.number_of_affected_entries, 12);
}

// checks: R-27
#[test]
fn only_the_emitter_tells_listeners_that_stand_on_every_node() {
    let mut talk = Talk::new();
    let _: add_entry_listener::Response = talk.answer(&on_all(ALL_FLAGS, true, true));
    let added = || vec![changed("m", "k", EntryEventKind::Added)];
    assert_eq!(talk.events(false, added()).len(), 0);
    assert_eq!(talk.events(true, added()).len(), 1);
    let mut single = Talk::new();
    let _: add_entry_listener::Response = single.answer(&on_all(ALL_FLAGS, true, false));
    assert_eq!(single.events(false, added()).len(), 1);
    assert_eq!(single.events(true, added()).len(), 1);
}

#[test]
fn skipped_events_close_a_single_connection_and_no_other() {
    let gap = || {
        let batch = EventBatch { index: 9, emitter: false, gap: true, events: Vec::new() };
        Input::Events(Arc::new(batch))
    };
    let mut smart = Talk::new();
    let _: add_entry_listener::Response = smart.answer(&on_all(ALL_FLAGS, true, true));
    assert!(smart.input(gap()).is_empty());
    let mut single = Talk::new();
    let added: add_entry_listener::Response = single.answer(&on_all(ALL_FLAGS, true, false));
    let remove =
        remove_entry_listener::Request { name: "m".to_owned(), registration_id: added.response };
    let removed: remove_entry_listener::Response = single.answer(&remove);
    assert!(removed.response && single.input(gap()).is_empty(), "it hears nothing any more");
    let _: add_entry_listener::Response = single.answer(&on_all(ALL_FLAGS, true, false));
    let outputs = single.input(gap());
    assert!(matches!(outputs[..], [Output::Close(CloseReason::EventsSkipped)]), "{outputs:?}");
}

#[test]
fn the_member_of_an_event_is_one_the_client_knows() {
    let mut talk = Talk::new();
    let _: add_entry_listener::Response = talk.answer(&on_all(ALL_FLAGS, true, true));
    let mut teller = |nodes: &[u64]| {
        talk.input(Input::View(view(1, nodes)));
        let told = talk.events(true, vec![changed("m", "k", EntryEventKind::Added)]);
        add_entry_listener::EntryEvent::decode(&told[0]).unwrap().uuid
    };
    let uuid = |node| ProtocolUuid::from_u128(member(node).0);
    assert_eq!(teller(&[2, 1]), uuid(1), "this node, while it is listed");
    assert_eq!(teller(&[3, 2]), uuid(3), "the owner, while this node is not");
    assert_eq!(teller(&[]), uuid(1), "there is nobody else to name");
}

#[test]
fn a_removed_listener_hears_nothing_and_cannot_be_removed_again() {
    let mut talk = Talk::new();
    let first: add_entry_listener::Response = talk.answer(&on_all(ALL_FLAGS, true, true));
    let second: add_entry_listener_to_key::Response = talk.answer(&on_key("k"));
    assert_ne!(first.response, second.response);
    assert_eq!(talk.endpoint.summary().listeners, 2);
    let remove = |name: &str, registration_id| remove_entry_listener::Request {
        name: name.to_owned(),
        registration_id,
    };
    let mut removes = |name, id| {
        let response: remove_entry_listener::Response = talk.answer(&remove(name, id));
        response.response
    };
    assert!(!removes("other", first.response), "of another map");
    assert!(removes("m", first.response));
    assert!(!removes("m", first.response));
    assert!(removes("m", second.response));
    assert_eq!(talk.endpoint.summary().listeners, 0);
    assert!(!talk.endpoint.wants_events());
    assert!(talk.events(true, vec![changed("m", "k", EntryEventKind::Added)]).is_empty());
}

#[test]
fn near_caches_are_told_key_source_and_sequence() {
    let mut talk = Talk::new();
    let request = add_near_cache_invalidation_listener::Request {
        name: "m".to_owned(),
        listener_flags: 256,
        local_only: true,
    };
    let added: add_near_cache_invalidation_listener::Response = talk.answer(&request);
    let event = |key: Option<&str>, sequence| Event::NearCache {
        map: Name::from("m"),
        key: key.map(blob),
        source: CLIENT,
        sequence,
    };
    let told = talk.events(true, vec![event(Some("k"), 4), event(None, 5)]);
    let read = |index: usize| {
        add_near_cache_invalidation_listener::IMapInvalidationEvent::decode(&told[index]).unwrap()
    };
    let expected = add_near_cache_invalidation_listener::IMapInvalidationEvent {
        key: Some(text("k")),
        source_uuid: ProtocolUuid::from_u128(CLIENT.0),
        partition_uuid: ProtocolUuid::from_u128(0xc1),
        sequence: 4,
    };
    assert_eq!(read(0), expected);
    assert_eq!((read(1).key, read(1).sequence), (None, 5));
    let partitions: Vec<_> = told.iter().map(|one| one.partition_id().0).collect();
    assert_eq!(partitions, [0, -1]);
    let remove =
        remove_entry_listener::Request { name: "m".to_owned(), registration_id: added.response };
    let removed: remove_entry_listener::Response = talk.answer(&remove);
    assert!(removed.response);
}

#[test]
fn items_of_sets_come_and_go() {
    let mut talk = Talk::new();
    let request = |include_value| add_listener::Request {
        name: "s".to_owned(),
        include_value,
        local_only: true,
    };
    let added: add_listener::Response = talk.answer(&request(true));
    let _: add_listener::Response = talk.answer(&request(false));
    let event = |added| Event::SetItem { set: Name::from("s"), item: blob("i"), added };
    let told = talk.events(true, vec![event(true), event(false)]);
    let read: Vec<_> =
        told.iter().map(|one| add_listener::ItemEvent::decode(one).unwrap()).collect();
    let seen: Vec<_> = read.iter().map(|one| (one.item.clone(), one.event_type)).collect();
    assert_eq!(seen, [(Some(text("i")), 1), (None, 1), (Some(text("i")), 2), (None, 2)]);
    assert!(read.iter().all(|one| one.uuid == own()));
    let remove = remove_listener::Request { name: "s".to_owned(), registration_id: added.response };
    let removed: remove_listener::Response = talk.answer(&remove);
    assert!(removed.response);
    assert_eq!(talk.events(true, vec![event(true)]).len(), 1);
}

#[test]
fn objects_are_told_with_the_client_that_caused_it() {
    let mut talk = Talk::new();
    let request = add_distributed_object_listener::Request { local_only: true };
    let added: add_distributed_object_listener::Response = talk.answer(&request);
    let event = |created| Event::Object {
        service: Name::from("hz:impl:mapService"),
        name: Name::from("m"),
        client: ClientUuid(5),
        created,
    };
    let told = talk.events(true, vec![event(true), event(false)]);
    let seen: Vec<_> = told
        .iter()
        .map(|one| add_distributed_object_listener::DistributedObjectEvent::decode(one).unwrap())
        .map(|one| (one.name, one.service_name, one.event_type, one.source))
        .collect();
    let expected = |kind: &str| {
        let source = ProtocolUuid::from_u128(5);
        ("m".to_owned(), "hz:impl:mapService".to_owned(), kind.to_owned(), source)
    };
    assert_eq!(seen, [expected("CREATED"), expected("DESTROYED")]);
    let remove = remove_distributed_object_listener::Request { registration_id: added.response };
    let removed: remove_distributed_object_listener::Response = talk.answer(&remove);
    assert!(removed.response);
}

#[test]
fn more_listeners_than_the_limit_are_refused_by_its_name() {
    let mut limited = settings();
    limited.limits.listeners_max = 2;
    let mut talk = Talk::with(limited);
    let first: add_entry_listener::Response = talk.answer(&on_all(ALL_FLAGS, true, true));
    let _: add_entry_listener_to_key::Response = talk.answer(&on_key("k"));
    let (code, message) = talk.refusal(&on_key("k"));
    assert_eq!(code, 18);
    assert!(message.contains("limits.listeners-per-client-max of 2"), "{message}");
    let remove =
        remove_entry_listener::Request { name: "m".to_owned(), registration_id: first.response };
    let _: remove_entry_listener::Response = talk.answer(&remove);
    let _: add_entry_listener_to_key::Response = talk.answer(&on_key("k"));
}

#[test]
fn values_of_events_are_shared_not_copied() {
    let mut talk = Talk::new();
    let _: add_entry_listener::Response = talk.answer(&on_all(ALL_FLAGS, true, true));
    let large = blob(&"x".repeat(100_000));
    let event = Event::MapEntry {
        map: Name::from("m"),
        key: blob("k"),
        value: Some(large.clone()),
        old_value: None,
        kind: EntryEventKind::Added,
    };
    let batch = EventBatch { index: 1, emitter: true, gap: false, events: vec![event] };
    let mut outputs = talk.input(Input::Events(Arc::new(batch)));
    let Output::Send(message) = outputs.remove(0) else { panic!("no event") };
    let is_shared = |piece: &bytes::Bytes| piece.as_ptr() == large.bytes().as_ptr();
    assert!(message.pieces().any(is_shared));
}
