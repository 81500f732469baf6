//! `ClusterViewListener`: the member list and the partition table as one client sees them.
//!
//! Invariant: a table names listed members only, and its one partition has an owner; a view that
//! says less is kept until it says more. Members are sent before the table that names them.

use std::collections::VecDeque;
use std::time::Instant;

use statekeeper_machine::{ClusterView, MemberUuid, NodeDescription};
use statekeeper_protocol::custom::{Address, EndpointQualifier, MemberInfo, MemberVersion};
use statekeeper_protocol::messages::client::add_cluster_view_listener::{
    MembersViewEvent, PartitionsViewEvent,
};
use statekeeper_protocol::{CorrelationId, Entries, PartitionId, ProtocolUuid};

use crate::call::member_uuid;
use crate::limits;
use crate::output::Output;

/// Partitions of the cluster: one, for the life of every cluster, since clients refuse a member
/// that counts otherwise than the first they met. spec: client-protocol 0
pub(crate) const PARTITION_COUNT: i32 = 1;
/// The partition of every key.
pub(crate) const PARTITION: PartitionId = PartitionId(0);
/// What every member claims to be. Clients only log it and compare; from 5.5 on they would expect
/// fields that are not sent.
pub(crate) const SERVER_VERSION: &str = "5.3.8";
const MEMBER_VERSION: MemberVersion = MemberVersion { major: 5, minor: 3, patch: 8 };

/// The registration of a connection for views, if it has one.
#[derive(Debug, Default)]
pub(crate) struct ClusterViewListener {
    registration: Option<Registered>,
}

#[derive(Clone, Copy, Debug)]
struct Registered {
    correlation: CorrelationId,
    /// When to send again what has not changed.
    repeat_at: Instant,
}

impl ClusterViewListener {
    /// Registers, and sends both views at once. A client that registers again has given up on the
    /// earlier registration.
    pub(crate) fn register(
        &mut self,
        correlation: CorrelationId,
        view: &ClusterView,
        now: Instant,
        outputs: &mut VecDeque<Output>,
    ) {
        self.registration = Some(Registered { correlation, repeat_at: now });
        self.repeat(view, now, outputs);
    }

    /// Whether there is one.
    pub(crate) fn is_registered(&self) -> bool {
        self.registration.is_some()
    }

    /// When `repeat` is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.registration.map(|registered| registered.repeat_at)
    }

    /// Sends both views again, if it is time.
    pub(crate) fn repeat(
        &mut self,
        view: &ClusterView,
        now: Instant,
        outputs: &mut VecDeque<Output>,
    ) {
        let Some(registered) = self.registration.as_mut().filter(|own| own.repeat_at <= now) else {
            return;
        };
        registered.repeat_at = now + limits::VIEW_INTERVAL;
        send_members(view, registered.correlation, outputs);
        send_partitions(view, registered.correlation, outputs);
    }

    /// Sends what changed.
    pub(crate) fn change(
        &self,
        old: &ClusterView,
        new: &ClusterView,
        outputs: &mut VecDeque<Output>,
    ) {
        let Some(Registered { correlation, .. }) = self.registration else { return };
        let members = old.members_version != new.members_version || old.members != new.members;
        if members {
            send_members(new, correlation, outputs);
        }
        // A list that changed may make an owner known that was not listed before.
        if members || old.partitions_version != new.partitions_version || old.owner != new.owner {
            send_partitions(new, correlation, outputs);
        }
    }
}

/// Who to name in an entry event: this node, or a listed one when this node is not listed just now,
/// since clients look the member up. spec: client-protocol 9
pub(crate) fn emitter(view: &ClusterView, own: MemberUuid) -> ProtocolUuid {
    let is_listed = |member: &MemberUuid| view.members.iter().any(|node| node.member == *member);
    let listed = Some(own)
        .filter(is_listed)
        .or(view.owner.filter(is_listed))
        .or(view.members.first().map(|node| node.member));
    member_uuid(listed.unwrap_or(own))
}

fn send_members(view: &ClusterView, correlation: CorrelationId, outputs: &mut VecDeque<Output>) {
    let Some((version, member_infos)) = member_list(view) else { return };
    let event = MembersViewEvent { version, member_infos };
    outputs.push_back(Output::Send(event.encode(correlation, PartitionId::NONE)));
}

fn send_partitions(view: &ClusterView, correlation: CorrelationId, outputs: &mut VecDeque<Output>) {
    let Some((version, partitions)) = partition_table(view) else { return };
    let event = PartitionsViewEvent { version, partitions };
    outputs.push_back(Output::Send(event.encode(correlation, PartitionId::NONE)));
}

/// The members with the version of their list; none while nobody is listed.
pub(crate) fn member_list(view: &ClusterView) -> Option<(i32, Vec<MemberInfo>)> {
    let members: Vec<_> = view.members.iter().map(member_info).collect();
    (!members.is_empty()).then_some((view.members_version, members))
}

/// The partitions of each owner with the version of the table; none while no listed one owns them.
pub(crate) fn partition_table(
    view: &ClusterView,
) -> Option<(i32, Entries<ProtocolUuid, Vec<i32>>)> {
    let listed = |owner: &MemberUuid| view.members.iter().any(|node| node.member == *owner);
    let owner = view.owner.filter(listed)?;
    let partitions = Entries(vec![(member_uuid(owner), (0..PARTITION_COUNT).collect())]);
    Some((view.partitions_version, partitions))
}

fn member_info(node: &NodeDescription) -> MemberInfo {
    let address = address_of(&node.client_host, node.client_port);
    MemberInfo {
        address: address.clone(),
        uuid: member_uuid(node.member),
        attributes: Entries::default(),
        lite_member: false,
        version: MEMBER_VERSION,
        // Without the member qualifier Java 5.1 does not start. spec: client-protocol 2
        address_map: Entries(vec![(EndpointQualifier::MEMBER, address)]),
    }
}

/// An address as clients connect to it.
pub(crate) fn address_of(host: &str, port: u16) -> Address {
    Address { host: host.to_owned(), port: i32::from(port) }
}
