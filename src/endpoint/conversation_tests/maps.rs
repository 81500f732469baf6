//! Maps and sets beyond what the table's snapshot shows: bad arguments, limits, and the state
//! behind.

use bytes::Bytes;
use statekeeper_machine::{
    Answer, ClusterTime, Command, Lifetime, MapChange, Outcome, PutMode, Query, RecordView,
};
use statekeeper_protocol::messages::error::ErrorResponse;
use statekeeper_protocol::messages::map::{
    add_entry_listener, clear, delete, fetch_keys, get, get_all, get_entry_view, is_locked, lock,
    put, put_all, put_with_max_idle, remove_all, replace_if_same, size, try_lock, try_put, unlock,
};
use statekeeper_protocol::messages::set;
use statekeeper_protocol::{ClientMessage, Data, Entries};

use super::sequencer::Sequencer;
use super::talk::{Talk, asked, only};
use super::{blob, settings, text};
use crate::{Input, Output};

fn put_request(key: &str, value: &str, ttl: i64) -> put::Request {
    put::Request { name: "m".to_owned(), key: text(key), value: text(value), thread_id: 1, ttl }
}

fn lifetimes(command: Command) -> (Lifetime, Lifetime) {
    match command {
        Command::Map { change: MapChange::Put { ttl, max_idle, .. }, .. } => (ttl, max_idle),
        other => panic!("no put: {other:?}"),
    }
}

#[test]
fn lifetimes_are_milliseconds_with_two_special_values() {
    let mut talk = Talk::new();
    let mut of = |ttl| lifetimes(talk.submit(&put_request("k", "v", ttl)).1);
    assert_eq!(of(-1), (Lifetime::Default, Lifetime::Default));
    assert_eq!(of(0), (Lifetime::Unlimited, Lifetime::Default));
    assert_eq!(of(1_500), (Lifetime::Ms(1_500), Lifetime::Default));
    let idle = put_with_max_idle::Request {
        name: "m".to_owned(),
        key: text("k"),
        value: text("v"),
        thread_id: 1,
        ttl: -1,
        max_idle: 30_000,
    };
    let (_, command) = talk.submit(&idle);
    assert_eq!(lifetimes(command), (Lifetime::Default, Lifetime::Ms(30_000)));
}

#[test]
fn null_keys_and_values_are_refused() {
    let nulls =
        [Data::default(), Data::from_parts(0, b"xxxx"), Data::new(Bytes::from_static(b"a"))];
    let mut talk = Talk::new();
    for null in nulls {
        let key = put::Request { key: null.clone(), ..put_request("k", "v", -1) };
        assert_eq!(talk.refusal(&key), (37, "null key is not allowed".to_owned()));
        let value = put::Request { value: null.clone(), ..put_request("k", "v", -1) };
        assert_eq!(talk.refusal(&value), (37, "null value is not allowed".to_owned()));
        let batch = put_all::Request {
            name: "m".to_owned(),
            entries: Entries(vec![(text("a"), text("1")), (text("b"), null.clone())]),
            trigger_map_loader: Some(true),
        };
        assert_eq!(talk.refusal(&batch).0, 37, "nothing of a batch happens");
        let item = set::add::Request { name: "s".to_owned(), value: null };
        assert_eq!(talk.refusal(&item).0, 37);
    }
}

#[test]
fn a_null_frame_in_place_of_a_key_is_a_null_key() {
    let mut talk = Talk::new();
    let request = talk.next_request(&get::Request {
        name: "m".to_owned(),
        key: Data::default(),
        thread_id: 1,
    });
    // The key is the last frame and empty: the null flag makes it null.
    let mut bytes = bytes_of(&request);
    let flags_at = bytes.len() - 1;
    bytes[flags_at] |= 0x04;
    let outputs = talk.message(ClientMessage::parse(bytes.into()).unwrap());
    let answer = ErrorResponse::decode(&only(outputs));
    assert_eq!(answer.unwrap().errors[0].error_code, 37);
}

/// The bytes of a request, read again and written again.
fn bytes_of(message: &ClientMessage) -> Vec<u8> {
    let request = get::Request::decode(message).unwrap();
    request.encode(message.correlation_id(), message.partition_id()).into_contiguous().to_vec()
}

#[test]
fn what_is_too_large_is_refused_by_the_name_of_the_limit() {
    let mut limited = settings();
    limited.limits.key_bytes_max = 20;
    limited.limits.value_bytes_max = 30;
    limited.limits.name_bytes_max = 5;
    limited.limits.request_bytes_max = 500;
    let mut talk = Talk::with(limited);
    let long = |count| "x".repeat(count);
    talk.submit(&put_request(&long(8), &long(18), -1));
    let (code, message) = talk.refusal(&put_request(&long(9), "v", -1));
    assert_eq!(code, 69);
    assert_eq!(message, "key of 21 bytes is larger than limits.key-bytes-max allows (20 bytes)");
    let (code, message) = talk.refusal(&put_request("k", &long(19), -1));
    assert_eq!(code, 69);
    assert!(message.contains("limits.value-bytes-max"), "{message}");
    let (code, message) = talk.refusal(&size::Request { name: long(6) });
    assert_eq!(code, 69);
    assert!(message.contains("limits.name-bytes-max"), "{message}");
    let (code, message) = talk.refusal(&size::Request { name: long(500) });
    assert_eq!(code, 69);
    assert!(message.contains("limits.request-bytes-max"), "{message}");
}

#[test]
fn empty_batches_never_reach_the_cluster() {
    let mut talk = Talk::new();
    let name = || "m".to_owned();
    let _: put_all::Response =
        talk.answer(&put_all::Request { name: name(), ..Default::default() });
    let empty: get_all::Response =
        talk.answer(&get_all::Request { name: name(), ..Default::default() });
    assert!(empty.response.is_empty());
}

#[test]
fn only_predicates_that_need_no_values_are_supported() {
    let mut talk = Talk::new();
    let request = |class: u8| remove_all::Request {
        name: "m".to_owned(),
        predicate: Data::from_parts(-2, &[1, 0xff, 0xff, 0xff, 0xec, 0, 0, 0, class]),
    };
    let (_, command) = talk.submit(&request(14));
    assert!(matches!(command, Command::Map { change: MapChange::RemoveAll, .. }));
    let _: remove_all::Response = talk.answer(&request(13));
    let (code, message) = talk.refusal(&request(0));
    assert_eq!(code, 61);
    assert_eq!(message, "Map.removeAll with this predicate is not supported by this server");
    let own = remove_all::Request { name: "m".to_owned(), predicate: text("this = 1") };
    assert_eq!(talk.refusal(&own).0, 61);
    let null = remove_all::Request { name: "m".to_owned(), predicate: Data::default() };
    assert_eq!(talk.refusal(&null).0, 37);
}

#[test]
fn an_iteration_ends_after_its_first_page() {
    let mut talk = Talk::new();
    let request = |pointers: Vec<(i32, i32)>| fetch_keys::Request {
        name: "m".to_owned(),
        iteration_pointers: Entries(pointers),
        batch: 1,
    };
    let (ticket, query) = talk.query(&request(vec![(i32::MAX, -1)]));
    assert!(matches!(query, Query::MapEntries { .. }));
    let entries = vec![(blob("a"), blob("1")), (blob("b"), blob("2"))];
    let page: fetch_keys::Response = talk.inform(ticket, Answer::Entries(entries));
    assert_eq!(page.iteration_pointers.0, [(-1, 2)]);
    assert_eq!(page.keys, [text("a"), text("b")]);
    let after: fetch_keys::Response = talk.answer(&request(page.iteration_pointers.0));
    assert!(after.keys.is_empty());
    assert_eq!(after.iteration_pointers.0, [(-1, 2)]);
}

#[test]
fn an_entry_view_says_what_is_unknown_and_what_has_no_end() {
    let mut talk = Talk::new();
    let request = get_entry_view::Request { name: "m".to_owned(), key: text("k"), thread_id: 1 };
    let (ticket, _) = talk.query(&request);
    let none: get_entry_view::Response = talk.inform(ticket, Answer::Record(None));
    assert_eq!((none.response, none.max_idle), (None, i64::MAX));
    let record = RecordView {
        key: blob("k"),
        value: blob("v"),
        cost_bytes: 64,
        created_at: ClusterTime(10),
        updated_at: ClusterTime(20),
        accessed_at: None,
        hits: 0,
        version: 2,
        expires_at: None,
        time_to_live_ms: None,
        max_idle_ms: Some(5_000),
    };
    let (ticket, _) = talk.query(&request);
    let some: get_entry_view::Response = talk.inform(ticket, Answer::Record(Some(record)));
    let view = some.response.unwrap();
    assert_eq!((view.last_access_time, view.last_stored_time), (-1, -1));
    assert_eq!((view.ttl, view.expiration_time), (i64::MAX, i64::MAX));
    assert_eq!((view.max_idle, some.max_idle), (5_000, 5_000));
}

#[test]
fn large_answers_share_their_values_with_the_state() {
    let mut talk = Talk::new();
    let large = blob(&"x".repeat(1 << 20));
    let (ticket, _) =
        asked(talk.ask(&get::Request { name: "m".to_owned(), key: text("k"), thread_id: 1 }));
    let result = Ok(Answer::Value(Some(large.clone())));
    let mut outputs = talk.input(Input::Answered { ticket, result });
    let Output::Send(message) = outputs.remove(0) else { panic!("no answer") };
    assert!(message.pieces().any(|piece| piece.as_ptr() == large.bytes().as_ptr()));
}

#[test]
fn large_values_are_taken_from_the_message_without_a_copy() {
    let mut talk = Talk::new();
    let request = talk.next_request(&put_request("k", &"x".repeat(1 << 19), -1));
    let range = {
        let decoded = put::Request::decode(&request).unwrap();
        decoded.value.as_bytes().as_ptr()
    };
    let mut outputs = talk.message(request);
    let Output::Submit { command, .. } = outputs.remove(0) else { panic!("no command") };
    let Command::Map { change: MapChange::Put { value, .. }, .. } = command else {
        panic!("no put")
    };
    assert_eq!(value.bytes().as_ptr(), range);
}

#[test]
fn times_of_locks_and_tries() {
    let mut talk = Talk::new();
    let lock = |lease: i64| lock::Request {
        name: "m".to_owned(),
        key: text("k"),
        thread_id: 1,
        ttl: lease,
        reference_id: 4,
    };
    let mut lease = |ms| match talk.submit(&lock(ms)).1 {
        Command::Map { change: MapChange::Lock { lease_ms, timeout_ms: None, .. }, .. } => lease_ms,
        other => panic!("no lock: {other:?}"),
    };
    assert_eq!([lease(-1), lease(0), lease(i64::MAX), lease(900)], [None, None, None, Some(900)]);
    let mut timeout = |timeout: i64| {
        let request = try_lock::Request {
            name: "m".to_owned(),
            key: text("k"),
            thread_id: 1,
            lease: i64::MAX,
            timeout,
            reference_id: 4,
        };
        match talk.submit(&request).1 {
            Command::Map { change: MapChange::Lock { timeout_ms, .. }, .. } => timeout_ms,
            other => panic!("no lock: {other:?}"),
        }
    };
    assert_eq!(timeout(-5), Some(0));
    assert_eq!(timeout(0), Some(0));
    assert_eq!(timeout(700), Some(700));
    assert_eq!(timeout(i64::MAX), None);
    let try_put = |timeout| try_put::Request {
        name: "m".to_owned(),
        key: text("k"),
        value: text("v"),
        thread_id: 1,
        timeout,
    };
    for (timeout, expected) in [(-1, 0), (0, 0), (80, 80)] {
        let (_, command) = talk.submit(&try_put(timeout));
        let Command::Map { change: MapChange::Put { mode, .. }, .. } = command else {
            panic!("no put")
        };
        assert_eq!(mode, PutMode::Try { timeout_ms: expected });
    }
}

#[test]
fn a_delete_tells_whether_something_was_there() {
    let mut talk = Talk::new();
    let request = || delete::Request { name: "m".to_owned(), key: text("k"), thread_id: 1 };
    for (removed, expected) in [(Some(blob("v")), true), (None, false)] {
        let (ticket, _) = talk.submit(&request());
        let response: delete::Response = talk.complete(ticket, Outcome::Value(removed));
        assert_eq!(response.response, Some(expected));
    }
}

#[test]
fn a_thread_that_waits_for_a_key_is_answered_when_it_comes_free() {
    let (mut cluster, mut talk) = (Sequencer::new(), Talk::new());
    let lock = |thread_id, reference_id| lock::Request {
        name: "m".to_owned(),
        key: text("k"),
        thread_id,
        ttl: -1,
        reference_id,
    };
    assert_eq!(cluster.ask(&mut talk, &lock(1, 1)).len(), 1);
    assert!(cluster.ask(&mut talk, &lock(2, 2)).is_empty());
    let waiting = talk.correlation();
    assert_eq!(talk.endpoint.summary().in_flight, 1);
    let put = put::Request { thread_id: 1, ..put_request("k", "v", -1) };
    assert_eq!(cluster.ask(&mut talk, &put).len(), 1, "others are served meanwhile");
    let batch = put_all::Request {
        name: "m".to_owned(),
        entries: Entries(vec![(text("k"), text("w"))]),
        trigger_map_loader: Some(true),
    };
    assert_eq!(cluster.ask(&mut talk, &batch).len(), 1, "a batch never waits for its own client");
    let unlock =
        unlock::Request { name: "m".to_owned(), key: text("k"), thread_id: 1, reference_id: 3 };
    let answers = cluster.ask(&mut talk, &unlock);
    assert_eq!(answers.len(), 2);
    assert!(answers.iter().any(|answer| answer.correlation_id() == waiting));
    let is_locked = is_locked::Request { name: "m".to_owned(), key: text("k") };
    let answer = cluster.ask(&mut talk, &is_locked).remove(0);
    assert!(is_locked::Response::decode(&answer).unwrap().response);
}

#[test]
fn calls_under_reference_id_0_are_told_apart() {
    let (mut cluster, mut talk) = (Sequencer::new(), Talk::new());
    let try_lock = |thread_id| try_lock::Request {
        name: "m".to_owned(),
        key: text("k"),
        thread_id,
        lease: -1,
        timeout: 0,
        reference_id: 0,
    };
    let mut locked = |talk: &mut Talk, thread_id| {
        let answer = cluster.ask(talk, &try_lock(thread_id)).remove(0);
        try_lock::Response::decode(&answer).unwrap().response
    };
    assert!(locked(&mut talk, 1));
    assert!(!locked(&mut talk, 2));
    let unlock =
        unlock::Request { name: "m".to_owned(), key: text("k"), thread_id: 1, reference_id: 0 };
    assert_eq!(cluster.ask(&mut talk, &unlock).len(), 1);
    let answer = cluster.ask(&mut talk, &try_lock(2)).remove(0);
    assert!(try_lock::Response::decode(&answer).unwrap().response, "not the answer from before");
}

#[test]
fn what_happens_is_told_before_it_is_answered() {
    let (mut cluster, mut talk) = (Sequencer::new(), Talk::new());
    let listen = add_entry_listener::Request {
        name: "m".to_owned(),
        include_value: true,
        listener_flags: 127,
        local_only: true,
    };
    cluster.ask(&mut talk, &listen);
    let messages = cluster.ask(&mut talk, &put_request("k", "v", -1));
    let kinds: Vec<bool> = messages.iter().map(ClientMessage::is_event).collect();
    assert_eq!(kinds, [true, false]);
    let clear = cluster.ask(&mut talk, &clear::Request { name: "m".to_owned() });
    assert_eq!(clear.len(), 2);
}

#[test]
fn values_are_compared_without_their_partition_hash() {
    let (mut cluster, mut talk) = (Sequencer::new(), Talk::new());
    cluster.ask(&mut talk, &put_request("k", "v", -1));
    let mut hashed = text("v").into_bytes().to_vec();
    hashed[0] = 0x7f;
    let request = replace_if_same::Request {
        name: "m".to_owned(),
        key: text("k"),
        test_value: Data::new(hashed.into()),
        value: text("w"),
        thread_id: 1,
    };
    let answer = cluster.ask(&mut talk, &request).remove(0);
    assert!(replace_if_same::Response::decode(&answer).unwrap().response);
}
