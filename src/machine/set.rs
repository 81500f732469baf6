//! `Sets`: items that are there or not, told apart by their bytes.

use std::collections::{BTreeMap, BTreeSet};

use crate::accounting::{SET_BYTES, item_bytes};
use crate::blob::Blob;
use crate::command::SetChange;
use crate::cow_map::CowMap;
use crate::event::Event;
use crate::expiry::Step;
use crate::ids::Name;
use crate::limits;
use crate::outcome::{Outcome, Rejection, Reply, SetView};

/// One set.
#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) items: CowMap<Blob, ()>,
    bytes: u64,
}

/// All sets.
#[derive(Debug, Default)]
pub(crate) struct Sets {
    pub(crate) sets: BTreeMap<Name, Set>,
    bytes: u64,
}

impl Sets {
    /// Accounted bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What `bytes` must say.
    pub(crate) fn recount(&self) -> u64 {
        let items = |set: &Set| set.items.iter().map(|(item, ())| item_bytes(item)).sum::<u64>();
        self.sets.iter().map(|(name, set)| empty_bytes(name) + items(set)).sum()
    }

    /// Applies a change.
    pub(crate) fn apply(&mut self, step: &mut Step<'_>, name: &Name, change: SetChange) -> Reply {
        self.ensure(name)?;
        let Some(set) = self.sets.get_mut(name) else { return Ok(Outcome::Flag(false)) };
        let before = set.bytes;
        let outcome = match change {
            SetChange::AddAll(items) => Outcome::Flag(set.add_all(step, name, &items)),
            SetChange::RemoveAll(items) => Outcome::Flag(set.remove_all(step, name, &items)),
            SetChange::RetainAll(items) => {
                let kept: BTreeSet<Blob> = items.into_iter().collect();
                let gone = set.items.iter().map(|(item, ())| item);
                let gone: Vec<Blob> = gone.filter(|item| !kept.contains(item)).cloned().collect();
                Outcome::Flag(set.remove_all(step, name, &gone))
            }
            SetChange::Clear => {
                let gone: Vec<Blob> = set.items.iter().map(|(item, ())| item.clone()).collect();
                set.remove_all(step, name, &gone);
                Outcome::Done
            }
        };
        self.bytes = self.bytes + set.bytes - before;
        Ok(outcome)
    }

    /// Whether there is room for those that are new.
    pub(crate) fn admit<'n>(&self, names: impl Iterator<Item = &'n Name>) -> Result<(), Rejection> {
        let new = names.filter(|name| !self.sets.contains_key(&**name)).count();
        if new > 0 && self.sets.len() + new > limits::SETS_MAX {
            return Err(limits::reached("sets-max", limits::SETS_MAX));
        }
        Ok(())
    }

    /// Makes a set exist.
    pub(crate) fn ensure(&mut self, name: &Name) -> Result<(), Rejection> {
        if self.sets.contains_key(name) {
            return Ok(());
        }
        if self.sets.len() >= limits::SETS_MAX {
            return Err(limits::reached("sets-max", limits::SETS_MAX));
        }
        let bytes = empty_bytes(name);
        self.bytes += bytes;
        self.sets.insert(name.clone(), Set { items: CowMap::default(), bytes });
        Ok(())
    }

    /// Destroys a set, without events for its items.
    pub(crate) fn destroy(&mut self, name: &Name) -> bool {
        let set = self.sets.remove(name);
        self.bytes -= set.as_ref().map_or(0, |set| set.bytes);
        set.is_some()
    }

    /// Takes over an item of an image.
    pub(crate) fn restore_item(&mut self, name: &Name, item: Blob) {
        if let Some(set) = self.sets.get_mut(name)
            && let Err(place) = set.items.find(&item)
        {
            set.bytes += item_bytes(&item);
            self.bytes += item_bytes(&item);
            set.items.insert_at(place, item, ());
        }
    }

    pub(crate) fn contains_all(&self, name: &str, items: &[Blob]) -> bool {
        let set = self.sets.get(name);
        items.iter().all(|item| set.is_some_and(|set| set.items.contains(item)))
    }

    pub(crate) fn items(&self, name: &str) -> Vec<Blob> {
        let items = self.sets.get(name).into_iter().flat_map(|set| set.items.iter());
        items.map(|(item, ())| item.clone()).collect()
    }

    pub(crate) fn size(&self, name: &str) -> u64 {
        self.sets.get(name).map_or(0, |set| set.items.len() as u64)
    }

    pub(crate) fn views(&self) -> Vec<SetView> {
        self.sets
            .iter()
            .map(|(name, set)| SetView {
                name: name.clone(),
                items: set.items.len() as u64,
                bytes: set.bytes,
            })
            .collect()
    }
}

impl Set {
    fn add_all(&mut self, step: &mut Step<'_>, name: &Name, items: &[Blob]) -> bool {
        let mut changed = false;
        for item in items {
            if let Err(place) = self.items.find(item) {
                let item = item.detached();
                self.bytes += item_bytes(&item);
                self.items.insert_at(place, item.clone(), ());
                step.events.push(Event::SetItem { set: name.clone(), item, added: true });
                changed = true;
            }
        }
        changed
    }

    fn remove_all(&mut self, step: &mut Step<'_>, name: &Name, items: &[Blob]) -> bool {
        let mut changed = false;
        for item in items {
            if let Ok(place) = self.items.find(item) {
                let (item, ()) = self.items.remove_at(place);
                self.bytes -= item_bytes(&item);
                step.events.push(Event::SetItem { set: name.clone(), item, added: false });
                changed = true;
            }
        }
        changed
    }
}

fn empty_bytes(name: &Name) -> u64 {
    SET_BYTES + name.len() as u64
}
