//! `MapLocks`: which keys of maps are locked, by whom, who waits for them, and what was answered.
//!
//! Invariants: a key is here exactly while somebody holds it; every wait is in `open`, which says
//! where; an answer is remembered under the identity its call carries, so that a repeated call gets
//! it again. This file keeps the books; `maps.rs` decides, since a lock that ends lets writes go
//! on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::accounting::{ROW_BYTES, memo_bytes, wait_key_bytes};
use crate::blob::Blob;
use crate::command::{Caller, MapChange};
use crate::event::{Event, WaitKey};
use crate::expiry::{Due, Step};
use crate::ids::{ClientUuid, ClusterTime, Name, ThreadId};
use crate::limits;
use crate::outcome::Reply;
use crate::view::WaitState;

/// Which of a caller's calls with one reference an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum LockCall {
    /// The call that waited, or could have.
    Wait,
    Unlock,
    ForceUnlock,
}

/// Who holds a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub(crate) caller: Caller,
    pub(crate) count: u32,
    pub(crate) lease_until: Option<ClusterTime>,
}

impl Holder {
    /// Whether a caller has to wait for this holder.
    fn blocks(&self, caller: Caller) -> bool {
        let is_same_thread = caller.thread == ThreadId::ANY || caller.thread == self.caller.thread;
        self.caller.client != caller.client || !is_same_thread
    }
}

/// A call that waits for a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MapWait {
    pub(crate) key: WaitKey,
    pub(crate) caller: Caller,
    pub(crate) until: Option<ClusterTime>,
    /// The lock or the write that shall happen.
    pub(crate) change: MapChange,
}

/// A locked key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyLock {
    pub(crate) holder: Holder,
    pub(crate) waits: VecDeque<MapWait>,
}

/// All locks of all maps.
#[derive(Clone, Debug, Default)]
pub(crate) struct MapLocks {
    keys: BTreeMap<Name, BTreeMap<Blob, KeyLock>>,
    open: BTreeMap<WaitKey, (Name, Blob)>,
    memos: BTreeMap<(WaitKey, LockCall), Reply>,
    memo_order: VecDeque<(ClusterTime, WaitKey, LockCall)>,
    locked: usize,
    bytes: u64,
}

impl MapLocks {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn holder(&self, map: &str, key: &Blob) -> Option<&Holder> {
        self.keys.get(map)?.get(key).map(|lock| &lock.holder)
    }

    /// Calls that wait for a key, in order.
    pub(crate) fn waits(&self, map: &str, key: &Blob) -> impl Iterator<Item = &MapWait> {
        self.keys.get(map).and_then(|keys| keys.get(key)).into_iter().flat_map(|lock| &lock.waits)
    }

    /// Locked keys of a map, in order.
    pub(crate) fn locked(&self, map: &str) -> impl Iterator<Item = &Blob> {
        self.keys.get(map).into_iter().flat_map(BTreeMap::keys)
    }

    pub(crate) fn locked_keys(&self, map: &str) -> u64 {
        self.keys.get(map).map_or(0, |keys| keys.len() as u64)
    }

    /// Locked keys of a map that somebody else than the caller holds, in order.
    pub(crate) fn held_by_others(&self, map: &str, caller: Caller) -> impl Iterator<Item = &Blob> {
        self.keys
            .get(map)
            .into_iter()
            .flatten()
            .filter(move |(_, lock)| lock.holder.blocks(caller))
            .map(|(key, _)| key)
    }

    pub(crate) fn is_held_by_other(&self, map: &str, key: &Blob, caller: Caller) -> bool {
        self.holder(map, key).is_some_and(|holder| holder.blocks(caller))
    }

    pub(crate) fn is_full(&self) -> bool {
        self.locked >= limits::MAP_LOCKS_MAX
    }

    /// Clients that hold a key or wait to.
    pub(crate) fn clients(&self) -> BTreeSet<ClientUuid> {
        let locks = self.keys.values().flat_map(BTreeMap::values);
        locks
            .flat_map(|lock| {
                let waits = lock.waits.iter().filter(|wait| is_lock(&wait.change));
                std::iter::once(lock.holder.caller.client)
                    .chain(waits.map(|wait| wait.caller.client))
            })
            .collect()
    }

    /// Keys on which a client holds or waits for something.
    pub(crate) fn keys_of(&self, client: ClientUuid) -> Vec<(Name, Blob)> {
        let of_client = |lock: &KeyLock| {
            lock.holder.caller.client == client
                || lock.waits.iter().any(|wait| wait.caller.client == client)
        };
        self.rows()
            .filter(|(_, _, lock)| of_client(lock))
            .map(|(m, k, _)| (m.clone(), k.clone()))
            .collect()
    }

    /// All locked keys.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Name, &Blob, &KeyLock)> {
        self.keys
            .iter()
            .flat_map(|(map, keys)| keys.iter().map(move |(key, lock)| (map, key, lock)))
    }

    /// All remembered answers, oldest first.
    pub(crate) fn memo_rows(
        &self,
    ) -> impl Iterator<Item = (ClusterTime, &WaitKey, LockCall, &Reply)> {
        self.memo_order.iter().filter_map(|(at, key, call)| {
            let reply = self.memos.get(&(key.clone(), *call))?;
            Some((*at, key, *call, reply))
        })
    }

    /// The remembered answer of a call.
    pub(crate) fn memo(&self, key: &WaitKey, call: LockCall) -> Option<&Reply> {
        if self.memos.is_empty() {
            return None;
        }
        self.memos.get(&(key.clone(), call))
    }

    pub(crate) fn is_open(&self, key: &WaitKey) -> bool {
        !self.open.is_empty() && self.open.contains_key(key)
    }

    pub(crate) fn wait_state(&self, key: &WaitKey) -> WaitState {
        if self.is_open(key) {
            return WaitState::Waiting;
        }
        match self.memo(key, LockCall::Wait) {
            Some(reply) => WaitState::Ended(reply.clone()),
            None => WaitState::Unknown,
        }
    }

    /// Makes somebody the holder of a free key, with those who wait on.
    pub(crate) fn hold(&mut self, step: &mut Step<'_>, map: &Name, key: Blob, lock: KeyLock) {
        if let Some(at) = lock.holder.lease_until {
            step.deadlines.add(at, lease(map, &key));
        }
        self.bytes += lock_bytes(&key, &lock);
        let old = self.keys.entry(map.clone()).or_default().insert(key, lock);
        debug_assert!(old.is_none(), "only a free key gets a holder");
        self.locked += 1;
    }

    /// One more hold, or one less, with the lease that counts from now on.
    pub(crate) fn count(
        &mut self,
        step: &mut Step<'_>,
        map: &Name,
        key: &Blob,
        change: impl FnOnce(&mut Holder),
    ) {
        let Some(key) = self.own_key(map, key) else { return };
        let Some(lock) = self.lock_mut(map, &key) else { return };
        let before = lock.holder.lease_until;
        change(&mut lock.holder);
        let after = lock.holder.lease_until;
        if let Some(at) = before {
            step.deadlines.remove(at, lease(map, &key));
        }
        if let Some(at) = after {
            step.deadlines.add(at, lease(map, &key));
        }
    }

    /// Ends a hold and hands out the key with those who wait; they stay open until each is answered
    /// or queued again.
    pub(crate) fn free(
        &mut self,
        step: &mut Step<'_>,
        map: &Name,
        key: &Blob,
    ) -> Option<(Blob, VecDeque<MapWait>)> {
        let keys = self.keys.get_mut(map)?;
        let (key, lock) = keys.remove_entry(key)?;
        if keys.is_empty() {
            self.keys.remove(map);
        }
        self.locked -= 1;
        self.bytes -= lock_bytes(&key, &lock);
        if let Some(at) = lock.holder.lease_until {
            step.deadlines.remove(at, lease(map, &key));
        }
        Some((key, lock.waits))
    }

    /// Puts a call at the end of a key's queue; hands it back when the queue is full or the key
    /// free.
    pub(crate) fn queue(
        &mut self,
        step: &mut Step<'_>,
        map: &Name,
        key: &Blob,
        wait: MapWait,
    ) -> Option<MapWait> {
        let Some(key) = self.own_key(map, key) else { return Some(wait) };
        let Some(lock) = self.lock_mut(map, &key) else { return Some(wait) };
        if lock.waits.len() >= limits::WAITS_PER_LOCK_MAX {
            return Some(wait);
        }
        let (id, until) = (wait.key.clone(), wait.until);
        let bytes = wait_bytes(&wait);
        lock.waits.push_back(wait);
        self.bytes += bytes;
        if self.open.insert(id.clone(), (map.clone(), key)).is_none()
            && let Some(at) = until
        {
            step.deadlines.add(at, Due::Wait(Box::new(id)));
        }
        None
    }

    /// Takes one waiting call out of its queue.
    pub(crate) fn withdraw(&mut self, id: &WaitKey) -> Option<MapWait> {
        let (map, key) = self.open.get(id)?.clone();
        let lock = self.lock_mut(&map, &key)?;
        let index = lock.waits.iter().position(|wait| wait.key == *id)?;
        let wait = lock.waits.remove(index)?;
        self.bytes -= wait_bytes(&wait);
        Some(wait)
    }

    /// Answers a call that waited and is in no queue any more.
    pub(crate) fn end(&mut self, step: &mut Step<'_>, wait: MapWait, reply: Reply) {
        self.open.remove(&wait.key);
        if let Some(at) = wait.until {
            step.deadlines.remove(at, Due::Wait(Box::new(wait.key.clone())));
        }
        step.events.push(Event::WaitEnded { wait: wait.key.clone(), reply: reply.clone() });
        self.remember(step.now, wait.key, LockCall::Wait, reply);
    }

    /// Remembers an answer, and forgets those nobody asks for any more.
    pub(crate) fn remember(
        &mut self,
        now: ClusterTime,
        key: WaitKey,
        call: LockCall,
        reply: Reply,
    ) {
        while let Some((at, _, _)) = self.memo_order.front()
            && (at.plus_ms(limits::MAP_MEMO_MS) <= now
                || self.memo_order.len() >= limits::MAP_MEMOS_MAX)
        {
            if let Some((_, old, call)) = self.memo_order.pop_front()
                && let Some(((old, _), reply)) = self.memos.remove_entry(&(old, call))
            {
                self.bytes -= memo_bytes(&old, &reply);
            }
        }
        self.bytes += memo_bytes(&key, &reply);
        match self.memos.insert((key.clone(), call), reply) {
            Some(old) => self.bytes -= memo_bytes(&key, &old),
            None => self.memo_order.push_back((now, key, call)),
        }
    }

    /// Takes over a locked key of an image.
    pub(crate) fn restore(&mut self, step: &mut Step<'_>, map: &Name, key: &Blob, lock: KeyLock) {
        for wait in &lock.waits {
            self.open.insert(wait.key.clone(), (map.clone(), key.clone()));
            if let Some(at) = wait.until {
                step.deadlines.add(at, Due::Wait(Box::new(wait.key.clone())));
            }
        }
        self.hold(step, map, key.clone(), lock);
    }

    /// Takes over an answer of an image.
    pub(crate) fn restore_memo(
        &mut self,
        at: ClusterTime,
        key: WaitKey,
        call: LockCall,
        reply: Reply,
    ) {
        self.bytes += memo_bytes(&key, &reply);
        self.memos.insert((key.clone(), call), reply);
        self.memo_order.push_back((at, key, call));
    }

    /// All that is derived from holds, waits and answers.
    #[cfg(test)]
    pub(crate) fn derived(&self) -> (u64, usize, &BTreeMap<WaitKey, (Name, Blob)>) {
        (self.bytes, self.locked, &self.open)
    }

    /// What `bytes` must say.
    pub(crate) fn recount(&self) -> u64 {
        let locks: u64 = self.rows().map(|(_, key, lock)| lock_bytes(key, lock)).sum();
        let memos = self.memos.iter();
        locks + memos.map(|((key, _), reply)| memo_bytes(key, reply)).sum::<u64>()
    }

    /// The key as it is kept: in memory of its own, unlike that of a call.
    fn own_key(&self, map: &str, key: &Blob) -> Option<Blob> {
        let (own, _) = self.keys.get(map)?.get_key_value(key)?;
        Some(own.clone())
    }

    fn lock_mut(&mut self, map: &str, key: &Blob) -> Option<&mut KeyLock> {
        self.keys.get_mut(map)?.get_mut(key)
    }
}

pub(crate) fn is_lock(change: &MapChange) -> bool {
    matches!(change, MapChange::Lock { .. })
}

fn lease(map: &Name, key: &Blob) -> Due {
    Due::Lease { map: map.clone(), key: key.clone() }
}

fn wait_bytes(wait: &MapWait) -> u64 {
    ROW_BYTES + wait_key_bytes(&wait.key) + wait.change.payload_bytes()
}

fn lock_bytes(key: &Blob, lock: &KeyLock) -> u64 {
    ROW_BYTES + key.len() as u64 + lock.waits.iter().map(wait_bytes).sum::<u64>()
}
