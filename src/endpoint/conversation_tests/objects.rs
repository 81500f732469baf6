//! Distributed objects, schemas and id generators.

use statekeeper_machine::{Answer, Command, Name, ObjectCommand, Outcome, Query, Rejection};
use statekeeper_protocol::messages::client::{
    create_proxies, create_proxy, destroy_proxy, fetch_schema, get_distributed_objects,
    send_all_schemas, send_schema,
};
use statekeeper_protocol::messages::flake_id_generator::new_id_batch;
use statekeeper_protocol::{Entries, ProtocolUuid};

use super::examples::schema;
use super::sequencer::Sequencer;
use super::talk::{Talk, submitted};
use super::{CLIENT, member, view};
use crate::Input;

const MAP: &str = "hz:impl:mapService";

fn create(name: &str, service: &str) -> create_proxy::Request {
    create_proxy::Request { name: name.to_owned(), service_name: service.to_owned() }
}

#[test]
fn an_object_that_is_there_costs_no_log_entry() {
    let mut talk = Talk::new();
    let (ticket, query) = talk.query(&create("m", MAP));
    let object = (Name::from(MAP), Name::from("m"));
    assert!(matches!(&query, Query::ObjectsExist { objects } if *objects == [object.clone()]));
    let _: create_proxy::Response = talk.inform(ticket, Answer::Flag(true));

    let (ticket, _) = talk.query(&create("m", MAP));
    let result = Ok(Answer::Flag(false));
    let (ticket, command) = submitted(talk.input(Input::Answered { ticket, result }));
    let Command::Object(ObjectCommand::Create { objects, client }) = command else {
        panic!("no creation: {command:?}")
    };
    assert_eq!((objects, client), (vec![object], CLIENT));
    let _: create_proxy::Response = talk.complete(ticket, Outcome::Done);
}

// covers: Client.createProxies
#[test]
fn a_reconnecting_client_names_all_its_objects_in_one_step() {
    let (mut cluster, mut talk) = (Sequencer::new(), Talk::new());
    let proxies =
        [("m", MAP), ("s", "hz:impl:setService"), ("i", "hz:impl:flakeIdGeneratorService")];
    let request = create_proxies::Request {
        proxies: proxies.iter().map(|(name, of)| ((*name).to_owned(), (*of).to_owned())).collect(),
    };
    assert_eq!(cluster.ask(&mut talk, &request).len(), 1);
    let listed = cluster.ask(&mut talk, &get_distributed_objects::Request {}).remove(0);
    let listed = get_distributed_objects::Response::decode(&listed).unwrap();
    assert_eq!(listed.response.len(), 3);
    let _: create_proxies::Response =
        talk.answer(&create_proxies::Request { proxies: Entries::default() });
}

#[test]
fn objects_of_other_services_are_refused() {
    let mut talk = Talk::new();
    let (code, message) = talk.refusal(&create("q", "hz:impl:queueService"));
    assert_eq!(code, 61);
    let expected = "Client.createProxy for hz:impl:queueService is not supported by this server";
    assert_eq!(message, expected);
    let mixed = create_proxies::Request {
        proxies: Entries(vec![
            ("m".to_owned(), MAP.to_owned()),
            ("q".to_owned(), "hz:impl:queueService".to_owned()),
        ]),
    };
    assert_eq!(talk.refusal(&mixed).0, 61);
    let destroy = destroy_proxy::Request {
        name: "q".to_owned(),
        service_name: "hz:impl:queueService".to_owned(),
    };
    assert_eq!(talk.refusal(&destroy).0, 61);
}

#[test]
fn more_objects_than_the_limit_are_refused_by_its_name() {
    let mut talk = Talk::new();
    let (ticket, _) = talk.query(&create("m", MAP));
    let result = Ok(Answer::Flag(false));
    let (ticket, _) = submitted(talk.input(Input::Answered { ticket, result }));
    let limit = Name::from("limits.objects-max");
    let (code, message) = talk.reject(ticket, Rejection::LimitReached { limit, max: 10_000 });
    assert_eq!(code, 18);
    assert!(message.contains("limits.objects-max"), "{message}");
}

// covers: Client.sendAllSchemas
#[test]
fn a_schema_comes_back_as_it_was_sent() {
    let (mut cluster, mut talk) = (Sequencer::new(), Talk::new());
    let sent = cluster.ask(&mut talk, &send_schema::Request { schema: schema() }).remove(0);
    let sent = send_schema::Response::decode(&sent).unwrap();
    let uuid = |node| ProtocolUuid::from_u128(member(node).0);
    assert_eq!(sent.replicated_members, [uuid(1), uuid(2), uuid(3)]);

    // The id is that of the snapshot of the table.
    let fetch = |schema_id| fetch_schema::Request { schema_id };
    let found = cluster.ask(&mut talk, &fetch(-6_182_987_964_290_555_006)).remove(0);
    assert_eq!(fetch_schema::Response::decode(&found).unwrap().schema, Some(schema()));
    let missing = cluster.ask(&mut talk, &fetch(1)).remove(0);
    assert_eq!(fetch_schema::Response::decode(&missing).unwrap().schema, None);
    let _: send_all_schemas::Response =
        talk.answer(&send_all_schemas::Request { schemas: Vec::new() });
}

#[test]
fn the_members_that_have_a_schema_are_those_of_the_answers_time() {
    let mut talk = Talk::new();
    let (ticket, _) = talk.submit(&send_schema::Request { schema: schema() });
    talk.input(Input::View(view(2, &[2, 3])));
    let response: send_schema::Response = talk.complete(ticket, Outcome::Done);
    let uuid = |node| ProtocolUuid::from_u128(member(node).0);
    let expected = [uuid(2), uuid(3), uuid(1)];
    assert_eq!(response.replicated_members, expected, "this node too, listed or not");
}

#[test]
fn id_batches_have_a_size_between_1_and_100000() {
    let mut talk = Talk::new();
    let batch = |batch_size| new_id_batch::Request { name: "ids".to_owned(), batch_size };
    for size in [0, -1, i32::MIN, 100_001] {
        let (code, message) = talk.refusal(&batch(size));
        assert_eq!(code, 23);
        assert_eq!(message, format!("batch size must be between 1 and 100000, not {size}"));
    }
    for size in [1, 100_000] {
        let (ticket, _) = talk.submit(&batch(size));
        let response: new_id_batch::Response =
            talk.complete(ticket, Outcome::IdBatch { base: 1 << 40 });
        assert_eq!((response.base, response.increment), (1 << 40, 1));
        assert_eq!(response.batch_size, size);
    }
}
