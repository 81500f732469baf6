//! Tests of whole conversations: a client's bytes in, what is asked of the cluster and said to the
//! client out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod connection;
mod cp;
mod examples;
mod failures;
mod golden;
mod identities;
mod listeners;
mod maps;
mod objects;
mod properties;
mod sequencer;
mod table;
mod talk;
mod views;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use statekeeper_machine::{
    Blob, ClientUuid, ClusterId, ClusterView, MemberUuid, Name, NodeDescription, NodeId,
};
use statekeeper_protocol::message::MessageVisitor;
use statekeeper_protocol::{ClientMessage, Data, EncodedMessage, Message};

use crate::{EndpointLimits, EndpointSettings};

const CLUSTER: &str = "hetu-state-store";
const CLUSTER_ID: ClusterId = ClusterId(0xc1);
const CLIENT: ClientUuid = ClientUuid(0xc0ffee);
const SILENCE: Duration = Duration::from_secs(300);
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(20);

fn settings() -> EndpointSettings {
    EndpointSettings {
        member: member(1),
        cluster_id: CLUSTER_ID,
        cluster_name: Name::from(CLUSTER),
        client_host: Name::from("127.0.0.1"),
        client_port: 5701,
        silence_max: SILENCE,
        authentication_timeout: AUTHENTICATION_TIMEOUT,
        slow_request: Duration::from_secs(1),
        limits: EndpointLimits {
            value_bytes_max: 1 << 20,
            key_bytes_max: 1 << 16,
            name_bytes_max: 512,
            request_bytes_max: 2 << 20,
            in_flight_max: 1024,
            listeners_max: 1024,
        },
    }
}

fn member(node: u64) -> MemberUuid {
    MemberUuid(0xaaaa_0000 + u128::from(node))
}

fn description(node: u64) -> NodeDescription {
    NodeDescription {
        node: NodeId(node),
        member: member(node),
        client_host: Name::from("127.0.0.1"),
        client_port: 5700 + u16::try_from(node).unwrap(),
        raft_address: Name::from("127.0.0.1:5800"),
        admin_address: Name::from("127.0.0.1:5900"),
        version: Name::from("0.1.0"),
    }
}

/// These nodes are listed, the first one owns the partition.
fn view(version: i32, nodes: &[u64]) -> Arc<ClusterView> {
    Arc::new(ClusterView {
        members_version: version,
        members: nodes.iter().copied().map(description).collect(),
        partitions_version: version * 256,
        owner: nodes.first().copied().map(member),
    })
}

/// A string as clients serialise it.
fn blob(text: &str) -> Blob {
    Blob::string(text)
}

/// The same, in a message.
fn text(text: &str) -> Data {
    Data::new(blob(text).bytes().clone())
}

fn from_hex(hex: &str) -> Bytes {
    let digits = hex.as_bytes();
    assert!(digits.len().is_multiple_of(2), "half a byte in {hex}");
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn parse(message: EncodedMessage) -> ClientMessage {
    ClientMessage::parse(message.into_contiguous()).unwrap()
}

/// A message of the table in words: call, kind and content.
fn in_words(message: &ClientMessage) -> String {
    struct Words<'a>(&'a ClientMessage, Option<String>);
    impl MessageVisitor for Words<'_> {
        fn visit<M: Message>(&mut self, name: &str, kind: &str) {
            if M::TYPE == self.0.message_type() {
                let content = M::decode(self.0).unwrap();
                self.1 = Some(format!("{name} {kind} {content:?}"));
            }
        }
    }
    let mut words = Words(message, None);
    statekeeper_protocol::messages::visit(&mut words);
    words.1.unwrap_or_else(|| panic!("{} is not in the table", message.message_type()))
}
