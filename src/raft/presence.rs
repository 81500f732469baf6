//! `Presence`: what this node has to tell the leader: clients here, the coordinator, reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use statekeeper_machine::{Blob, ClientUuid, ClusterTime, Name, NodeDescription, Touch};
use tokio::sync::Notify;

use super::applied::AppliedState;
use super::counters::RaftCounters;
use super::limits;
use super::message::NodeReport;
use crate::consensus::CoordinatorReport;

/// Collects what the next report says.
pub(crate) struct Presence {
    description: NodeDescription,
    applied: Arc<AppliedState>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Clients with a connection here; bounded by the connections.
    clients: BTreeSet<ClientUuid>,
    coordinator: Option<(CoordinatorReport, bool)>,
    touches: BTreeMap<(Name, Blob), Read>,
}

#[derive(Clone, Copy, Debug)]
struct Read {
    at: ClusterTime,
    count: u32,
}

impl Presence {
    pub(crate) fn new(description: NodeDescription, applied: Arc<AppliedState>) -> Self {
        Self { description, applied, state: Mutex::default(), changed: Notify::new() }
    }

    /// How this node is reached.
    pub(crate) fn description(&self) -> &NodeDescription {
        &self.description
    }

    /// A client's first connection opened, or its last one closed.
    pub(crate) fn client(&self, client: ClientUuid, connected: bool) {
        let changed = {
            let mut state = self.state.lock();
            if connected { state.clients.insert(client) } else { state.clients.remove(&client) }
        };
        if changed && self.applied.machine().map_lock_holders().contains(&client) {
            self.changed.notify_one();
        }
    }

    /// What the check of the coordinator says.
    pub(crate) fn coordinator(&self, report: CoordinatorReport) {
        let changed = {
            let mut state = self.state.lock();
            let same = |known: &CoordinatorReport| {
                (&known.host, known.port) == (&report.host, report.port)
            };
            let before = state.coordinator.take();
            let was_up =
                report.up || before.as_ref().is_some_and(|(known, was_up)| *was_up && same(known));
            let changed = before.is_none_or(|(known, _)| known != report);
            state.coordinator = Some((report, was_up));
            changed
        };
        if changed {
            self.changed.notify_one();
        }
    }

    /// Keys of a map with an idle time were read.
    pub(crate) fn read(&self, map: &Name, keys: &[Blob]) {
        let at = self.applied.clock.now();
        let mut dropped = 0;
        {
            let mut state = self.state.lock();
            for key in keys {
                if let Some(read) = state.touches.get_mut(&(map.clone(), key.clone())) {
                    *read = Read { at, count: read.count.saturating_add(1) };
                } else if state.touches.len() < limits::TOUCHED_KEYS_MAX {
                    state.touches.insert((map.clone(), key.clone()), Read { at, count: 1 });
                } else {
                    dropped += 1;
                }
            }
        }
        RaftCounters::add(&self.applied.counters.touches_dropped, dropped);
    }

    /// Whether reads wait to be told.
    pub(crate) fn has_touches(&self) -> bool {
        !self.state.lock().touches.is_empty()
    }

    /// Waits until there is something that should be told at once.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The report now; reads are in one report only.
    pub(crate) fn report(&self) -> NodeReport {
        let holders = self.applied.machine().map_lock_holders();
        let mut state = self.state.lock();
        let clients = holders.into_iter().filter(|client| state.clients.contains(client));
        let clients_here = clients.collect();
        let (coordinator, coordinator_was_up) = match &state.coordinator {
            Some((report, was_up)) => (Some(report.clone()), *was_up),
            None => (None, false),
        };
        let touches = std::mem::take(&mut state.touches);
        let touch = |((map, key), read): ((Name, Blob), Read)| {
            // A key that is kept for a second must not pin the message it arrived in.
            Touch { map, key, at: read.at, reads: read.count }
        };
        let touches = touches.into_iter().map(touch).collect();
        let description = self.description.clone();
        NodeReport { description, clients_here, coordinator, coordinator_was_up, touches }
    }
}
