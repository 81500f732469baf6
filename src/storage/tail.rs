//! The newest part of the log in memory, decoded: readers are served from here, the disk is for
//! laggards and the start. Entries that are not durable yet are never dropped from it.

use std::collections::VecDeque;
use std::ops::Range;

/// A bounded queue of the newest entries, with consecutive indexes.
#[derive(Debug)]
pub(super) struct Tail<E> {
    first: u64,
    entries: VecDeque<(E, usize)>,
    bytes: usize,
    bytes_max: usize,
    durable_end: u64,
    truncations: u64,
}

impl<E: Clone> Tail<E> {
    /// An empty tail of a log whose next index is `next`.
    pub(super) fn new(next: u64, bytes_max: usize) -> Self {
        Self {
            first: next,
            entries: VecDeque::new(),
            bytes: 0,
            bytes_max,
            durable_end: next,
            truncations: 0,
        }
    }

    /// The first index held in memory; everything before it is durable.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The index after the last one.
    pub(super) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// How often the log was shortened or emptied; a reader that saw two values starts again.
    pub(super) fn truncations(&self) -> u64 {
        self.truncations
    }

    /// Moves an empty log to its first index.
    pub(super) fn begin(&mut self, first: u64) {
        if self.entries.is_empty() {
            self.first = first;
            self.durable_end = first;
        }
    }

    /// Adds the next entry, of so many encoded bytes. Its place in memory counts as well: small
    /// entries are larger decoded than encoded.
    pub(super) fn push(&mut self, entry: E, encoded_bytes: usize) {
        let bytes = encoded_bytes + size_of::<(E, usize)>();
        self.bytes += bytes;
        self.entries.push_back((entry, bytes));
    }

    /// Learns that all entries before `end` are durable, told by an append that was queued when the
    /// log had been shortened `truncations` times. A late notice of an older log says nothing.
    pub(super) fn durable(&mut self, end: u64, truncations: u64) {
        if truncations == self.truncations {
            self.durable_end = self.durable_end.max(end);
        }
        self.trim();
    }

    /// Drops everything from `end` on. Below the part in memory nothing remains to be dropped.
    pub(super) fn truncate(&mut self, end: u64) {
        self.truncations += 1;
        while self.end() > end {
            match self.entries.pop_back() {
                Some((_, bytes)) => self.bytes -= bytes,
                None => break,
            }
        }
        if self.entries.is_empty() {
            self.first = end.min(self.first);
        }
        self.durable_end = self.durable_end.min(end);
    }

    /// Drops everything before `start`; an emptied log goes on at `start`.
    pub(super) fn purge(&mut self, start: u64) {
        while self.first < start {
            match self.entries.pop_front() {
                Some((_, bytes)) => {
                    self.bytes -= bytes;
                    self.first += 1;
                }
                None => {
                    self.first = start;
                    self.truncations += 1;
                }
            }
        }
        self.durable_end = self.durable_end.max(start);
    }

    /// Copies the entries of a range that lies in memory, up to about `bytes_max`.
    pub(super) fn copy(&self, range: Range<u64>, bytes_max: usize, into: &mut Vec<E>) {
        let from = usize::try_from(range.start.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let to = usize::try_from(range.end.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let to = to.min(self.entries.len());
        let mut bytes = 0_usize;
        for (entry, size) in self.entries.range(from.min(to)..to) {
            bytes = bytes.saturating_add(*size);
            if bytes > bytes_max && !into.is_empty() {
                return;
            }
            into.push(entry.clone());
        }
    }

    fn trim(&mut self) {
        while self.bytes > self.bytes_max && self.first < self.durable_end {
            match self.entries.pop_front() {
                Some((_, bytes)) => {
                    self.bytes -= bytes;
                    self.first += 1;
                }
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Tail<u64> {
        let mut tail = Tail::new(10, 5 * (10 + 16));
        for index in 10..20 {
            tail.push(index, 10);
        }
        tail
    }

    #[test]
    fn entries_leave_memory_only_once_they_are_durable() {
        let mut tail = filled();
        tail.durable(12, 0);
        assert_eq!((tail.first(), tail.end()), (12, 20));
        tail.durable(20, 0);
        assert_eq!((tail.first(), tail.end()), (15, 20));
    }

    #[test]
    fn a_notice_from_before_a_truncation_frees_nothing() {
        let mut tail = filled();
        tail.truncate(12);
        for index in 12..25 {
            tail.push(index, 10);
        }
        tail.durable(20, 0);
        assert_eq!(tail.first(), 10);
    }

    #[test]
    fn a_purge_beyond_the_end_moves_the_empty_log() {
        let mut tail = filled();
        tail.purge(40);
        assert_eq!((tail.first(), tail.end()), (40, 40));
        let mut copied = Vec::new();
        tail.copy(10..50, usize::MAX, &mut copied);
        assert!(copied.is_empty());
    }
}
