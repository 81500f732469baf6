//! Numbers that follow from a seed alone.

/// SplitMix64: small, fast and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below the bound.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Whether something with a chance of `one_in` happens.
    pub(crate) fn one_in(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    /// Takes one item out of a list.
    pub(crate) fn take<T>(&mut self, items: &mut Vec<T>) -> Option<T> {
        let count = u64::try_from(items.len()).expect("lists are short");
        if count == 0 {
            return None;
        }
        let index = usize::try_from(self.below(count)).expect("below the length of a list");
        Some(items.swap_remove(index))
    }
}
