//! `Record`: a value with its times, as a map keeps it.

use serde::{Deserialize, Serialize};

use crate::accounting::record_bytes;
use crate::blob::Blob;
use crate::command::{Lifetime, MapSettings};
use crate::ids::ClusterTime;
use crate::outcome::RecordView;

/// A value and its metadata. Zero stands for "never" and "none": a million of these are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) value: Blob,
    pub(crate) version: u64,
    pub(crate) hits: u64,
    pub(crate) created_at: ClusterTime,
    pub(crate) updated_at: ClusterTime,
    pub(crate) accessed_at: ClusterTime,
    ttl_ms: u64,
    ttl_from: ClusterTime,
    max_idle_ms: u64,
}

impl Record {
    pub(crate) fn new(value: Blob, version: u64, now: ClusterTime) -> Self {
        Self {
            value,
            version,
            hits: 0,
            created_at: now,
            updated_at: now,
            accessed_at: ClusterTime(0),
            ttl_ms: 0,
            ttl_from: now,
            max_idle_ms: 0,
        }
    }

    /// Sets the time to live, from `now`.
    pub(crate) fn live(&mut self, ttl: Lifetime, settings: &MapSettings, now: ClusterTime) {
        self.ttl_ms = in_force(ttl, settings.time_to_live_ms);
        self.ttl_from = now;
    }

    /// Sets the idle time.
    pub(crate) fn idle(&mut self, max_idle: Lifetime, settings: &MapSettings) {
        self.max_idle_ms = in_force(max_idle, settings.max_idle_ms);
    }

    /// When its time to live ends.
    pub(crate) fn lives_until(&self) -> Option<ClusterTime> {
        (self.ttl_ms > 0).then(|| self.ttl_from.plus_ms(self.ttl_ms))
    }

    /// When its idle time ends if nobody reads it any more.
    pub(crate) fn idle_until(&self) -> Option<ClusterTime> {
        (self.max_idle_ms > 0).then(|| self.used_at().plus_ms(self.max_idle_ms))
    }

    /// When it was read or written last.
    pub(crate) fn used_at(&self) -> ClusterTime {
        self.accessed_at.max(self.updated_at)
    }

    /// The record as clients and the admin API see it.
    pub(crate) fn view(&self, key: &Blob) -> RecordView {
        let ends = [self.lives_until(), self.idle_until()];
        RecordView {
            key: key.clone(),
            value: self.value.clone(),
            cost_bytes: record_bytes(key, &self.value),
            created_at: self.created_at,
            updated_at: self.updated_at,
            accessed_at: (self.accessed_at != ClusterTime(0)).then_some(self.accessed_at),
            hits: self.hits,
            version: self.version,
            expires_at: ends.into_iter().flatten().min(),
            time_to_live_ms: (self.ttl_ms > 0).then_some(self.ttl_ms),
            max_idle_ms: (self.max_idle_ms > 0).then_some(self.max_idle_ms),
        }
    }
}

fn in_force(lifetime: Lifetime, setting_ms: u64) -> u64 {
    match lifetime {
        Lifetime::Default => setting_ms,
        Lifetime::Unlimited => 0,
        Lifetime::Ms(ms) => ms,
    }
}
