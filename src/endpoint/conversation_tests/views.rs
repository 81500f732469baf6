//! The member list and the partition table as clients are shown them.

use std::sync::Arc;
use std::time::Duration;

use statekeeper_machine::ClusterView;
use statekeeper_protocol::custom::{EndpointQualifier, MemberVersion};
use statekeeper_protocol::messages::client::add_cluster_view_listener::{
    self, MembersViewEvent, PartitionsViewEvent,
};
use statekeeper_protocol::{ClientMessage, CorrelationId, ProtocolUuid};

use super::talk::{Talk, sent};
use super::{member, view};
use crate::{Input, Output};

const REPEATED: Duration = Duration::from_secs(30);

fn listening() -> (Talk, CorrelationId) {
    let mut talk = Talk::new();
    let outputs = talk.ask(&add_cluster_view_listener::Request {});
    assert_eq!(outputs.len(), 3);
    let correlation = talk.correlation();
    (talk, correlation)
}

/// Versions of the member lists and tables sent, and the owners of the tables.
fn shown(outputs: Vec<Output>, correlation: CorrelationId) -> Vec<(char, i32, Vec<ProtocolUuid>)> {
    let read = |message: ClientMessage| {
        assert_eq!(message.correlation_id(), correlation);
        if let Ok(event) = MembersViewEvent::decode(&message) {
            let uuids = event.member_infos.iter().map(|info| info.uuid).collect();
            return ('m', event.version, uuids);
        }
        let event = PartitionsViewEvent::decode(&message).unwrap();
        let owners = event.partitions.iter().map(|(uuid, partitions)| {
            assert_eq!(partitions, &[0]);
            *uuid
        });
        ('p', event.version, owners.collect())
    };
    outputs.into_iter().map(sent).map(read).collect()
}

fn uuids(nodes: &[u64]) -> Vec<ProtocolUuid> {
    nodes.iter().map(|node| ProtocolUuid::from_u128(member(*node).0)).collect()
}

#[test]
fn both_views_come_before_the_response() {
    let mut talk = Talk::new();
    let mut outputs = talk.ask(&add_cluster_view_listener::Request {});
    let response = sent(outputs.pop().unwrap());
    add_cluster_view_listener::Response::decode(&response).unwrap();
    let first = sent(outputs.remove(0));
    let members = MembersViewEvent::decode(&first).unwrap();
    let info = &members.member_infos[1];
    assert_eq!((&*info.address.host, info.address.port), ("127.0.0.1", 5702));
    assert_eq!(info.version, MemberVersion { major: 5, minor: 3, patch: 8 });
    assert_eq!(info.address_map.0, [(EndpointQualifier::MEMBER, info.address.clone())]);
    assert!(info.attributes.is_empty() && !info.lite_member);
    assert_eq!(shown(outputs, talk.correlation()), [('p', 256, uuids(&[1]))]);
    assert_eq!(talk.endpoint.summary().listeners, 1);
    assert!(!talk.endpoint.wants_events(), "views are told by themselves");
}

#[test]
fn a_new_owner_is_told_at_once() {
    let (mut talk, correlation) = listening();
    let mut moved = ClusterView::clone(&view(1, &[1, 2, 3]));
    (moved.owner, moved.partitions_version) = (Some(member(2)), 512);
    let outputs = talk.input(Input::View(Arc::new(moved)));
    assert_eq!(shown(outputs, correlation), [('p', 512, uuids(&[2]))]);
}

#[test]
fn a_member_that_goes_is_told_at_once() {
    let (mut talk, correlation) = listening();
    let outputs = talk.input(Input::View(view(2, &[1, 3])));
    let expected = [('m', 2, uuids(&[1, 3])), ('p', 512, uuids(&[1]))];
    assert_eq!(shown(outputs, correlation), expected);
}

#[test]
fn what_did_not_change_is_told_again_every_30_seconds() {
    let (mut talk, correlation) = listening();
    assert!(talk.input(Input::View(view(1, &[1, 2, 3]))).is_empty());
    assert_eq!(talk.endpoint.deadline(), Some(talk.now + REPEATED));
    talk.wait(REPEATED - Duration::from_millis(1));
    assert!(talk.input(Input::Timeout).is_empty());
    talk.wait(Duration::from_millis(1));
    let outputs = talk.input(Input::Timeout);
    let expected = [('m', 1, uuids(&[1, 2, 3])), ('p', 256, uuids(&[1]))];
    assert_eq!(shown(outputs, correlation), expected);
    assert_eq!(talk.endpoint.deadline(), Some(talk.now + REPEATED));
}

#[test]
fn a_table_never_names_a_member_that_is_not_listed() {
    let (mut talk, correlation) = listening();
    let mut odd = ClusterView::clone(&view(2, &[2, 3]));
    odd.owner = Some(member(1));
    let outputs = talk.input(Input::View(Arc::new(odd.clone())));
    assert_eq!(shown(outputs, correlation), [('m', 2, uuids(&[2, 3]))]);
    // Once the owner is listed, the table is told though it did not change itself.
    odd.members = view(3, &[1, 2, 3]).members.clone();
    odd.members_version = 3;
    let outputs = talk.input(Input::View(Arc::new(odd)));
    let expected = [('m', 3, uuids(&[1, 2, 3])), ('p', 512, uuids(&[1]))];
    assert_eq!(shown(outputs, correlation), expected);
}

#[test]
fn an_empty_view_is_kept_until_it_says_something() {
    let mut talk = Talk::new();
    talk.input(Input::View(Arc::default()));
    assert_eq!(talk.ask(&add_cluster_view_listener::Request {}).len(), 1, "the response alone");
    let correlation = talk.correlation();
    let outputs = talk.input(Input::View(view(1, &[1])));
    assert_eq!(shown(outputs, correlation), [('m', 1, uuids(&[1])), ('p', 256, uuids(&[1]))]);
}

#[test]
fn clients_without_the_listener_are_told_nothing() {
    let mut talk = Talk::new();
    assert!(talk.input(Input::View(view(2, &[1]))).is_empty());
}
