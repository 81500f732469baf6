//! `Listeners`: what a client wants to hear, and which events of the log it is told.
//!
//! Invariant: an event reaches each registration once over all nodes. `localOnly` ones stand on
//! every node, so only the node that proposed the entry tells them; the others stand here alone.
//! spec: client-protocol 9

use std::collections::{BTreeMap, VecDeque};

use statekeeper_machine::{Blob, ClientUuid, EntryEventKind, Event, EventBatch, Name};
use statekeeper_protocol::messages::client::add_distributed_object_listener::DistributedObjectEvent;
use statekeeper_protocol::messages::map::{
    add_entry_listener, add_entry_listener_to_key, add_near_cache_invalidation_listener as near,
};
use statekeeper_protocol::messages::set::add_listener::ItemEvent;
use statekeeper_protocol::{CorrelationId, Message, PartitionId, ProtocolUuid};

use crate::call::data;
use crate::cluster_view::PARTITION;
use crate::exception::Failure;
use crate::output::Output;
use crate::registration::RegistrationIds;

/// Item events: the item came.
const ITEM_ADDED: i32 = 1;
/// Item events: the item went.
const ITEM_REMOVED: i32 = 2;

/// One listener of a client.
#[derive(Clone, Copy, Debug)]
struct Registration {
    id: ProtocolUuid,
    /// Of the request that added it: every event carries it.
    correlation: CorrelationId,
    local_only: bool,
}

/// Who asks for a listener, and how it is to be told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscriber {
    pub(crate) client: ClientUuid,
    pub(crate) correlation: CorrelationId,
    pub(crate) local_only: bool,
}

/// Which events of a map a listener wants.
#[derive(Debug)]
pub(crate) struct EntryFilter {
    /// Of one key; of all when none is given.
    pub(crate) key: Option<Blob>,
    /// With keys' values.
    pub(crate) include_value: bool,
    /// Bits of `EntryEventKind`.
    pub(crate) flags: i32,
}

/// What events name beside what happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Emitter {
    /// The member that tells it.
    pub(crate) member: ProtocolUuid,
    /// The incarnation of the one partition, for near caches.
    pub(crate) partition: ProtocolUuid,
}

/// All listeners of a conversation.
#[derive(Debug)]
pub(crate) struct Listeners {
    ids: RegistrationIds,
    max: usize,
    count: usize,
    entries: BTreeMap<Name, Vec<(Registration, EntryFilter)>>,
    near_caches: BTreeMap<Name, Vec<Registration>>,
    /// With the item or without.
    items: BTreeMap<Name, Vec<(Registration, bool)>>,
    objects: Vec<Registration>,
    /// Registrations that stand on this node alone.
    single: usize,
}

impl Listeners {
    /// None yet, and at most `max`.
    pub(crate) fn new(ids: RegistrationIds, max: usize) -> Self {
        Self {
            ids,
            max,
            count: 0,
            entries: BTreeMap::new(),
            near_caches: BTreeMap::new(),
            items: BTreeMap::new(),
            objects: Vec::new(),
            single: 0,
        }
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Whether events that were skipped are missed: a smart client's listeners may miss some at a
    /// change of leader, a single one must not.
    pub(crate) fn miss_skipped_events(&self) -> bool {
        self.single > 0
    }

    /// An id for something that is no listener here.
    pub(crate) fn draw_id(&mut self, client: ClientUuid) -> ProtocolUuid {
        self.ids.next(client)
    }

    /// Adds a listener for entries of a map.
    pub(crate) fn add_entries(
        &mut self,
        subscriber: Subscriber,
        map: Name,
        filter: EntryFilter,
    ) -> Result<ProtocolUuid, Failure> {
        let registration = self.register(subscriber)?;
        self.entries.entry(map).or_default().push((registration, filter));
        Ok(registration.id)
    }

    /// Adds a listener for what a near cache must drop.
    pub(crate) fn add_near_cache(
        &mut self,
        subscriber: Subscriber,
        map: Name,
    ) -> Result<ProtocolUuid, Failure> {
        let registration = self.register(subscriber)?;
        self.near_caches.entry(map).or_default().push(registration);
        Ok(registration.id)
    }

    /// Adds a listener for items of a set.
    pub(crate) fn add_items(
        &mut self,
        subscriber: Subscriber,
        set: Name,
        include_value: bool,
    ) -> Result<ProtocolUuid, Failure> {
        let registration = self.register(subscriber)?;
        self.items.entry(set).or_default().push((registration, include_value));
        Ok(registration.id)
    }

    /// Adds a listener for distributed objects.
    pub(crate) fn add_objects(&mut self, subscriber: Subscriber) -> Result<ProtocolUuid, Failure> {
        let registration = self.register(subscriber)?;
        self.objects.push(registration);
        Ok(registration.id)
    }

    /// Removes a listener of a map; says whether it was there.
    pub(crate) fn remove_of_map(&mut self, map: &str, id: ProtocolUuid) -> bool {
        let removed = take(&mut self.entries, map, |(own, _)| own.id == id)
            .map(|(registration, _)| registration)
            .or_else(|| take(&mut self.near_caches, map, |own| own.id == id));
        self.unregister(removed)
    }

    /// Removes a listener of a set; says whether it was there.
    pub(crate) fn remove_of_set(&mut self, set: &str, id: ProtocolUuid) -> bool {
        let removed = take(&mut self.items, set, |(own, _)| own.id == id);
        self.unregister(removed.map(|(registration, _)| registration))
    }

    /// Removes a listener for distributed objects; says whether it was there.
    pub(crate) fn remove_of_objects(&mut self, id: ProtocolUuid) -> bool {
        let at = self.objects.iter().position(|own| own.id == id);
        let removed = at.map(|at| self.objects.remove(at));
        self.unregister(removed)
    }

    /// Tells the client what it wants to hear of an applied entry.
    pub(crate) fn tell(
        &self,
        batch: &EventBatch,
        emitter: Emitter,
        outputs: &mut VecDeque<Output>,
    ) {
        let mut told = Told { emits: batch.emitter, emitter, outputs };
        for event in &batch.events {
            match event {
                Event::MapEntry { map, key, value, old_value, kind } => {
                    let values = (value.as_ref(), old_value.as_ref());
                    for (own, filter) in self.entries.get(map).into_iter().flatten() {
                        told.entry(*own, filter, Entry { key, values, kind: *kind });
                    }
                }
                Event::MapWide { map, kind, count } => {
                    for (own, filter) in self.entries.get(map).into_iter().flatten() {
                        told.map_wide(*own, filter, *kind, *count);
                    }
                }
                Event::NearCache { map, key, source, sequence } => {
                    for own in self.near_caches.get(map).into_iter().flatten() {
                        told.invalidation(*own, key.as_ref(), *source, *sequence);
                    }
                }
                Event::SetItem { set, item, added } => {
                    for (own, include_value) in self.items.get(set).into_iter().flatten() {
                        told.item(*own, include_value.then_some(item), *added);
                    }
                }
                Event::Object { service, name, client, created } => {
                    for own in &self.objects {
                        told.object(*own, (service, name), *client, *created);
                    }
                }
                Event::WaitEnded { .. }
                | Event::ViewChanged
                | Event::SessionEnded { .. }
                | Event::OfficeTaken { .. } => {}
            }
        }
    }

    fn register(&mut self, subscriber: Subscriber) -> Result<Registration, Failure> {
        if self.count >= self.max {
            return Err(Failure::Listeners { max: self.max });
        }
        let Subscriber { client, correlation, local_only } = subscriber;
        self.count += 1;
        self.single += usize::from(!local_only);
        Ok(Registration { id: self.ids.next(client), correlation, local_only })
    }

    fn unregister(&mut self, removed: Option<Registration>) -> bool {
        if let Some(registration) = removed {
            self.count -= 1;
            self.single -= usize::from(!registration.local_only);
        }
        removed.is_some()
    }
}

/// Takes the one element that fits out of a map of lists, and an empty list with it.
fn take<T>(lists: &mut BTreeMap<Name, Vec<T>>, name: &str, fits: impl Fn(&T) -> bool) -> Option<T> {
    let list = lists.get_mut(name)?;
    let at = list.iter().position(fits)?;
    let taken = list.remove(at);
    if list.is_empty() {
        lists.remove(name);
    }
    Some(taken)
}

/// A change of one record.
#[derive(Clone, Copy)]
struct Entry<'a> {
    key: &'a Blob,
    /// New and old.
    values: (Option<&'a Blob>, Option<&'a Blob>),
    kind: EntryEventKind,
}

/// Where the events of one batch go.
struct Told<'a> {
    emits: bool,
    emitter: Emitter,
    outputs: &'a mut VecDeque<Output>,
}

impl Told<'_> {
    fn entry(&mut self, own: Registration, filter: &EntryFilter, entry: Entry<'_>) {
        if filter.flags & entry.kind as i32 == 0
            || filter.key.as_ref().is_some_and(|key| key != entry.key)
        {
            return;
        }
        let value = |value: Option<&Blob>| value.filter(|_| filter.include_value).map(data);
        let (new, old) = entry.values;
        let event = add_entry_listener::EntryEvent {
            key: Some(data(entry.key)),
            value: value(new),
            old_value: value(old),
            merging_value: None,
            event_type: entry.kind as i32,
            uuid: self.emitter.member,
            number_of_affected_entries: 1,
        };
        self.send_entry(own, filter, event, PARTITION);
    }

    fn map_wide(
        &mut self,
        own: Registration,
        filter: &EntryFilter,
        kind: EntryEventKind,
        count: u64,
    ) {
        if filter.flags & kind as i32 == 0 {
            return;
        }
        let event = add_entry_listener::EntryEvent {
            key: None,
            value: None,
            old_value: None,
            merging_value: None,
            event_type: kind as i32,
            uuid: self.emitter.member,
            number_of_affected_entries: i32::try_from(count).unwrap_or(i32::MAX),
        };
        self.send_entry(own, filter, event, PartitionId::NONE);
    }

    /// Both messages that add such a listener have the same event under a number of their own.
    fn send_entry(
        &mut self,
        own: Registration,
        filter: &EntryFilter,
        event: add_entry_listener::EntryEvent,
        partition: PartitionId,
    ) {
        if filter.key.is_none() {
            return self.send(own, &event, partition);
        }
        let event = add_entry_listener_to_key::EntryEvent {
            key: event.key,
            value: event.value,
            old_value: event.old_value,
            merging_value: event.merging_value,
            event_type: event.event_type,
            uuid: event.uuid,
            number_of_affected_entries: event.number_of_affected_entries,
        };
        self.send(own, &event, partition);
    }

    fn invalidation(
        &mut self,
        own: Registration,
        key: Option<&Blob>,
        source: ClientUuid,
        sequence: i64,
    ) {
        let event = near::IMapInvalidationEvent {
            key: key.map(data),
            source_uuid: ProtocolUuid::from_u128(source.0),
            partition_uuid: self.emitter.partition,
            sequence,
        };
        let partition = if key.is_some() { PARTITION } else { PartitionId::NONE };
        self.send(own, &event, partition);
    }

    fn item(&mut self, own: Registration, item: Option<&Blob>, added: bool) {
        let event = ItemEvent {
            item: item.map(data),
            uuid: self.emitter.member,
            event_type: if added { ITEM_ADDED } else { ITEM_REMOVED },
        };
        self.send(own, &event, PARTITION);
    }

    fn object(
        &mut self,
        own: Registration,
        (service, name): (&Name, &Name),
        client: ClientUuid,
        created: bool,
    ) {
        let event = DistributedObjectEvent {
            name: name.to_string(),
            service_name: service.to_string(),
            event_type: if created { "CREATED" } else { "DESTROYED" }.to_owned(),
            source: ProtocolUuid::from_u128(client.0),
        };
        self.send(own, &event, PartitionId::NONE);
    }

    fn send(&mut self, own: Registration, event: &impl Message, partition: PartitionId) {
        // req: R-27
        if self.emits || !own.local_only {
            let message = event.encode_with(own.correlation, partition);
            self.outputs.push_back(Output::Send(message));
        }
    }
}
