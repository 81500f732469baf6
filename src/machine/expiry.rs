//! Everything that ends by time, ordered by (deadline, key).
//!
//! Two lists: what ends with the first entry at or after its deadline (times to live, leases,
//! sessions, waits), and idle records, which end only by an explicit `Expire`, after the leader has
//! brought in the reads it knows of. Both are derived from the state and rebuilt when a snapshot is
//! restored.

use std::collections::BTreeSet;

use crate::blob::Blob;
use crate::event::{Event, WaitKey};
use crate::ids::{ClusterTime, Name, SessionId};

/// What ends. The order of the variants is the order in which things of one deadline end: a lease
/// before the waits for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    Record {
        map: Name,
        key: Blob,
    },
    Session {
        group: Name,
        session: SessionId,
    },
    Lease {
        map: Name,
        key: Blob,
    },
    /// Boxed: a map with times to live has one entry of this size for each record.
    Wait(Box<WaitKey>),
}

/// Deadlines in order.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Deadlines {
    fixed: BTreeSet<(ClusterTime, Due)>,
    idle: BTreeSet<(ClusterTime, Due)>,
}

impl Deadlines {
    pub(crate) fn add(&mut self, at: ClusterTime, due: Due) {
        self.fixed.insert((at, due));
    }

    pub(crate) fn remove(&mut self, at: ClusterTime, due: Due) {
        self.fixed.remove(&(at, due));
    }

    pub(crate) fn add_idle(&mut self, at: ClusterTime, due: Due) {
        self.idle.insert((at, due));
    }

    pub(crate) fn remove_idle(&mut self, at: ClusterTime, due: Due) {
        self.idle.remove(&(at, due));
    }

    // req: R-17
    /// Takes the next thing that is due.
    pub(crate) fn pop(&mut self, now: ClusterTime) -> Option<Due> {
        pop_until(&mut self.fixed, now)
    }

    /// Takes the next idle record that is due.
    pub(crate) fn pop_idle(&mut self, now: ClusterTime) -> Option<Due> {
        pop_until(&mut self.idle, now)
    }

    pub(crate) fn next(&self) -> Option<ClusterTime> {
        self.fixed.first().map(|(at, _)| *at)
    }

    pub(crate) fn next_idle(&self) -> Option<ClusterTime> {
        self.idle.first().map(|(at, _)| *at)
    }
}

fn pop_until(set: &mut BTreeSet<(ClusterTime, Due)>, now: ClusterTime) -> Option<Due> {
    if set.first()?.0 > now {
        return None;
    }
    set.pop_first().map(|(_, due)| due)
}

/// What every change needs beside the state it changes: the time, and where to say what happened.
pub(crate) struct Step<'a> {
    pub(crate) now: ClusterTime,
    pub(crate) deadlines: &'a mut Deadlines,
    pub(crate) events: &'a mut Vec<Event>,
}
