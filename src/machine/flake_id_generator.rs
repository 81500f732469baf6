//! `IdGenerators`: batches of ids that are given out once, for ever.
//!
//! An id is never below the cluster's clock in the layout real members use, so ids stay above those
//! a Hazelcast cluster gave before a migration; and never at or below one given before.

use std::collections::BTreeMap;

use crate::accounting::ROW_BYTES;
use crate::ids::{ClusterTime, Name};
use crate::limits;
use crate::outcome::{Outcome, Rejection, Reply};

/// 2018-01-01T00:00:00Z in milliseconds since the Unix epoch.
const IDS_BEGIN_MS: u64 = 1_514_764_800_000;
/// How far real members shift the time: 6 bits of sequence, 16 of node id.
const TIME_SHIFT: u32 = 22;

/// The first id of each generator that was not given out.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdGenerators {
    pub(crate) next: BTreeMap<Name, i64>,
    bytes: u64,
}

impl IdGenerators {
    /// Accounted bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What `bytes` must say.
    pub(crate) fn recount(&self) -> u64 {
        self.next.keys().map(generator_bytes).sum()
    }

    /// Takes over a generator of an image.
    pub(crate) fn restore(&mut self, generator: Name, next: i64) {
        self.bytes += generator_bytes(&generator);
        self.next.insert(generator, next);
    }

    // req: R-16
    /// Reserves a batch.
    pub(crate) fn new_batch(&mut self, now: ClusterTime, generator: Name, size: u32) -> Reply {
        if size == 0 || size > limits::ID_BATCH_MAX {
            return Err(Rejection::OutOfRange {
                what: Name::from("batch size"),
                min: 1,
                max: i64::from(limits::ID_BATCH_MAX),
            });
        }
        let known = self.next.get(&generator).copied();
        if known.is_none() && self.next.len() >= limits::ID_GENERATORS_MAX {
            return Err(limits::reached("id-generators-max", limits::ID_GENERATORS_MAX));
        }
        let since_ms = now.0.saturating_sub(IDS_BEGIN_MS).min((i64::MAX >> TIME_SHIFT) as u64);
        let base = ((since_ms << TIME_SHIFT) as i64).max(known.unwrap_or(1)).max(1);
        let Some(next) = base.checked_add(i64::from(size)) else {
            return Err(Rejection::OutOfRange { what: Name::from("id"), min: 1, max: i64::MAX });
        };
        if known.is_none() {
            self.bytes += generator_bytes(&generator);
        }
        self.next.insert(generator, next);
        Ok(Outcome::IdBatch { base })
    }
}

fn generator_bytes(name: &Name) -> u64 {
    ROW_BYTES + name.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_when_no_id_is_left() {
        let mut ids = IdGenerators::default();
        let name = Name::from("g");
        ids.restore(name.clone(), i64::MAX - 10);
        let base = i64::MAX - 10;
        let now = ClusterTime(u64::MAX);
        assert_eq!(ids.new_batch(now, name.clone(), 10), Ok(Outcome::IdBatch { base }));
        let refused = ids.new_batch(now, name.clone(), 1);
        assert!(matches!(refused, Err(Rejection::OutOfRange { .. })), "{refused:?}");
        assert_eq!(ids.next[&name], i64::MAX);
    }
}
