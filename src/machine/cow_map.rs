//! `CowMap`: an ordered map in chunks that can be frozen cheaply.
//!
//! Invariant: `bounds[i]` is not above any key of chunk `i`, and every key of chunk `i` is below
//! `bounds[i + 1]`; no chunk is empty. A frozen copy shares all chunks; a later write copies the
//! one chunk it touches. How records are spread over chunks depends on history and is not part of
//! the state.

use std::sync::Arc;

/// Entries of a full chunk: small enough that copying one costs microseconds, large enough that the
/// list of chunks stays short.
const CHUNK_ENTRIES_MAX: usize = 128;
/// A chunk below this is joined with a neighbour when both fit well into one.
const CHUNK_ENTRIES_MIN: usize = CHUNK_ENTRIES_MAX / 4;

type Chunk<K, V> = Vec<(K, V)>;

/// An ordered map in copy-on-write chunks.
#[derive(Clone, Debug)]
pub(crate) struct CowMap<K, V> {
    bounds: Vec<K>,
    chunks: Vec<Arc<Chunk<K, V>>>,
    entries: usize,
}

/// Where a key is, or would be; valid until the next insertion or removal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    chunk: usize,
    index: usize,
}

impl<K, V> Default for CowMap<K, V> {
    fn default() -> Self {
        Self { bounds: Vec::new(), chunks: Vec::new(), entries: 0 }
    }
}

impl<K: Ord + Clone, V: Clone> CowMap<K, V> {
    /// How many entries.
    pub(crate) fn len(&self) -> usize {
        self.entries
    }

    /// The place of a key (`Ok`), or where it belongs (`Err`).
    pub(crate) fn find(&self, key: &K) -> Result<Place, Place> {
        let chunk = self.bounds.partition_point(|bound| bound <= key).saturating_sub(1);
        let Some(entries) = self.chunks.get(chunk) else {
            return Err(Place { chunk: 0, index: 0 });
        };
        entries
            .binary_search_by(|(own, _)| own.cmp(key))
            .map(|index| Place { chunk, index })
            .map_err(|index| Place { chunk, index })
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.find(key).ok().map(|place| &self.at(place).1)
    }

    /// Whether the key is there.
    pub(crate) fn contains(&self, key: &K) -> bool {
        self.find(key).is_ok()
    }

    /// The entry at a found place.
    pub(crate) fn at(&self, place: Place) -> &(K, V) {
        &self.chunks[place.chunk][place.index]
    }

    /// The entry at a found place, to be changed; its key must keep its order.
    pub(crate) fn at_mut(&mut self, place: Place) -> &mut (K, V) {
        &mut Arc::make_mut(&mut self.chunks[place.chunk])[place.index]
    }

    /// Inserts at a place `find` did not find the key at.
    pub(crate) fn insert_at(&mut self, place: Place, key: K, value: V) {
        self.entries += 1;
        let Place { mut chunk, mut index } = place;
        if self.chunks.is_empty() {
            self.bounds.push(key.clone());
            self.chunks.push(Arc::new(Vec::with_capacity(4)));
        } else if self.chunks[chunk].len() == CHUNK_ENTRIES_MAX {
            (chunk, index) = self.split(chunk, index, &key);
        }
        let entries = Arc::make_mut(&mut self.chunks[chunk]);
        if entries.len() == entries.capacity() {
            // Never more room than a full chunk needs: doubling would waste memory for good.
            let more = entries.len().max(4).min(CHUNK_ENTRIES_MAX - entries.len());
            entries.reserve_exact(more);
        }
        entries.insert(index, (key, value));
    }

    /// Removes a found place.
    pub(crate) fn remove_at(&mut self, place: Place) -> (K, V) {
        self.entries -= 1;
        let entries = Arc::make_mut(&mut self.chunks[place.chunk]);
        let removed = entries.remove(place.index);
        if entries.len() < CHUNK_ENTRIES_MIN {
            self.join(place.chunk);
        }
        removed
    }

    /// All entries in key order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter().map(|(key, value)| (key, value)))
    }

    /// Entries after a key, or all.
    pub(crate) fn iter_after(&self, after: Option<&K>) -> impl Iterator<Item = (&K, &V)> {
        let start = match after.map(|key| self.find(key)) {
            None => Place { chunk: 0, index: 0 },
            Some(Ok(place)) => Place { index: place.index + 1, ..place },
            Some(Err(place)) => place,
        };
        self.chunks
            .iter()
            .skip(start.chunk)
            .flat_map(|chunk| chunk.iter().map(|(key, value)| (key, value)))
            .skip(start.index)
    }

    /// All entries, as a copy that shares them.
    pub(crate) fn freeze(&self) -> FrozenEntries<K, V> {
        FrozenEntries { chunks: self.chunks.clone() }
    }

    fn split(&mut self, chunk: usize, index: usize, key: &K) -> (usize, usize) {
        let last = chunk + 1 == self.chunks.len();
        if last && index == CHUNK_ENTRIES_MAX {
            // Keys that only ever grow fill their chunks instead of leaving them half empty.
            self.bounds.push(key.clone());
            self.chunks.push(Arc::new(Vec::with_capacity(CHUNK_ENTRIES_MAX)));
            return (chunk + 1, 0);
        }
        let half = CHUNK_ENTRIES_MAX / 2;
        let upper = Arc::make_mut(&mut self.chunks[chunk]).split_off(half);
        self.bounds.insert(chunk + 1, upper[0].0.clone());
        self.chunks.insert(chunk + 1, Arc::new(upper));
        if index <= half { (chunk, index) } else { (chunk + 1, index - half) }
    }

    fn join(&mut self, chunk: usize) {
        if self.chunks[chunk].is_empty() {
            self.chunks.remove(chunk);
            self.bounds.remove(chunk);
            return;
        }
        let left = if chunk + 1 < self.chunks.len() { chunk } else { chunk.saturating_sub(1) };
        let Some(right) = self.chunks.get(left + 1) else { return };
        if self.chunks[left].len() + right.len() > CHUNK_ENTRIES_MAX * 3 / 4 {
            return;
        }
        let upper = self.chunks.remove(left + 1);
        self.bounds.remove(left + 1);
        let lower = Arc::make_mut(&mut self.chunks[left]);
        match Arc::try_unwrap(upper) {
            Ok(upper) => lower.extend(upper),
            Err(shared) => lower.extend(shared.iter().cloned()),
        }
    }
}

/// A copy of all entries at one moment.
#[derive(Debug)]
pub(crate) struct FrozenEntries<K, V> {
    chunks: Vec<Arc<Chunk<K, V>>>,
}

impl<K: Clone, V: Clone> FrozenEntries<K, V> {
    /// Hands out the entries in key order and lets go of each chunk when it is through.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (K, V)> {
        self.chunks
            .into_iter()
            .flat_map(|chunk| (0..chunk.len()).map(move |index| chunk[index].clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_the_ordered_map_of_the_library(
            steps in prop::collection::vec((any::<bool>(), 0_u16..1500), 0..3000),
        ) {
            let mut own = CowMap::default();
            let mut model = BTreeMap::new();
            for (insert, key) in steps {
                match (own.find(&key), insert) {
                    (Ok(place), true) => own.at_mut(place).1 += 1,
                    (Ok(place), false) => prop_assert_eq!(own.remove_at(place).0, key),
                    (Err(place), true) => own.insert_at(place, key, 0),
                    (Err(_), false) => prop_assert!(!model.contains_key(&key)),
                }
                if insert {
                    model.entry(key).and_modify(|n| *n += 1).or_insert(0);
                } else {
                    model.remove(&key);
                }
                prop_assert_eq!(own.len(), model.len());
            }
            prop_assert!(own.iter().eq(model.iter()));
            prop_assert!(own.iter_after(Some(&700)).eq(model.range(701..)));
            let bounded = own.chunks.iter().all(|c| !c.is_empty() && c.len() <= CHUNK_ENTRIES_MAX);
            prop_assert!(bounded);
        }
    }

    #[test]
    fn a_chunk_that_is_almost_full_grows_while_a_copy_shares_it() {
        for filled in 0..=CHUNK_ENTRIES_MAX {
            let mut map = CowMap::default();
            for key in 0..=filled {
                // A shared chunk is copied without room to spare.
                let frozen = map.freeze();
                let Err(place) = map.find(&key) else { unreachable!("{key} is new") };
                map.insert_at(place, key, key);
                drop(frozen);
            }
            assert!(map.iter().map(|(key, _)| *key).eq(0..=filled));
        }
    }

    #[test]
    fn a_frozen_copy_keeps_what_a_later_write_changes() {
        let mut map = CowMap::default();
        for key in 0..1000 {
            let place = map.find(&key).expect_err("keys are new");
            map.insert_at(place, key, 0);
        }
        let frozen = map.freeze();
        for key in 0..1000 {
            let place = map.find(&key).expect("all keys are there");
            map.remove_at(place);
        }
        assert_eq!(map.len(), 0);
        assert_eq!(frozen.into_entries().count(), 1000);
    }
}
