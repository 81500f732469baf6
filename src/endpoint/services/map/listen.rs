//! Listeners of maps, and what near caches ask.

use statekeeper_machine::{Answer, Name, Query};
use statekeeper_protocol::messages::map::{
    add_entry_listener, add_entry_listener_to_key, add_near_cache_invalidation_listener,
    fetch_near_cache_invalidation_metadata, remove_entry_listener,
};
use statekeeper_protocol::{Entries, ProtocolUuid};

use crate::call::Call;
use crate::cluster_view::PARTITION;
use crate::exception::Failure;
use crate::listeners::{EntryFilter, Subscriber};
use crate::services::unexpected;
use crate::step::{Handled, Step};

/// `Map.addEntryListener`.
pub(super) fn add(request: &add_entry_listener::Request, call: &mut Call<'_>) -> Handled {
    let map = call.name(&request.name)?;
    let filter = EntryFilter {
        key: None,
        include_value: request.include_value,
        flags: request.listener_flags,
    };
    let response = call.listeners.add_entries(subscriber(call, request.local_only), map, filter)?;
    call.answer(&add_entry_listener::Response { response })
}

/// `Map.addEntryListenerToKey`.
pub(super) fn add_to_key(
    request: add_entry_listener_to_key::Request,
    call: &mut Call<'_>,
) -> Handled {
    let map = call.name(&request.name)?;
    let filter = EntryFilter {
        // Out of the message it came in: a listener may live for weeks.
        key: Some(call.key(request.key)?.detached()),
        include_value: request.include_value,
        flags: request.listener_flags,
    };
    let response = call.listeners.add_entries(subscriber(call, request.local_only), map, filter)?;
    call.answer(&add_entry_listener_to_key::Response { response })
}

/// `Map.removeEntryListener`, for near caches too.
pub(super) fn remove(request: &remove_entry_listener::Request, call: &mut Call<'_>) -> Handled {
    let response = call.listeners.remove_of_map(&request.name, request.registration_id);
    call.answer(&remove_entry_listener::Response { response })
}

/// `Map.addNearCacheInvalidationListener`.
pub(super) fn add_near_cache(
    request: &add_near_cache_invalidation_listener::Request,
    call: &mut Call<'_>,
) -> Handled {
    let map = call.name(&request.name)?;
    let response = call.listeners.add_near_cache(subscriber(call, request.local_only), map)?;
    call.answer(&add_near_cache_invalidation_listener::Response { response })
}

/// `Map.fetchNearCacheInvalidationMetadata`: there is one partition, and one answer to all members.
pub(super) fn near_cache_metadata(
    request: &fetch_near_cache_invalidation_metadata::Request,
    call: &Call<'_>,
) -> Handled {
    let names = request.names.iter().map(|name| call.name(name));
    let maps = names.collect::<Result<Vec<_>, Failure>>()?;
    Step::read(Query::NearCacheSequences { maps }, |answer, call| {
        let Answer::Sequences(sequences) = answer else { return unexpected("sequences") };
        let of_map = |(name, sequence): (Name, i64)| {
            (name.to_string(), Entries(vec![(PARTITION.0, sequence)]))
        };
        let partition = ProtocolUuid::from_u128(call.settings.cluster_id.0);
        call.answer(&fetch_near_cache_invalidation_metadata::Response {
            name_partition_sequence_list: sequences.into_iter().map(of_map).collect(),
            partition_uuid_list: Entries(vec![(PARTITION.0, partition)]),
        })
    })
}

fn subscriber(call: &Call<'_>, local_only: bool) -> Subscriber {
    Subscriber { client: call.client(), correlation: call.correlation, local_only }
}
