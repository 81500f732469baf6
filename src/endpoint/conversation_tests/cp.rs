//! CP groups, sessions and fenced locks.

use statekeeper_machine::{
    Answer, Command, CpCommand, Group, Name, Outcome, Query, Rejection, SessionId,
};
use statekeeper_protocol::messages::cp_group::{create_cp_group, destroy_cp_object};
use statekeeper_protocol::messages::cp_session::{create_session, heartbeat_session};
use statekeeper_protocol::messages::error::ErrorResponse;
use statekeeper_protocol::messages::fenced_lock::{get_lock_ownership, lock, try_lock, unlock};
use statekeeper_protocol::{ClientMessage, ProtocolUuid};

use super::examples::group;
use super::sequencer::Sequencer;
use super::talk::{Talk, only, submitted};
use crate::Input;

fn lock_request(thread: i64, uid: u128) -> lock::Request {
    lock::Request {
        group_id: group(),
        name: "lock".to_owned(),
        session_id: 1,
        thread_id: thread,
        invocation_uid: ProtocolUuid::from_u128(uid),
    }
}

fn unlock_request(thread: i64, uid: u128) -> unlock::Request {
    unlock::Request {
        group_id: group(),
        name: "lock".to_owned(),
        session_id: 1,
        thread_id: thread,
        invocation_uid: ProtocolUuid::from_u128(uid),
    }
}

fn with_session() -> (Sequencer, Talk) {
    let (mut cluster, mut talk) = (Sequencer::new(), Talk::new());
    let request =
        create_session::Request { group_id: group(), endpoint_name: "hz.client_1".to_owned() };
    let answer = cluster.ask(&mut talk, &request).remove(0);
    let session = create_session::Response::decode(&answer).unwrap();
    let expected =
        create_session::Response { session_id: 1, ttl_millis: 30_000, heartbeat_millis: 5_000 };
    assert_eq!(session, expected);
    (cluster, talk)
}

fn fence(message: &ClientMessage) -> i64 {
    lock::Response::decode(message).unwrap().response
}

#[test]
fn a_group_that_is_there_costs_no_log_entry() {
    let mut talk = Talk::new();
    let request = || create_cp_group::Request { proxy_name: "lock@mine".to_owned() };
    let mine = || Group { name: Name::from("mine"), seed: 0, id: 4 };
    let (ticket, query) = talk.query(&request());
    assert!(matches!(query, Query::Group { group } if &*group == "mine"));
    let known: create_cp_group::Response = talk.inform(ticket, Answer::Group(Some(mine())));
    assert_eq!((&*known.group_id.name, known.group_id.id), ("mine", 4));

    let (ticket, _) = talk.query(&request());
    let result = Ok(Answer::Group(None));
    let (ticket, command) = submitted(talk.input(Input::Answered { ticket, result }));
    assert!(matches!(command, Command::Cp(CpCommand::CreateGroup { group }) if &*group == "mine"));
    let made: create_cp_group::Response = talk.complete(ticket, Outcome::Group(mine()));
    assert_eq!(made, known);
}

#[test]
fn a_name_that_names_no_group_is_refused() {
    let mut talk = Talk::new();
    let request = create_cp_group::Request { proxy_name: "lock@".to_owned() };
    let expected = (23, "Custom CP group name cannot be empty string".to_owned());
    assert_eq!(talk.refusal(&request), expected);
}

#[test]
fn only_locks_can_be_destroyed_and_stay_so() {
    let (mut cluster, mut talk) = with_session();
    let destroy = |service: &str| destroy_cp_object::Request {
        group_id: group(),
        service_name: service.to_owned(),
        object_name: "lock".to_owned(),
    };
    let (code, message) = talk.refusal(&destroy("hz:raft:atomicLongService"));
    assert_eq!(code, 61);
    assert!(message.contains("hz:raft:atomicLongService"), "{message}");
    assert_eq!(cluster.ask(&mut talk, &destroy("hz:raft:lockService")).len(), 1);
    let refused = cluster.ask(&mut talk, &lock_request(1, 1)).remove(0);
    let error = ErrorResponse::decode(&refused).unwrap();
    assert_eq!(error.errors[0].error_code, 14);
    let expected = "Resource[lock] is already destroyed!";
    assert_eq!(error.errors[0].message.as_deref(), Some(expected));
}

#[test]
fn a_heartbeat_of_an_unknown_session_makes_the_client_forget_it() {
    let mut talk = Talk::new();
    let request = heartbeat_session::Request { group_id: group(), session_id: 9 };
    let (ticket, command) = talk.submit(&request);
    let unknown = match command {
        Command::Cp(CpCommand::Heartbeat { sessions }) => sessions,
        other => panic!("no heartbeat: {other:?}"),
    };
    assert_eq!(unknown, [(Name::from("default"), SessionId(9))]);
    let result = Ok(Outcome::UnknownSessions(unknown));
    let outputs = talk.input(Input::Completed { ticket, result });
    let answer = only(outputs);
    let error = ErrorResponse::decode(&answer).unwrap();
    assert_eq!(error.errors[0].error_code, 85);
}

#[test]
fn fences_grow_and_a_thread_may_lock_again() {
    let (mut cluster, mut talk) = with_session();
    let first = fence(&cluster.ask(&mut talk, &lock_request(1, 1))[0]);
    assert_eq!(fence(&cluster.ask(&mut talk, &lock_request(1, 2))[0]), first);
    assert_eq!(fence(&cluster.ask(&mut talk, &lock_request(1, 2))[0]), first, "a retry");
    let ownership = get_lock_ownership::Request { group_id: group(), name: "lock".to_owned() };
    let answer = cluster.ask(&mut talk, &ownership).remove(0);
    let held = get_lock_ownership::Response::decode(&answer).unwrap();
    let expected =
        get_lock_ownership::Response { fence: first, lock_count: 2, session_id: 1, thread_id: 1 };
    assert_eq!(held, expected);
    let held_after =
        |answers: Vec<ClientMessage>| unlock::Response::decode(&answers[0]).unwrap().response;
    assert!(held_after(cluster.ask(&mut talk, &unlock_request(1, 3))), "still held");
    assert!(!held_after(cluster.ask(&mut talk, &unlock_request(1, 4))), "free");
    let second = fence(&cluster.ask(&mut talk, &lock_request(2, 5))[0]);
    assert!(second > first);
}

#[test]
fn a_waiting_lock_stays_in_flight_and_stops_nothing_else() {
    let (mut cluster, mut talk) = with_session();
    let first = fence(&cluster.ask(&mut talk, &lock_request(1, 1))[0]);
    assert!(cluster.ask(&mut talk, &lock_request(2, 2)).is_empty());
    let waiting = talk.correlation();
    let try_now = try_lock::Request {
        group_id: group(),
        name: "lock".to_owned(),
        session_id: 1,
        thread_id: 3,
        invocation_uid: ProtocolUuid::from_u128(3),
        timeout_ms: 0,
    };
    let answer = cluster.ask(&mut talk, &try_now).remove(0);
    assert_eq!(try_lock::Response::decode(&answer).unwrap().response, 0);
    let answers = cluster.ask(&mut talk, &unlock_request(1, 4));
    let granted = answers.iter().find(|answer| answer.correlation_id() == waiting).unwrap();
    assert!(fence(granted) > first);
    assert_eq!(talk.endpoint.summary().in_flight, 0);
}

#[test]
fn refusals_of_locks_have_the_codes_that_lock_proxies_know() {
    let mut talk = Talk::new();
    let mut refused = |rejection| {
        let (ticket, _) = talk.submit(&lock_request(1, 1));
        talk.reject(ticket, rejection)
    };
    assert_eq!(refused(Rejection::SessionUnknown { session: SessionId(1) }).0, 85);
    assert_eq!(refused(Rejection::WaitCancelled).0, 86);
    let (ticket, _) = talk.submit(&unlock_request(1, 1));
    let expected = (26, "Current thread is not owner of the lock!".to_owned());
    assert_eq!(talk.reject(ticket, Rejection::NotLockOwner), expected);
}
