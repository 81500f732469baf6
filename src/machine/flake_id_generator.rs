//! `IdGenerators`: batches of ids that are given out once, for ever.
//!
//! An id is never below the cluster's clock in the layout real members use, so ids stay above those a
//! Hazelcast cluster gave before a migration; and never at or below one given before.

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
}

impl IdGenerators {
    /// Accounted bytes.
    pub(crate) fn bytes(&self) -> u64 {
        ROW_BYTES * self.next.len() as u64
    }

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
        self.next.insert(generator, next);
        Ok(Outcome::IdBatch { base })
    }
}
