//! Which operations a search has placed, in few bytes: nearly always a beginning of the history
//! and a few bits after it, not a bit for each operation.

use std::sync::Arc;

use rustc_hash::FxHashMap;

/// Operations that returned, as a configuration keeps them; equal for equal sets.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Placed {
    /// All operations below are placed, this one is not.
    from: u32,
    /// Number of the rest of the bits; 0: there are none.
    rest: u32,
    /// The 64 operations from there on.
    window: u64,
}

/// The set of the placed operations that returned.
pub(super) struct Known {
    bits: Vec<u64>,
    from: u32,
    /// One above the last that is placed.
    to: u32,
    rests: FxHashMap<Box<[u64]>, u32>,
}

impl Known {
    pub(super) fn new(count: usize) -> Self {
        // Two words more than needed: a window may reach over the end.
        let bits = vec![0; count / 64 + 2];
        Self { bits, from: 0, to: 0, rests: FxHashMap::default() }
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.bits[number as usize / 64] >> (number % 64) & 1 == 1
    }

    pub(super) fn insert(&mut self, number: u32) {
        self.bits[number as usize / 64] |= 1 << (number % 64);
        self.to = self.to.max(number + 1);
        while self.from < self.to && self.contains(self.from) {
            self.from += 1;
        }
    }

    pub(super) fn remove(&mut self, number: u32) {
        self.bits[number as usize / 64] &= !(1 << (number % 64));
        self.from = self.from.min(number);
        while self.to > 0 && !self.contains(self.to - 1) {
            self.to -= 1;
        }
    }

    pub(super) fn image(&mut self) -> Placed {
        let window = self.word(self.from);
        let mut rest = 0;
        if self.to > self.from + 64 {
            let words = (self.from + 64..self.to).step_by(64);
            let bits: Box<[u64]> = words.map(|at| self.word(at)).collect();
            let next = self.rests.len() as u32 + 1;
            rest = *self.rests.entry(bits).or_insert(next);
        }
        Placed { from: self.from, rest, window }
    }

    /// How many images are kept apart.
    pub(super) fn remembered(&self) -> usize {
        self.rests.len()
    }

    fn word(&self, at: u32) -> u64 {
        let (word, shift) = (at as usize / 64, at % 64);
        let low = self.bits[word] >> shift;
        match self.bits.get(word + 1) {
            Some(high) if shift > 0 => low | high << (64 - shift),
            _ => low,
        }
    }
}

/// How many of each class of equal unknown operations are placed. Each such multiset has a number.
pub(super) struct Unknown {
    /// Class and count, ascending, by number.
    sets: Vec<Arc<[(u32, u32)]>>,
    numbers: FxHashMap<Arc<[(u32, u32)]>, u32>,
    current: u32,
}

impl Unknown {
    pub(super) fn new() -> Self {
        let empty: Arc<[(u32, u32)]> = Arc::new([]);
        let numbers = FxHashMap::from_iter([(empty.clone(), 0)]);
        Self { sets: vec![empty], numbers, current: 0 }
    }

    pub(super) fn used(&self, class: u32) -> u32 {
        self.used_in(self.current, class)
    }

    pub(super) fn used_in(&self, number: u32, class: u32) -> u32 {
        let set = &self.sets[number as usize];
        set.binary_search_by_key(&class, |entry| entry.0).map_or(0, |at| set[at].1)
    }

    pub(super) fn insert(&mut self, class: u32) {
        let mut set = self.sets[self.current as usize].to_vec();
        match set.binary_search_by_key(&class, |entry| entry.0) {
            Ok(at) => set[at].1 += 1,
            Err(at) => set.insert(at, (class, 1)),
        }
        let set: Arc<[(u32, u32)]> = set.into();
        let next = self.sets.len() as u32;
        self.current = *self.numbers.entry(set.clone()).or_insert(next);
        if self.current == next {
            self.sets.push(set);
        }
    }

    pub(super) fn restore(&mut self, number: u32) {
        self.current = number;
    }

    pub(super) fn image(&self) -> u32 {
        self.current
    }

    pub(super) fn remembered(&self) -> usize {
        self.sets.len()
    }
}
