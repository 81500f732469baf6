//! Keys that are used by a few workers for a while and then left for new ones, so that no checker
//! meets an object with more open operations or a longer past than it can search.

use std::collections::BTreeSet;

/// The keys of a workload.
pub(super) struct Keys {
    prefix: &'static str,
    /// Workers that share a key.
    group: usize,
    /// Operations before a key is left.
    life: u64,
    groups: Vec<Group>,
    next: u64,
    all: BTreeSet<u64>,
}

struct Group {
    key: u64,
    used: u64,
}

impl Keys {
    pub(super) fn new(prefix: &'static str, workers: usize, group: usize, life: u64) -> Self {
        let mut keys =
            Self { prefix, group, life, groups: Vec::new(), next: 0, all: BTreeSet::new() };
        for _ in 0..workers.div_ceil(group) {
            let key = keys.fresh();
            keys.groups.push(Group { key, used: 0 });
        }
        keys
    }

    fn fresh(&mut self) -> u64 {
        let key = self.next;
        self.next += 1;
        self.all.insert(key);
        key
    }

    /// The key that a worker uses for its next operation.
    pub(super) fn take(&mut self, worker: usize) -> String {
        let at = (worker / self.group) % self.groups.len();
        if self.groups[at].used >= self.life {
            let key = self.fresh();
            self.groups[at] = Group { key, used: 0 };
        }
        self.groups[at].used += 1;
        format!("{}{}", self.prefix, self.groups[at].key)
    }

    /// The youngest keys: the older ones were read often enough after they were left.
    pub(super) fn youngest(&self, count: usize) -> Vec<String> {
        self.all.iter().rev().take(count).map(|key| format!("{}{key}", self.prefix)).collect()
    }
}
