//! `Client.authentication` and `authenticationCustom`. spec: client-protocol 4

use statekeeper_machine::ClusterView;
use statekeeper_protocol::custom::Address;
use statekeeper_protocol::messages::client::{authentication, authentication_custom};
use statekeeper_protocol::{Entries, ProtocolUuid};

use crate::authentication::{Claim, SERIALIZATION_VERSION, Verdict};
use crate::call::{Call, member_uuid};
use crate::cluster_view::{
    PARTITION_COUNT, SERVER_VERSION, address_of, member_list, partition_table,
};
use crate::output::Output;
use crate::step::Handled;

/// The version of a view that this node does not have.
const UNKNOWN: i32 = -1;

/// By user name and password, or by neither.
pub(super) fn plain(request: authentication::Request, call: &mut Call<'_>) -> Handled {
    let wants_views = request.routing_mode.is_some();
    let welcome = judge(
        call,
        Claim {
            cluster_name: request.cluster_name,
            has_credentials: request.username.is_some() || request.password.is_some(),
            uuid: request.uuid,
            serialization_version: request.serialization_version,
            language: request.client_type,
            version: request.client_hazelcast_version,
            name: request.client_name,
            labels: request.labels,
        },
    );
    let views = Some(call.view).filter(|_| wants_views && welcome.member.is_some());
    call.answer(&authentication::Response {
        status: welcome.status,
        address: welcome.address,
        member_uuid: welcome.member,
        serialization_version: welcome.serialization_version,
        server_hazelcast_version: welcome.server_version.to_owned(),
        partition_count: welcome.partition_count,
        cluster_id: welcome.cluster_id,
        failover_supported: false,
        ..views.map(with_views).unwrap_or_default()
    })
}

/// The fields of protocol 2.7. Without them is the short form, as members up to 5.2 send it, and as
/// it does for their clients. From 5.5 on clients expect the views here: they connect to the
/// members they know once they are let in, and do not wait for the view listener to bring more.
/// One that came late would miss a second of events, for want of a connection to the leader.
fn with_views(view: &ClusterView) -> authentication::Response {
    let (member_list_version, members) = member_list(view).unwrap_or((UNKNOWN, Vec::new()));
    let (partition_list_version, partitions) =
        partition_table(view).unwrap_or((UNKNOWN, Entries::default()));
    authentication::Response {
        tpc_ports: Some(None),
        tpc_token: Some(None),
        member_list_version: Some(member_list_version),
        member_infos: Some(members),
        partition_list_version: Some(partition_list_version),
        partitions: Some(partitions),
        ..Default::default()
    }
}

/// By a token.
pub(super) fn custom(request: authentication_custom::Request, call: &mut Call<'_>) -> Handled {
    let welcome = judge(
        call,
        Claim {
            cluster_name: request.cluster_name,
            has_credentials: true,
            uuid: request.uuid,
            serialization_version: request.serialization_version,
            language: request.client_type,
            version: request.client_hazelcast_version,
            name: request.client_name,
            labels: request.labels,
        },
    );
    call.answer(&authentication_custom::Response {
        status: welcome.status,
        address: welcome.address,
        member_uuid: welcome.member,
        serialization_version: welcome.serialization_version,
        server_hazelcast_version: welcome.server_version.to_owned(),
        partition_count: welcome.partition_count,
        cluster_id: welcome.cluster_id,
        failover_supported: false,
        ..Default::default()
    })
}

/// What both answers hold.
struct Welcome {
    status: i8,
    address: Option<Address>,
    member: Option<ProtocolUuid>,
    serialization_version: i8,
    server_version: &'static str,
    partition_count: i32,
    cluster_id: Option<ProtocolUuid>,
}

fn judge(call: &mut Call<'_>, claim: Claim) -> Welcome {
    let settings = call.settings;
    let (verdict, new_client) = call.authentication.judge(&settings.cluster_name, claim);
    if let Some(client) = new_client {
        // Before the answer: what the client sends next may be larger.
        call.outputs.push_back(Output::Authenticated(client.clone()));
    }
    match verdict {
        Verdict::Authenticated => Welcome {
            status: verdict as i8,
            address: Some(address_of(&settings.client_host, settings.client_port)),
            member: Some(member_uuid(settings.member)),
            serialization_version: SERIALIZATION_VERSION,
            server_version: SERVER_VERSION,
            partition_count: PARTITION_COUNT,
            cluster_id: Some(ProtocolUuid::from_u128(settings.cluster_id.0)),
        },
        // What real members fill the rest with.
        Verdict::Refused | Verdict::SerializationMismatch => Welcome {
            status: verdict as i8,
            address: None,
            member: None,
            serialization_version: -1,
            server_version: "",
            partition_count: -1,
            cluster_id: None,
        },
    }
}
