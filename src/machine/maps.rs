//! `Maps`: all maps with their locks, and the order in which calls on locked keys happen.
//!
//! A call on a key that another thread holds joins the key's queue. When the hold ends, the queue
//! is served in order: writes happen until somebody locks the key again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::blob::Blob;
use crate::command::{Caller, Lifetime, MapChange, MapSettings, PutMode, Touch};
use crate::event::WaitKey;
use crate::expiry::Step;
use crate::ids::{ClientUuid, Name};
use crate::limits;
use crate::map::{Map, MapStep};
use crate::map_lock::{Holder, KeyLock, LockCall, MapLocks, MapWait, is_lock};
use crate::outcome::{MapView, Outcome, Rejection, Reply};
use crate::proposal::Origin;

/// Where coordinators are announced; kept by `RegisterCoordinator`.
const DISCOVERY_MAP: &str = "discovery-service";

/// All maps.
#[derive(Debug, Default)]
pub(crate) struct Maps {
    pub(crate) maps: BTreeMap<Name, Map>,
    pub(crate) settings: Arc<BTreeMap<Name, MapSettings>>,
    pub(crate) locks: Arc<MapLocks>,
    /// The last record version given.
    pub(crate) version: u64,
    /// A new map's near-cache sequence starts here, so that it never falls when a map is destroyed
    /// and made again.
    pub(crate) sequence_floor: i64,
    bytes: u64,
}

/// Who wants what of which map.
pub(crate) struct MapCall<'a> {
    pub(crate) map: &'a Name,
    pub(crate) caller: Caller,
    pub(crate) origin: Option<Origin>,
}

impl Maps {
    /// Accounted bytes of maps and locks.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes + self.locks.bytes()
    }

    /// What `bytes` must say.
    pub(crate) fn recount(&self) -> u64 {
        let maps: u64 = self.maps.iter().map(|(name, map)| map.recount(name)).sum();
        maps + self.locks.recount()
    }

    pub(crate) fn view(&self, name: &str) -> Option<MapView> {
        let (name, map) = self.maps.get_key_value(name)?;
        Some(map.view(name, &self.locks))
    }

    pub(crate) fn views(&self) -> Vec<MapView> {
        self.maps.iter().map(|(name, map)| map.view(name, &self.locks)).collect()
    }

    /// Applies a call, or lets it wait.
    pub(crate) fn apply(
        &mut self,
        step: &mut Step<'_>,
        call: &MapCall<'_>,
        change: MapChange,
    ) -> Reply {
        match change {
            MapChange::Lock { key, lease_ms, timeout_ms, reference } => {
                self.lock(step, call, key, (lease_ms, timeout_ms), reference)
            }
            MapChange::Unlock { key, reference } => {
                self.unlock(step, call, &key, (LockCall::Unlock, reference))
            }
            MapChange::ForceUnlock { key, reference } => {
                self.unlock(step, call, &key, (LockCall::ForceUnlock, reference))
            }
            MapChange::Configure(settings) => {
                // Settings stay when their map is destroyed, so they are bounded by themselves.
                if !self.settings.contains_key(call.map) && self.settings.len() >= limits::MAPS_MAX
                {
                    return Err(limits::reached("maps-max", limits::MAPS_MAX));
                }
                self.ensure(call.map)?;
                Arc::make_mut(&mut self.settings).insert(call.map.clone(), settings);
                self.change(step, call.map, call.caller, MapChange::Configure(settings))
            }
            change => match self.obstacle(call.map, call.caller, &change) {
                None => self.change(step, call.map, call.caller, change),
                Some(key) => self.block(step, call, &key, change),
            },
        }
    }

    /// Whether there is room for those that are new.
    pub(crate) fn admit<'n>(&self, names: impl Iterator<Item = &'n Name>) -> Result<(), Rejection> {
        let new = names.filter(|name| !self.maps.contains_key(&**name)).count();
        if new > 0 && self.maps.len() + new > limits::MAPS_MAX {
            return Err(limits::reached("maps-max", limits::MAPS_MAX));
        }
        Ok(())
    }

    /// Makes a map exist.
    pub(crate) fn ensure(&mut self, name: &Name) -> Result<(), Rejection> {
        if self.maps.contains_key(name) {
            return Ok(());
        }
        if self.maps.len() >= limits::MAPS_MAX {
            return Err(limits::reached("maps-max", limits::MAPS_MAX));
        }
        let settings = self.settings.get(name).copied().unwrap_or_default();
        let map = Map::new(name, settings, self.sequence_floor);
        self.bytes += map.bytes();
        self.maps.insert(name.clone(), map);
        Ok(())
    }

    /// Takes over a map of an image, without its records.
    pub(crate) fn restore(&mut self, name: Name, map: Map) {
        self.bytes += map.bytes();
        self.maps.insert(name, map);
    }

    /// Destroys a map: records go without events, waiting calls end.
    pub(crate) fn destroy(&mut self, step: &mut Step<'_>, name: &Name, client: ClientUuid) -> bool {
        let keys: Vec<Blob> = self.locks.locked(name).cloned().collect();
        for key in keys {
            let locks = Arc::make_mut(&mut self.locks);
            let freed = locks.free(step, name, &key);
            for wait in freed.into_iter().flat_map(|(_, waits)| waits) {
                locks.end(step, wait, Err(Rejection::ObjectDestroyed { name: name.clone() }));
            }
        }
        let existed = self.on_map(step, name, client, |map, cx| {
            map.drop_records(cx);
            map.tell_near_caches(cx, None);
        });
        if let Some(map) = self.maps.remove(name) {
            self.bytes -= map.bytes();
            self.sequence_floor = self.sequence_floor.max(map.sequence);
        }
        existed.is_some()
    }

    /// Notes reads.
    pub(crate) fn touch(&mut self, step: &mut Step<'_>, touches: &[Touch]) {
        for touch in touches {
            self.on_map(step, &touch.map, NOBODY, |map, cx| map.touch(cx, touch));
        }
    }

    /// Ends a record whose time to live or idle time is over.
    pub(crate) fn end_record(&mut self, step: &mut Step<'_>, name: &Name, key: &Blob) {
        self.on_map(step, name, NOBODY, |map, cx| map.expire(cx, key));
    }

    /// Ends a hold whose lease is over.
    pub(crate) fn end_lease(&mut self, step: &mut Step<'_>, map: &Name, key: &Blob) {
        self.release(step, map, key);
    }

    /// Ends a wait that took too long.
    pub(crate) fn end_wait(&mut self, step: &mut Step<'_>, id: &WaitKey) {
        let locks = Arc::make_mut(&mut self.locks);
        if let Some(wait) = locks.withdraw(id) {
            let reply = given_up(&wait.change);
            locks.end(step, wait, reply);
        }
    }

    /// Ends all waits and holds of a client that is gone.
    pub(crate) fn release_client(&mut self, step: &mut Step<'_>, client: ClientUuid) {
        let keys = self.locks.keys_of(client);
        for (map, key) in &keys {
            self.cancel_waits(step, map, key, client);
        }
        for (map, key) in &keys {
            if self.locks.holder(map, key).is_some_and(|holder| holder.caller.client == client) {
                self.release(step, map, key);
            }
        }
    }

    /// Makes the discovery map hold exactly this one record.
    pub(crate) fn register_coordinator(
        &mut self,
        step: &mut Step<'_>,
        host: &Blob,
        port: &Blob,
    ) -> Reply {
        let name = Name::from(DISCOVERY_MAP);
        self.ensure(&name)?;
        self.on_map(step, &name, NOBODY, |map, cx| {
            let others: Vec<Blob> = map
                .records
                .iter()
                .map(|(key, _)| key)
                .filter(|key| *key != host)
                .cloned()
                .collect();
            for key in others {
                map.remove(cx, &key, |_| true);
            }
            let found = map.records.find(host);
            if found.is_err() || found.is_ok_and(|place| map.records.at(place).1.value != *port) {
                let lifetimes = (Lifetime::Default, Lifetime::Default);
                map.write(cx, found, host, port, lifetimes);
            }
        });
        Ok(Outcome::Done)
    }

    /// Lets `act` change a map that exists, and keeps the sum of bytes.
    pub(crate) fn on_map<R>(
        &mut self,
        step: &mut Step<'_>,
        name: &Name,
        source: ClientUuid,
        act: impl FnOnce(&mut Map, &mut MapStep<'_, '_>) -> R,
    ) -> Option<R> {
        let map = self.maps.get_mut(name)?;
        let before = map.bytes();
        let version = &mut self.version;
        let mut cx = MapStep { name, source, version, locks: &self.locks, step };
        let result = act(map, &mut cx);
        self.bytes = self.bytes + map.bytes() - before;
        Some(result)
    }

    fn change(
        &mut self,
        step: &mut Step<'_>,
        map: &Name,
        caller: Caller,
        change: MapChange,
    ) -> Reply {
        if !self.maps.contains_key(map) {
            self.ensure(map)?;
        }
        self.on_map(step, map, caller.client, |map, cx| map.change(cx, change))
            .expect("the map was ensured above")
    }

    /// The first key of a change that somebody else has locked.
    fn obstacle(&self, map: &str, caller: Caller, change: &MapChange) -> Option<Blob> {
        if self.locks.locked_keys(map) == 0 {
            return None;
        }
        match change {
            MapChange::Put { key, .. }
            | MapChange::ReplaceIfSame { key, .. }
            | MapChange::Remove { key }
            | MapChange::TryRemove { key, .. }
            | MapChange::RemoveIfSame { key, .. }
            | MapChange::Evict { key }
            | MapChange::SetTtl { key, .. }
            | MapChange::PutIfVersion { key, .. }
            | MapChange::RemoveIfVersion { key, .. } => {
                self.locks.is_held_by_other(map, key, caller).then(|| key.clone())
            }
            MapChange::PutAll { entries } => entries
                .iter()
                .map(|(key, _)| key)
                .filter(|key| self.locks.is_held_by_other(map, key, caller))
                .min()
                .cloned(),
            MapChange::RemoveAll => {
                let records = &self.maps.get(map)?.records;
                self.locks.held_by_others(map, caller).find(|key| records.contains(key)).cloned()
            }
            MapChange::Clear
            | MapChange::EvictAll
            | MapChange::Lock { .. }
            | MapChange::Unlock { .. }
            | MapChange::ForceUnlock { .. }
            | MapChange::Configure(_) => None,
        }
    }

    /// Lets a write wait for a key.
    fn block(
        &mut self,
        step: &mut Step<'_>,
        call: &MapCall<'_>,
        key: &Blob,
        change: MapChange,
    ) -> Reply {
        let Some(id) = change.wait_key(call.map, call.caller, call.origin.as_ref()) else {
            return given_up(&change);
        };
        let timeout_ms = match change {
            MapChange::Put { mode: PutMode::Try { timeout_ms }, .. }
            | MapChange::TryRemove { timeout_ms, .. } => timeout_ms,
            _ => limits::BLOCKED_WRITE_MS,
        };
        let until = Some(step.now.plus_ms(timeout_ms));
        let change = change.detached();
        let wait = MapWait { key: id, caller: call.caller, until, change };
        self.enqueue(step, call.map, key, wait)
    }

    fn enqueue(&mut self, step: &mut Step<'_>, map: &Name, key: &Blob, wait: MapWait) -> Reply {
        match Arc::make_mut(&mut self.locks).queue(step, map, key, wait) {
            None => Ok(Outcome::Waiting),
            Some(_) => Err(limits::reached("waits-per-lock-max", limits::WAITS_PER_LOCK_MAX)),
        }
    }

    fn lock(
        &mut self,
        step: &mut Step<'_>,
        call: &MapCall<'_>,
        key: Blob,
        (lease_ms, timeout_ms): (Option<u64>, Option<u64>),
        reference: i64,
    ) -> Reply {
        let (map, caller) = (call.map, call.caller);
        // What is kept of the call shares this one copy.
        let key = key.detached();
        let id = WaitKey::MapLock { map: map.clone(), key: key.clone(), caller, reference };
        if let Some(reply) = self.locks.memo(&id, LockCall::Wait) {
            return reply.clone();
        }
        if self.locks.is_open(&id) {
            return Ok(Outcome::Waiting);
        }
        let got = match self.locks.holder(map, &key) {
            None => {
                if self.locks.is_full() {
                    return Err(limits::reached("map-locks-max", limits::MAP_LOCKS_MAX));
                }
                self.ensure(map)?;
                self.grant(step, map, key, (caller, lease_ms), VecDeque::new());
                true
            }
            Some(holder) if holder.caller == caller => {
                self.hold_again(step, map, &key, lease_ms);
                true
            }
            Some(_) if timeout_ms == Some(0) => false,
            Some(_) => {
                let until = timeout_ms.map(|ms| step.now.plus_ms(ms));
                let change = MapChange::Lock { key: key.clone(), lease_ms, timeout_ms, reference };
                return self.enqueue(step, map, &key, MapWait { key: id, caller, until, change });
            }
        };
        let reply = Ok(Outcome::Flag(got));
        let locks = Arc::make_mut(&mut self.locks);
        locks.remember(step.now, id, LockCall::Wait, reply.clone());
        reply
    }

    fn unlock(
        &mut self,
        step: &mut Step<'_>,
        call: &MapCall<'_>,
        key: &Blob,
        (kind, reference): (LockCall, i64),
    ) -> Reply {
        let (map, caller) = (call.map, call.caller);
        let kept = key.detached();
        let id = WaitKey::MapLock { map: map.clone(), key: kept, caller, reference };
        if let Some(reply) = self.locks.memo(&id, kind) {
            return reply.clone();
        }
        let holder = self.locks.holder(map, key);
        let last = match (kind, holder) {
            (LockCall::ForceUnlock, holder) => holder.is_some(),
            (_, Some(holder)) if holder.caller == caller => holder.count == 1,
            _ => return Err(Rejection::NotLockOwner),
        };
        // Remembered first: what the release lets happen comes after this call.
        let reply = Ok(Outcome::Done);
        let locks = Arc::make_mut(&mut self.locks);
        locks.remember(step.now, id, kind, reply.clone());
        if last {
            self.release(step, map, key);
        } else {
            locks.count(step, map, key, |holder| holder.count -= 1);
        }
        reply
    }

    /// Ends a hold and serves those who wait, in order.
    fn release(&mut self, step: &mut Step<'_>, map: &Name, key: &Blob) {
        let Some((key, mut waits)) = Arc::make_mut(&mut self.locks).free(step, map, key) else {
            return;
        };
        while let Some(wait) = waits.pop_front() {
            let MapChange::Lock { lease_ms, .. } = wait.change else {
                self.resume(step, map, wait);
                continue;
            };
            // Whatever else the new holder's thread waits for here is its own to do now.
            let (own, others): (VecDeque<_>, _) =
                waits.into_iter().partition(|other| other.caller == wait.caller);
            self.grant(step, map, key.clone(), (wait.caller, lease_ms), others);
            Arc::make_mut(&mut self.locks).end(step, wait, Ok(Outcome::Flag(true)));
            for wait in own {
                if let MapChange::Lock { lease_ms, .. } = wait.change {
                    self.hold_again(step, map, &key, lease_ms);
                    Arc::make_mut(&mut self.locks).end(step, wait, Ok(Outcome::Flag(true)));
                } else {
                    self.resume(step, map, wait);
                }
            }
            return;
        }
    }

    /// Goes on with a write that waited; it may find another of its keys locked.
    fn resume(&mut self, step: &mut Step<'_>, map: &Name, mut wait: MapWait) {
        let reply = match self.obstacle(map, wait.caller, &wait.change) {
            Some(key) => match Arc::make_mut(&mut self.locks).queue(step, map, &key, wait) {
                None => return,
                Some(back) => {
                    wait = back;
                    Err(limits::reached("waits-per-lock-max", limits::WAITS_PER_LOCK_MAX))
                }
            },
            None => self.change(step, map, wait.caller, wait.change.clone()),
        };
        Arc::make_mut(&mut self.locks).end(step, wait, reply);
    }

    fn grant(
        &mut self,
        step: &mut Step<'_>,
        map: &Name,
        key: Blob,
        (caller, lease_ms): (Caller, Option<u64>),
        waits: VecDeque<MapWait>,
    ) {
        let lease_until = lease_ms.map(|ms| step.now.plus_ms(ms));
        let lock = KeyLock { holder: Holder { caller, count: 1, lease_until }, waits };
        Arc::make_mut(&mut self.locks).hold(step, map, key, lock);
    }

    fn hold_again(&mut self, step: &mut Step<'_>, map: &Name, key: &Blob, lease_ms: Option<u64>) {
        let lease_until = lease_ms.map(|ms| step.now.plus_ms(ms));
        Arc::make_mut(&mut self.locks).count(step, map, key, |holder| {
            holder.count = holder.count.saturating_add(1);
            holder.lease_until = lease_until;
        });
    }

    fn cancel_waits(&mut self, step: &mut Step<'_>, map: &Name, key: &Blob, client: ClientUuid) {
        let ids: Vec<WaitKey> = self
            .locks
            .waits(map, key)
            .filter(|wait| wait.caller.client == client)
            .map(|wait| wait.key.clone())
            .collect();
        let locks = Arc::make_mut(&mut self.locks);
        for id in ids {
            if let Some(wait) = locks.withdraw(&id) {
                locks.end(step, wait, Err(Rejection::WaitCancelled));
            }
        }
    }
}

/// The machine's own doing, in events that name a client.
const NOBODY: ClientUuid = ClientUuid(0);

/// What a call that gave up on a locked key answers.
fn given_up(change: &MapChange) -> Reply {
    let tried = matches!(
        change,
        MapChange::Put { mode: PutMode::Try { .. }, .. } | MapChange::TryRemove { .. }
    );
    if tried || is_lock(change) { Ok(Outcome::Flag(false)) } else { Err(Rejection::LockedTooLong) }
}
