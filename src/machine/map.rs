//! `Map`: the records of one map, and every change of them.
//!
//! Invariant: `bytes`, `ranks`, `idle_records` and the deadlines say exactly what the records say.
//! Who may change a locked key is decided before anything here is called; see `maps.rs`.

use std::collections::BTreeSet;

use crate::accounting::{MAP_BYTES, record_bytes};
use crate::blob::Blob;
use crate::command::{Eviction, Lifetime, MapChange, MapSettings, PutMode, Touch};
use crate::cow_map::{CowMap, Place};
use crate::event::{EntryEventKind, Event};
use crate::expiry::{Due, Step};
use crate::ids::{ClientUuid, ClusterTime, Name};
use crate::map_lock::MapLocks;
use crate::outcome::{MapView, Outcome, Reply};
use crate::record::Record;

/// Hits (for `Lfu`, else 0), last use, key: the first goes first.
pub(crate) type Rank = (u64, ClusterTime, Blob);

/// One map.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) settings: MapSettings,
    pub(crate) records: CowMap<Blob, Record>,
    pub(crate) expirations: u64,
    pub(crate) evictions: u64,
    /// The near-cache sequence: one for each event since the map exists.
    pub(crate) sequence: i64,
    bytes: u64,
    ranks: BTreeSet<Rank>,
    idle_records: u64,
}

/// What a change of a map needs beside the map.
pub(crate) struct MapStep<'a, 's> {
    pub(crate) name: &'a Name,
    pub(crate) source: ClientUuid,
    /// The last record version given, over all maps.
    pub(crate) version: &'a mut u64,
    pub(crate) locks: &'a MapLocks,
    pub(crate) step: &'a mut Step<'s>,
}

impl MapStep<'_, '_> {
    fn next_version(&mut self) -> u64 {
        *self.version += 1;
        *self.version
    }

    fn is_locked(&self, key: &Blob) -> bool {
        self.locks.holder(self.name, key).is_some()
    }
}

impl Map {
    pub(crate) fn new(name: &Name, settings: MapSettings, sequence: i64) -> Self {
        Self {
            settings,
            records: CowMap::default(),
            expirations: 0,
            evictions: 0,
            sequence,
            bytes: MAP_BYTES + name.len() as u64,
            ranks: BTreeSet::new(),
            idle_records: 0,
        }
    }

    /// Accounted bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether reads are of interest: for idle times or for eviction.
    pub(crate) fn wants_touches(&self) -> bool {
        self.settings.max_idle_ms > 0 || self.idle_records > 0 || self.is_limited()
    }

    /// The map as it stands in lists.
    pub(crate) fn view(&self, name: &Name, locks: &MapLocks) -> MapView {
        MapView {
            name: name.clone(),
            records: self.records.len() as u64,
            bytes: self.bytes,
            settings: self.settings,
            expirations: self.expirations,
            evictions: self.evictions,
            locked_keys: locks.locked_keys(name),
        }
    }

    /// Applies a change that no lock stands against. Locks themselves are not a change of the
    /// records.
    pub(crate) fn change(&mut self, cx: &mut MapStep<'_, '_>, change: MapChange) -> Reply {
        let outcome = match change {
            MapChange::Put { key, value, ttl, max_idle, mode } => {
                self.put(cx, &key, &value, (ttl, max_idle), mode)
            }
            MapChange::PutAll { entries } => {
                for (key, value) in &entries {
                    let found = self.records.find(key);
                    self.write(cx, found, key, value, DEFAULT_LIFETIMES);
                }
                Outcome::Done
            }
            MapChange::ReplaceIfSame { key, expected, value } => {
                let found = self.records.find(&key);
                let same = found.is_ok_and(|place| self.value_at(place) == &expected);
                if same {
                    self.write(cx, found, &key, &value, DEFAULT_LIFETIMES);
                }
                Outcome::Flag(same)
            }
            MapChange::Remove { key } => Outcome::Value(self.remove(cx, &key, |_| true)),
            MapChange::TryRemove { key, .. } => {
                // The flag says that the lock did not stand in the way and something was there.
                Outcome::Flag(self.remove(cx, &key, |_| true).is_some())
            }
            MapChange::RemoveIfSame { key, expected } => {
                let removed = self.remove(cx, &key, |record| record.value == expected);
                Outcome::Flag(removed.is_some())
            }
            MapChange::RemoveIfVersion { key, expected } => {
                let removed = self.remove(cx, &key, |record| record.version == expected);
                Outcome::Flag(removed.is_some())
            }
            MapChange::RemoveAll => {
                self.remove_all(cx);
                Outcome::Done
            }
            MapChange::Clear => {
                self.clear(cx);
                Outcome::Done
            }
            MapChange::Evict { key } => {
                let place = self.records.find(&key);
                if let Ok(place) = place {
                    self.take(cx, place, EntryEventKind::Evicted);
                }
                Outcome::Flag(place.is_ok())
            }
            MapChange::EvictAll => Outcome::Count(self.evict_all(cx)),
            MapChange::SetTtl { key, ttl } => Outcome::Flag(self.set_ttl(cx, &key, ttl)),
            MapChange::PutIfVersion { key, value, ttl, expected } => {
                let found = self.records.find(&key);
                let version = found.ok().map(|place| self.records.at(place).1.version);
                if version == expected {
                    self.write(cx, found, &key, &value, (ttl, Lifetime::Default));
                }
                Outcome::Flag(version == expected)
            }
            MapChange::Configure(settings) => {
                self.configure(cx, settings);
                Outcome::Done
            }
            MapChange::Lock { .. } | MapChange::Unlock { .. } | MapChange::ForceUnlock { .. } => {
                Outcome::Done
            }
        };
        Ok(outcome)
    }

    fn put(
        &mut self,
        cx: &mut MapStep<'_, '_>,
        key: &Blob,
        value: &Blob,
        lifetimes: (Lifetime, Lifetime),
        mode: PutMode,
    ) -> Outcome {
        let found = self.records.find(key);
        match (mode, found) {
            (PutMode::IfAbsent, Ok(place)) => {
                let there = self.value_at(place).clone();
                if self.wants_touches() {
                    self.read_at(cx, place, cx.step.now, 1);
                }
                Outcome::Value(Some(there))
            }
            (PutMode::IfPresent, Err(_)) => Outcome::Value(None),
            (PutMode::Put | PutMode::IfAbsent | PutMode::IfPresent, _) => {
                Outcome::Value(self.write(cx, found, key, value, lifetimes))
            }
            (PutMode::Set, _) => {
                self.write(cx, found, key, value, lifetimes);
                Outcome::Done
            }
            (PutMode::Try { .. }, _) => {
                self.write(cx, found, key, value, lifetimes);
                Outcome::Flag(true)
            }
        }
    }

    /// Writes a value where the key was found, or is missing; returns the old value.
    pub(crate) fn write(
        &mut self,
        cx: &mut MapStep<'_, '_>,
        found: Result<Place, Place>,
        key: &Blob,
        value: &Blob,
        (ttl, max_idle): (Lifetime, Lifetime),
    ) -> Option<Blob> {
        let now = cx.step.now;
        let value = value.detached();
        let version = cx.next_version();
        let place = match found {
            Ok(place) => place,
            Err(place) => {
                let place = if self.make_room(cx, 1) { self.missing(key) } else { place };
                let key = key.detached();
                self.bytes += record_bytes(&key, &value);
                let mut record = Record::new(value.clone(), version, now);
                record.live(ttl, &self.settings, now);
                record.idle(max_idle, &self.settings);
                self.list(cx, &key, &record);
                self.records.insert_at(place, key.clone(), record);
                self.tell(cx, key, Some(value), None, EntryEventKind::Added);
                return None;
            }
        };
        self.unlist(cx, place);
        let settings = self.settings;
        let (own, record) = self.records.at_mut(place);
        let own = own.clone();
        let old = std::mem::replace(&mut record.value, value.clone());
        record.version = version;
        record.updated_at = now;
        record.live(ttl, &settings, now);
        record.idle(max_idle, &settings);
        self.bytes = self.bytes + value.len() as u64 - old.len() as u64;
        self.relist(cx, place);
        self.tell(cx, own, Some(value), Some(old.clone()), EntryEventKind::Updated);
        Some(old)
    }

    /// Removes a record that is there and fits; returns its value.
    pub(crate) fn remove(
        &mut self,
        cx: &mut MapStep<'_, '_>,
        key: &Blob,
        fits: impl FnOnce(&Record) -> bool,
    ) -> Option<Blob> {
        let place = self.records.find(key).ok()?;
        fits(&self.records.at(place).1).then(|| self.take(cx, place, EntryEventKind::Removed))
    }

    /// Ends a record whose time has come.
    pub(crate) fn expire(&mut self, cx: &mut MapStep<'_, '_>, key: &Blob) {
        if let Ok(place) = self.records.find(key) {
            self.expirations += 1;
            self.take(cx, place, EntryEventKind::Expired);
        }
    }

    /// Notes reads; those before the record was made are not its own.
    pub(crate) fn touch(&mut self, cx: &mut MapStep<'_, '_>, touch: &Touch) {
        let Ok(place) = self.records.find(&touch.key) else { return };
        if touch.at >= self.records.at(place).1.created_at {
            self.read_at(cx, place, touch.at.min(cx.step.now), touch.reads);
        }
    }

    /// Takes every record away without events, as a destroyed map does.
    pub(crate) fn drop_records(&mut self, cx: &mut MapStep<'_, '_>) -> Vec<(Blob, Record)> {
        let records = std::mem::take(&mut self.records);
        let mut gone = Vec::with_capacity(records.len());
        for (key, record) in records.freeze().into_entries() {
            self.bytes -= record_bytes(&key, &record.value);
            forget_deadlines(cx, &key, &record);
            gone.push((key, record));
        }
        self.ranks.clear();
        self.idle_records = 0;
        gone
    }

    /// Tells near caches to drop everything.
    pub(crate) fn tell_near_caches(&mut self, cx: &mut MapStep<'_, '_>, key: Option<Blob>) {
        self.sequence += 1;
        cx.step.events.push(Event::NearCache {
            map: cx.name.clone(),
            key,
            source: cx.source,
            sequence: self.sequence,
        });
    }

    /// Takes over a record of an image.
    pub(crate) fn restore_record(&mut self, cx: &mut MapStep<'_, '_>, key: Blob, record: Record) {
        if let Err(place) = self.records.find(&key) {
            self.bytes += record_bytes(&key, &record.value);
            self.list(cx, &key, &record);
            self.records.insert_at(place, key, record);
        }
    }

    /// All that is derived from the records: bytes, ranks, and how many have an idle time.
    #[cfg(test)]
    pub(crate) fn derived(&self) -> (u64, &BTreeSet<Rank>, u64) {
        (self.bytes, &self.ranks, self.idle_records)
    }

    /// What `bytes` must say.
    pub(crate) fn recount(&self, name: &Name) -> u64 {
        let records: u64 = self.records.iter().map(|(k, r)| record_bytes(k, &r.value)).sum();
        MAP_BYTES + name.len() as u64 + records
    }

    fn value_at(&self, place: Place) -> &Blob {
        &self.records.at(place).1.value
    }

    /// Where a key that is not there belongs.
    fn missing(&self, key: &Blob) -> Place {
        match self.records.find(key) {
            Ok(place) | Err(place) => place,
        }
    }

    fn take(&mut self, cx: &mut MapStep<'_, '_>, place: Place, kind: EntryEventKind) -> Blob {
        self.unlist(cx, place);
        let (key, record) = self.records.remove_at(place);
        self.bytes -= record_bytes(&key, &record.value);
        self.tell(cx, key, None, Some(record.value.clone()), kind);
        record.value
    }

    fn remove_all(&mut self, cx: &mut MapStep<'_, '_>) {
        for (key, record) in self.drop_records(cx) {
            self.tell(cx, key, None, Some(record.value), EntryEventKind::Removed);
        }
    }

    fn clear(&mut self, cx: &mut MapStep<'_, '_>) {
        let count = self.drop_unlocked(cx);
        self.tell_wide(cx, EntryEventKind::ClearAll, count);
    }

    fn evict_all(&mut self, cx: &mut MapStep<'_, '_>) -> u64 {
        let count = self.drop_unlocked(cx);
        self.evictions += count;
        self.tell_wide(cx, EntryEventKind::EvictAll, count);
        count
    }

    /// Takes every record away whose key is not locked, without events of its own; says how many
    /// went.
    fn drop_unlocked(&mut self, cx: &mut MapStep<'_, '_>) -> u64 {
        let kept: Vec<Blob> =
            cx.locks.locked(cx.name).filter(|key| self.records.contains(key)).cloned().collect();
        let mut count = 0;
        let mut restored = Vec::with_capacity(kept.len());
        for (key, record) in self.drop_records(cx) {
            if kept.binary_search(&key).is_ok() {
                restored.push((key, record));
            } else {
                count += 1;
            }
        }
        for (key, record) in restored {
            self.restore_record(cx, key, record);
        }
        count
    }

    fn set_ttl(&mut self, cx: &mut MapStep<'_, '_>, key: &Blob, ttl: Lifetime) -> bool {
        let Ok(place) = self.records.find(key) else { return false };
        self.unlist(cx, place);
        let settings = self.settings;
        let record = &mut self.records.at_mut(place).1;
        record.live(ttl, &settings, cx.step.now);
        // As with real members this is a use of the record: its idle time begins anew.
        record.accessed_at = cx.step.now;
        self.relist(cx, place);
        self.tell_near_caches(cx, Some(key.detached()));
        true
    }

    fn configure(&mut self, cx: &mut MapStep<'_, '_>, settings: MapSettings) {
        self.settings = settings;
        self.ranks = if self.is_limited() {
            self.records.iter().map(|(key, record)| self.rank(key, record)).collect()
        } else {
            BTreeSet::new()
        };
        self.make_room(cx, 0);
    }

    /// Evicts until `more` records fit; says whether any went. Locked keys stay.
    fn make_room(&mut self, cx: &mut MapStep<'_, '_>, more: u64) -> bool {
        let mut evicted = false;
        while self.is_limited() && self.records.len() as u64 + more > self.settings.max_entries {
            let Some(key) =
                self.ranks.iter().map(|(_, _, key)| key).find(|key| !cx.is_locked(key)).cloned()
            else {
                break;
            };
            let Ok(place) = self.records.find(&key) else { break };
            self.evictions += 1;
            self.take(cx, place, EntryEventKind::Evicted);
            evicted = true;
        }
        evicted
    }

    fn is_limited(&self) -> bool {
        self.settings.max_entries > 0 && self.settings.eviction != Eviction::None
    }

    fn rank(&self, key: &Blob, record: &Record) -> Rank {
        let hits = if self.settings.eviction == Eviction::Lfu { record.hits } else { 0 };
        (hits, record.used_at(), key.clone())
    }

    fn read_at(&mut self, cx: &mut MapStep<'_, '_>, place: Place, at: ClusterTime, reads: u32) {
        self.unlist(cx, place);
        let record = &mut self.records.at_mut(place).1;
        record.accessed_at = record.accessed_at.max(at);
        record.hits = record.hits.saturating_add(u64::from(reads));
        self.relist(cx, place);
    }

    fn list(&mut self, cx: &mut MapStep<'_, '_>, key: &Blob, record: &Record) {
        if self.is_limited() {
            let rank = self.rank(key, record);
            self.ranks.insert(rank);
        }
        if let Some(at) = record.lives_until() {
            cx.step.deadlines.add(at, due(cx.name, key));
        }
        if let Some(at) = record.idle_until() {
            self.idle_records += 1;
            cx.step.deadlines.add_idle(at, due(cx.name, key));
        }
    }

    fn relist(&mut self, cx: &mut MapStep<'_, '_>, place: Place) {
        if self.is_limited() || has_deadline(&self.records.at(place).1) {
            let (key, record) = self.records.at(place).clone();
            self.list(cx, &key, &record);
        }
    }

    fn unlist(&mut self, cx: &mut MapStep<'_, '_>, place: Place) {
        let (key, record) = self.records.at(place);
        forget_deadlines(cx, key, record);
        let rank = self.is_limited().then(|| self.rank(key, record));
        self.idle_records -= u64::from(record.idle_until().is_some());
        if let Some(rank) = rank {
            self.ranks.remove(&rank);
        }
    }

    fn tell(
        &mut self,
        cx: &mut MapStep<'_, '_>,
        key: Blob,
        value: Option<Blob>,
        old_value: Option<Blob>,
        kind: EntryEventKind,
    ) {
        let map = cx.name.clone();
        cx.step.events.push(Event::MapEntry { map, key: key.clone(), value, old_value, kind });
        self.tell_near_caches(cx, Some(key));
    }

    fn tell_wide(&mut self, cx: &mut MapStep<'_, '_>, kind: EntryEventKind, count: u64) {
        if count > 0 {
            cx.step.events.push(Event::MapWide { map: cx.name.clone(), kind, count });
            self.tell_near_caches(cx, None);
        }
    }
}

const DEFAULT_LIFETIMES: (Lifetime, Lifetime) = (Lifetime::Default, Lifetime::Default);

fn due(map: &Name, key: &Blob) -> Due {
    Due::Record { map: map.clone(), key: key.clone() }
}

fn has_deadline(record: &Record) -> bool {
    record.lives_until().is_some() || record.idle_until().is_some()
}

/// Takes a record off both lists of deadlines. One that is ended by a list is off it already.
fn forget_deadlines(cx: &mut MapStep<'_, '_>, key: &Blob, record: &Record) {
    if let Some(at) = record.lives_until() {
        cx.step.deadlines.remove(at, due(cx.name, key));
    }
    if let Some(at) = record.idle_until() {
        cx.step.deadlines.remove_idle(at, due(cx.name, key));
    }
}
