//! Beginning, silence and end of a conversation.

use std::time::Duration;

use bytes::Bytes;
use statekeeper_machine::{ClientUuid, Name};
use statekeeper_protocol::ProtocolUuid;
use statekeeper_protocol::custom::Address;
use statekeeper_protocol::messages::client::{
    authentication, authentication_custom, local_backup_listener, ping, statistics,
};
use statekeeper_protocol::messages::map;

use super::talk::{Talk, authentication_request, sent};
use super::{AUTHENTICATION_TIMEOUT, CLIENT, CLUSTER, SILENCE, member, settings, text};
use crate::{ClientInfo, CloseReason, Input, Output};

fn closes(outputs: &[Output]) -> Option<&CloseReason> {
    match outputs.last()? {
        Output::Close(reason) => Some(reason),
        _ => None,
    }
}

#[test]
fn the_right_cluster_name_is_welcome_and_told_before_the_answer() {
    let mut talk = Talk::stranger(settings());
    let mut outputs = talk.ask(&authentication_request());
    let Output::Authenticated(info) = outputs.remove(0) else { panic!("not told") };
    let expected = ClientInfo {
        client: CLIENT,
        language: Name::from("JVM"),
        version: Name::from("5.1"),
        name: Name::from("hz.client_1"),
        labels: vec![Name::from("blue")],
    };
    assert_eq!(info, expected);
    let message = sent(outputs.remove(0));
    let response = authentication::Response::decode(&message).unwrap();
    assert_eq!(response.status, 0);
    assert_eq!(response.address, Some(Address { host: "127.0.0.1".to_owned(), port: 5701 }));
    assert_eq!(response.member_uuid, Some(ProtocolUuid::from_u128(member(1).0)));
    assert_eq!(response.server_hazelcast_version, "5.3.8");
    assert_eq!(response.partition_count, 1);
    assert_eq!(response.cluster_id, Some(ProtocolUuid::from_u128(0xc1)));
    assert!(!response.failover_supported);
    // The short form: nothing of later versions.
    assert_eq!((response.tpc_ports, response.member_list_version), (None, None));
}

#[test]
fn a_client_from_5_5_on_is_told_the_views_when_it_is_let_in() {
    let mut talk = Talk::stranger(settings());
    let request = |name: &str| authentication::Request {
        cluster_name: name.to_owned(),
        routing_mode: Some(1),
        cp_direct_to_leader_routing: Some(false),
        ..authentication_request()
    };
    let refused: authentication::Response = talk.answer(&request("dev"));
    assert_eq!((refused.status, refused.member_infos), (1, None));
    let mut outputs = talk.ask(&request(CLUSTER));
    let response = authentication::Response::decode(&sent(outputs.remove(1))).unwrap();
    let uuids: Vec<_> = response.member_infos.unwrap().iter().map(|info| info.uuid).collect();
    assert_eq!(uuids, [1, 2, 3].map(|node| ProtocolUuid::from_u128(member(node).0)));
    assert_eq!(
        (response.member_list_version, response.partition_list_version),
        (Some(1), Some(256))
    );
    assert_eq!(response.partitions.unwrap().0, [(uuids[0], vec![0])]);
}

#[test]
fn a_wrong_cluster_name_is_refused_and_the_client_may_try_again() {
    let mut talk = Talk::stranger(settings());
    let wrong =
        || authentication::Request { cluster_name: "dev".to_owned(), ..authentication_request() };
    let response: authentication::Response = talk.answer(&wrong());
    assert_eq!(response.status, 1);
    assert_eq!((response.address, response.member_uuid, response.cluster_id), (None, None, None));
    let outputs = talk.ask(&authentication_request());
    assert!(matches!(outputs[..], [Output::Authenticated(_), Output::Send(_)]));
}

#[test]
fn guessing_three_times_ends_the_connection() {
    let mut talk = Talk::stranger(settings());
    let wrong = authentication::Request { cluster_name: String::new(), ..authentication_request() };
    assert_eq!(closes(&talk.ask(&wrong)), None);
    assert_eq!(closes(&talk.ask(&wrong)), None);
    let outputs = talk.ask(&wrong);
    assert_eq!(outputs.len(), 2, "the answer comes first");
    assert_eq!(closes(&outputs), Some(&CloseReason::AuthenticationFailures));
}

// covers: Client.authenticationCustom
#[test]
fn credentials_are_refused_where_there_is_no_security() {
    let text = |text: &str| Some(text.to_owned());
    let with = |username: Option<String>, password: Option<String>| authentication::Request {
        username,
        password,
        ..authentication_request()
    };
    for request in [with(text("bob"), text("x")), with(text("bob"), None), with(None, text("x"))] {
        let response: authentication::Response = Talk::stranger(settings()).answer(&request);
        assert_eq!(response.status, 1);
    }
    let token = authentication_custom::Request {
        cluster_name: CLUSTER.to_owned(),
        credentials: Bytes::from_static(&[1, 2, 3]),
        uuid: Some(ProtocolUuid::from_u128(CLIENT.0)),
        serialization_version: 1,
        ..Default::default()
    };
    let response: authentication_custom::Response = Talk::stranger(settings()).answer(&token);
    assert_eq!(response.status, 1);
}

#[test]
fn a_client_without_a_uuid_or_of_another_serialisation_is_refused() {
    let request = authentication::Request { uuid: None, ..authentication_request() };
    let response: authentication::Response = Talk::stranger(settings()).answer(&request);
    assert_eq!(response.status, 1);
    let nil = Some(ProtocolUuid::from_u128(0));
    let request = authentication::Request { uuid: nil, ..authentication_request() };
    let response: authentication::Response = Talk::stranger(settings()).answer(&request);
    assert_eq!(response.status, 1);
    let request = authentication::Request { serialization_version: 2, ..authentication_request() };
    let response: authentication::Response = Talk::stranger(settings()).answer(&request);
    assert_eq!(response.status, 2);
}

#[test]
fn a_connection_stays_with_its_client() {
    let mut talk = Talk::new();
    let response: authentication::Response = talk.answer(&authentication_request());
    assert_eq!(response.status, 0, "the same client may ask again");
    let other = Some(ProtocolUuid::from_u128(ClientUuid(5).0));
    let request = authentication::Request { uuid: other, ..authentication_request() };
    let response: authentication::Response = talk.answer(&request);
    assert_eq!(response.status, 1);
}

#[test]
fn a_stranger_may_ping_and_nothing_else() {
    let mut talk = Talk::stranger(settings());
    let _: ping::Response = talk.answer(&ping::Request {});
    let get = map::get::Request { name: "m".to_owned(), key: text("k"), thread_id: 1 };
    let outputs = talk.ask(&get);
    let message = "010200 (Map.get)".to_owned();
    assert_eq!(outputs.len(), 1);
    assert_eq!(closes(&outputs), Some(&CloseReason::NotAuthenticated { message }));
    assert!(talk.ask(&ping::Request {}).is_empty(), "a closed conversation is over");
    assert_eq!(talk.endpoint.deadline(), None);
}

#[test]
fn whoever_does_not_authenticate_in_time_is_closed() {
    let mut talk = Talk::stranger(settings());
    assert_eq!(talk.endpoint.deadline(), Some(talk.now + AUTHENTICATION_TIMEOUT));
    talk.wait(AUTHENTICATION_TIMEOUT - Duration::from_millis(1));
    let _: ping::Response = talk.answer(&ping::Request {});
    assert_eq!(closes(&talk.input(Input::Timeout)), None);
    talk.wait(Duration::from_millis(1));
    let outputs = talk.input(Input::Timeout);
    assert_eq!(closes(&outputs), Some(&CloseReason::AuthenticationTimeout));
}

// covers: Client.ping
#[test]
fn a_silent_client_is_closed_and_a_ping_is_no_silence() {
    let mut talk = Talk::new();
    assert_eq!(talk.endpoint.deadline(), Some(talk.now + SILENCE));
    talk.wait(SILENCE - Duration::from_secs(1));
    let _: ping::Response = talk.answer(&ping::Request {});
    talk.wait(Duration::from_secs(1));
    assert_eq!(closes(&talk.input(Input::Timeout)), None);
    talk.wait(SILENCE - Duration::from_secs(1));
    let outputs = talk.input(Input::Timeout);
    assert_eq!(closes(&outputs), Some(&CloseReason::Silent(SILENCE)));
}

#[test]
#[should_panic(expected = "time never goes back")]
fn time_that_goes_back_is_a_mistake_of_the_shell() {
    let mut talk = Talk::new();
    let then = talk.now;
    talk.wait(Duration::from_secs(1));
    talk.input(Input::Timeout);
    talk.now = then;
    talk.input(Input::Timeout);
}

// covers: Client.statistics Client.localBackupListener
#[test]
fn calls_with_constant_answers_never_reach_the_cluster() {
    let mut talk = Talk::new();
    let _: statistics::Response = talk.answer(&statistics::Request::default());
    let first: local_backup_listener::Response = talk.answer(&local_backup_listener::Request {});
    let second: local_backup_listener::Response = talk.answer(&local_backup_listener::Request {});
    assert_ne!(first, second);
    assert_eq!(talk.endpoint.summary().listeners, 0);
    assert!(!talk.endpoint.wants_events());
}
