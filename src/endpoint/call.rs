//! `Call`: one request while it is handled, with all of the conversation it may look at or change.

use std::collections::VecDeque;
use std::time::Instant;

use statekeeper_machine::{Blob, Caller, ClientUuid, ClusterView, MemberUuid, Name, ThreadId};
use statekeeper_protocol::{CorrelationId, Data, Message, PartitionId, ProtocolUuid};

use crate::authentication::Authentication;
use crate::cluster_view::ClusterViewListener;
use crate::exception::Failure;
use crate::limits;
use crate::listeners::Listeners;
use crate::output::Output;
use crate::settings::EndpointSettings;
use crate::step::{Handled, Step};

/// One request while it is handled.
pub(crate) struct Call<'a> {
    pub(crate) correlation: CorrelationId,
    pub(crate) now: Instant,
    pub(crate) settings: &'a EndpointSettings,
    pub(crate) view: &'a ClusterView,
    pub(crate) authentication: &'a mut Authentication,
    pub(crate) cluster_view: &'a mut ClusterViewListener,
    pub(crate) listeners: &'a mut Listeners,
    pub(crate) outputs: &'a mut VecDeque<Output>,
}

impl Call<'_> {
    /// Ends the request with this response.
    #[allow(clippy::unnecessary_wraps, reason = "it ends functions that can fail")]
    pub(crate) fn answer(&self, response: &impl Message) -> Handled {
        Ok(Step::Answer(response.encode_with(self.correlation, PartitionId::NONE)))
    }

    /// The client; nil before it authenticated, when no service that asks can be reached.
    pub(crate) fn client(&self) -> ClientUuid {
        self.authentication.client().map_or(ClientUuid(0), |info| info.client)
    }

    /// A thread of the client.
    pub(crate) fn caller(&self, thread: i64) -> Caller {
        Caller { client: self.client(), thread: ThreadId(thread) }
    }

    /// The name of an object, if it is not too long.
    pub(crate) fn name(&self, name: &str) -> Result<Name, Failure> {
        let max = self.settings.limits.name_bytes_max;
        check_size("name", name.len(), (limits::NAME_BYTES_KEY, max))?;
        Ok(Name::from(name))
    }

    /// A key, if it is not null and not too large.
    pub(crate) fn key(&self, key: Data) -> Result<Blob, Failure> {
        let max = self.settings.limits.key_bytes_max;
        blob("key", key, (limits::KEY_BYTES_KEY, max))
    }

    /// A value, if it is not null and not too large.
    pub(crate) fn value(&self, value: Data) -> Result<Blob, Failure> {
        let max = self.settings.limits.value_bytes_max;
        blob("value", value, (limits::VALUE_BYTES_KEY, max))
    }

    /// Keys, all of them good.
    pub(crate) fn keys(&self, keys: Vec<Data>) -> Result<Vec<Blob>, Failure> {
        keys.into_iter().map(|key| self.key(key)).collect()
    }

    /// Values, all of them good.
    pub(crate) fn values(&self, values: Vec<Data>) -> Result<Vec<Blob>, Failure> {
        values.into_iter().map(|value| self.value(value)).collect()
    }

    /// The uuids of all listed members.
    pub(crate) fn members(&self) -> Vec<ProtocolUuid> {
        self.view.members.iter().map(|node| member_uuid(node.member)).collect()
    }
}

/// A member as the protocol writes it.
pub(crate) fn member_uuid(member: MemberUuid) -> ProtocolUuid {
    ProtocolUuid::from_u128(member.0)
}

/// A key or value on its way to the client: the same bytes, shared.
pub(crate) fn data(blob: &Blob) -> Data {
    Data::new(blob.bytes().clone())
}

fn blob(
    what: &'static str,
    data: Data,
    (limit, max): (&'static str, usize),
) -> Result<Blob, Failure> {
    let bytes = data.into_bytes();
    check_size(what, bytes.len(), (limit, max))?;
    // spec: client-protocol 7
    Blob::new(bytes).ok_or(Failure::NullArgument { argument: what })
}

/// Refuses what is larger than a setting allows.
pub(crate) fn check_size(
    what: &'static str,
    bytes: usize,
    (limit, max): (&'static str, usize),
) -> Result<(), Failure> {
    if bytes > max { Err(Failure::TooLarge { what, bytes, limit, max }) } else { Ok(()) }
}
