//! The auditor of locks: it sees who holds what before and after each entry, and says whether the
//! entry may have changed that.

use std::collections::BTreeMap;

use super::history::{GROUP, KEYS, LOCKS, MAPS};
use crate::blob::Blob;
use crate::command::{Caller, ClusterCommand, Command, CpCommand, MapChange, ObjectCommand};
use crate::event::{EntryEventKind, Event, WaitKey};
use crate::ids::{ClusterTime, Fence, Name};
use crate::machine::Machine;
use crate::outcome::{Outcome, Ownership};
use crate::proposal::{Applied, LogEntry};

/// What was seen so far: fences, and whose writes wait.
#[derive(Default)]
pub(super) struct Watch {
    highest: Fence,
    waiting: BTreeMap<WaitKey, Caller>,
}

/// Who holds what.
pub(super) struct Look {
    locks: BTreeMap<Name, Ownership>,
    keys: BTreeMap<(Name, Blob), KeyHold>,
}

#[derive(Clone, PartialEq)]
struct KeyHold {
    caller: Caller,
    lease_until: Option<ClusterTime>,
    /// Version of the record, if there is one.
    version: Option<u64>,
}

impl Watch {
    pub(super) fn look(&self, machine: &Machine) -> Look {
        let group = Name::from(GROUP);
        let owned = |name: &Name| machine.cp.ownership(&group, name).ok();
        let locks = LOCKS.into_iter().map(Name::from);
        let locks = locks
            .filter_map(|name| Some((name.clone(), owned(&name)?)))
            .filter(|(_, own)| own.count > 0)
            .collect();
        let mut keys = BTreeMap::new();
        for map in MAPS {
            for key in KEYS.into_iter().map(Blob::string) {
                if let Some(holder) = machine.maps.locks.holder(map, &key) {
                    let record = machine.maps.maps.get(map).and_then(|map| map.records.get(&key));
                    let hold = KeyHold {
                        caller: holder.caller,
                        lease_until: holder.lease_until,
                        version: record.map(|record| record.version),
                    };
                    keys.insert((Name::from(map), key), hold);
                }
            }
        }
        Look { locks, keys }
    }

    /// Says what the entry may not have done.
    pub(super) fn judge(
        &mut self,
        before: &Look,
        machine: &Machine,
        entry: &LogEntry,
        applied: &Applied,
    ) -> Result<(), String> {
        let after = self.look(machine);
        if let (Command::Map { caller, .. }, Some(origin), Ok(Outcome::Waiting)) =
            (&entry.command, &entry.origin, &applied.reply)
        {
            self.waiting.insert(origin.wait_key(), *caller);
        }
        for (name, own) in &after.locks {
            let same = before.locks.get(name).is_some_and(|old| old.fence == own.fence);
            if !same && own.fence <= self.highest {
                return Err(format!("{name}: fence {} after {}", own.fence, self.highest));
            }
        }
        let fences = after.locks.values().map(|own| own.fence);
        self.highest = fences.chain([self.highest]).max().unwrap_or_default();
        for (name, own) in &before.locks {
            let kept = after.locks.get(name).is_some_and(|new| new.fence == own.fence);
            if kept && after.locks[name].endpoint != own.endpoint {
                return Err(format!("{name} has two holders with fence {}", own.fence));
            }
            if !kept && !may_end(name, own, entry, applied) {
                return Err(format!("{name} was taken from {own:?} by {entry:?}"));
            }
        }
        for ((map, key), hold) in &before.keys {
            let now = after.keys.get(&(map.clone(), key.clone()));
            if now.is_none_or(|now| now.caller != hold.caller) {
                if !may_end_key(map, key, hold, machine.time(), entry) {
                    return Err(format!("{map} {key:?} was taken from its holder by {entry:?}"));
                }
            } else if let Some(now) = now
                && now.version != hold.version
                && !self.may_write(map, key, hold, entry, applied)
            {
                return Err(format!("{map} {key:?} was written under its holder by {entry:?}"));
            }
        }
        Ok(())
    }

    /// A record under a lock changes by its holder or by time alone, as long as the hold lasts.
    fn may_write(
        &self,
        map: &Name,
        key: &Blob,
        hold: &KeyHold,
        entry: &LogEntry,
        applied: &Applied,
    ) -> bool {
        let own_or_time = |event: &Event| match event {
            Event::MapEntry { map: of, key: which, kind: EntryEventKind::Expired, .. } => {
                of == map && which == key
            }
            // The holder's thread asked for this before it got the lock.
            Event::WaitEnded { wait, .. } => self.waiting.get(wait) == Some(&hold.caller),
            _ => false,
        };
        let by_holder = matches!(
            &entry.command,
            Command::Map { map: of, caller, .. } if of == map && *caller == hold.caller
        );
        // One entry may end a hold and give it to the same thread again, with writes in between.
        let held_anew = hold.lease_until.is_some()
            || matches!(
                &entry.command,
                Command::Map { change: MapChange::ForceUnlock { .. }, .. }
                    | Command::Cluster(ClusterCommand::ReleaseMapLocks { .. })
            );
        applied.events.iter().any(own_or_time) || by_holder || held_anew
    }
}

fn may_end(name: &Name, own: &Ownership, entry: &LogEntry, applied: &Applied) -> bool {
    let session_ended = applied.events.iter().any(|event| {
        matches!(event, Event::SessionEnded { session, .. } if *session == own.endpoint.session)
    });
    session_ended
        || match &entry.command {
            Command::Cp(CpCommand::Unlock { name: of, endpoint, .. }) => {
                of == name && *endpoint == own.endpoint
            }
            Command::Cp(CpCommand::ForceRelease { name: of, fence, .. }) => {
                of == name && *fence == own.fence
            }
            Command::Cp(CpCommand::DestroyObject { name: of, .. }) => of == name,
            _ => false,
        }
}

fn may_end_key(map: &Name, key: &Blob, hold: &KeyHold, now: ClusterTime, entry: &LogEntry) -> bool {
    let lease_over = hold.lease_until.is_some_and(|until| until <= now);
    lease_over
        || match &entry.command {
            Command::Map { map: of, caller, change: MapChange::Unlock { key: which, .. } } => {
                of == map && which == key && *caller == hold.caller
            }
            Command::Map { map: of, change: MapChange::ForceUnlock { key: which, .. }, .. } => {
                of == map && which == key
            }
            Command::Cluster(ClusterCommand::ReleaseMapLocks { client }) => {
                *client == hold.caller.client
            }
            Command::Object(ObjectCommand::Destroy { name, .. }) => name == map,
            _ => false,
        }
}
