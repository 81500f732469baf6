//! The doubly linked list of a search.

/// Calls and returns in the order of real time, doubly linked. Entry 0 is the head.
pub(super) struct List {
    next: Vec<u32>,
    previous: Vec<u32>,
    owner: Vec<u32>,
    moment: Vec<u64>,
    call: Vec<bool>,
    /// Entries of each operation: call, return.
    entries: Vec<(u32, u32)>,
}

impl List {
    pub(super) fn new(moments: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut all: Vec<(u64, bool, u32)> = Vec::new();
        for (number, (invoked, returned)) in moments.enumerate() {
            all.push((invoked, true, number as u32));
            all.push((returned, false, number as u32));
        }
        // At one moment calls come before returns: they overlap.
        all.sort_by_key(|(moment, call, number)| (*moment, !*call, *number));
        let count = all.len();
        let mut entries = vec![(0, 0); count / 2];
        for (at, (_, call, number)) in all.iter().enumerate() {
            let of = &mut entries[*number as usize];
            *(if *call { &mut of.0 } else { &mut of.1 }) = at as u32 + 1;
        }
        let head = std::iter::once((0, false, u32::MAX));
        let all: Vec<_> = head.chain(all).collect();
        Self {
            next: (1..=count as u32).chain([0]).collect(),
            previous: [count as u32].into_iter().chain(0..count as u32).collect(),
            owner: all.iter().map(|entry| entry.2).collect(),
            moment: all.iter().map(|entry| entry.0).collect(),
            call: all.iter().map(|entry| entry.1).collect(),
            entries,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next[0] == 0
    }

    pub(super) fn first(&self) -> u32 {
        self.next[0]
    }

    pub(super) fn next(&self, entry: u32) -> u32 {
        self.next[entry as usize]
    }

    pub(super) fn is_call(&self, entry: u32) -> bool {
        self.call[entry as usize]
    }

    pub(super) fn owner(&self, entry: u32) -> u32 {
        self.owner[entry as usize]
    }

    pub(super) fn moment(&self, entry: u32) -> u64 {
        self.moment[entry as usize]
    }

    /// The first return: every call that is left ends in one.
    pub(super) fn first_return(&self) -> u32 {
        let mut entry = self.first();
        while self.is_call(entry) {
            entry = self.next(entry);
        }
        entry
    }

    pub(super) fn lift(&mut self, number: u32) {
        let (call, back) = self.entries[number as usize];
        for entry in [call as usize, back as usize] {
            let (next, previous) = (self.next[entry], self.previous[entry]);
            self.next[previous as usize] = next;
            self.previous[next as usize] = previous;
        }
    }

    pub(super) fn unlift(&mut self, number: u32) {
        let (call, back) = self.entries[number as usize];
        for entry in [back, call] {
            let (next, previous) = (self.next[entry as usize], self.previous[entry as usize]);
            self.next[previous as usize] = entry;
            self.previous[next as usize] = entry;
        }
    }
}
