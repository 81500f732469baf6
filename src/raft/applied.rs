//! `AppliedState`: the machine of this node, and everybody who must learn what is applied to it.
//!
//! Order for each entry: the state changes, the view follows, events go to the subscribers, tickets
//! are answered, and only then the applied index moves. So whoever sees an answer or an index finds
//! its effect and its events already there.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use statekeeper_machine::{
    Applied, ClusterView, Event, EventBatch, LogEntry, Machine, NodeId, Reply,
};
use tokio::sync::watch;

use super::clock::ClusterClock;
use super::counters::RaftCounters;
use super::event_bus::EventBus;
use super::tickets::Tickets;

/// Bytes of applied entries between two marks of the log's size.
const MARK_BYTES: u64 = 64 * 1024;
/// Bytes of an entry beside its command: ids, times, framing.
const ENTRY_OVERHEAD_BYTES: u64 = 48;

/// The applied state of this node.
pub(crate) struct AppliedState {
    pub(crate) node: NodeId,
    machine: RwLock<Machine>,
    index: watch::Sender<u64>,
    state_bytes: AtomicU64,
    view: watch::Sender<Arc<ClusterView>>,
    pub(crate) events: EventBus,
    pub(crate) tickets: Tickets,
    pub(crate) clock: ClusterClock,
    pub(crate) counters: Arc<RaftCounters>,
    log_size: Mutex<LogSize>,
}

/// How many bytes of log the applied entries are, by index.
#[derive(Debug, Default)]
struct LogSize {
    bytes: u64,
    marked: u64,
    /// Index and bytes up to it, in order.
    marks: VecDeque<(u64, u64)>,
}

/// Where an entry comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryOrigin {
    pub(crate) index: u64,
    /// It was in the log when this process started: its events were somebody else's to emit.
    pub(crate) recovered: bool,
    /// This node has seen no leader later than the entry's.
    pub(crate) newest_leader: bool,
}

/// The machine panicked; the node must not go on.
#[derive(Debug, thiserror::Error)]
#[error("applying log index {index} panicked: {message}")]
pub(crate) struct ApplyPanic {
    index: u64,
    message: String,
}

impl AppliedState {
    pub(crate) fn new(node: NodeId, start: u64, counters: Arc<RaftCounters>) -> Self {
        Self {
            node,
            machine: RwLock::new(Machine::new()),
            index: watch::Sender::new(0),
            state_bytes: AtomicU64::new(0),
            view: watch::Sender::new(Arc::default()),
            events: EventBus::new(counters.clone()),
            tickets: Tickets::new(node, start),
            clock: ClusterClock::new(node),
            counters,
            log_size: Mutex::default(),
        }
    }

    /// The state as it is now. Held for as short a time as possible: applying waits for it.
    pub(crate) fn machine(&self) -> RwLockReadGuard<'_, Machine> {
        self.machine.read()
    }

    /// The last applied index.
    pub(crate) fn index(&self) -> u64 {
        *self.index.borrow()
    }

    /// Waits until an index is applied here.
    pub(crate) async fn reach(&self, index: u64) {
        let mut applied = self.index.subscribe();
        // The sender lives as long as this state.
        drop(applied.wait_for(|applied| *applied >= index).await);
    }

    /// Accounted bytes of the state.
    pub(crate) fn state_bytes(&self) -> u64 {
        self.state_bytes.load(Ordering::Relaxed)
    }

    /// The view that is in the state.
    pub(crate) fn watch_view(&self) -> watch::Receiver<Arc<ClusterView>> {
        self.view.subscribe()
    }

    /// Applies a command.
    pub(crate) fn apply(&self, at: EntryOrigin, entry: LogEntry) -> Result<Reply, ApplyPanic> {
        let (proposer, origin) = (entry.proposer, entry.origin);
        self.count_bytes(at.index, entry.command.payload_bytes() + ENTRY_OVERHEAD_BYTES);
        let (Applied { reply, events }, time) = {
            let mut machine = self.machine.write();
            let apply = catch_unwind(AssertUnwindSafe(|| machine.apply(entry)));
            let applied = apply.map_err(|panic| apply_panic(at.index, &*panic))?;
            self.state_bytes.store(machine.state_bytes(), Ordering::Relaxed);
            if events_change_view(&applied.events) {
                self.publish_view(&machine);
            }
            (applied, machine.time())
        };
        self.clock.applied(proposer, time);
        if at.recovered || events.is_empty() {
            self.tickets.applied(origin.as_ref(), &reply, &events);
        } else {
            let emitter = proposer == self.node && at.newest_leader;
            let batch = EventBatch { index: at.index, emitter, gap: false, events };
            let batch = Arc::new(batch);
            self.events.publish(&batch);
            self.tickets.applied(origin.as_ref(), &reply, &batch.events);
        }
        RaftCounters::add(&self.counters.applied, 1);
        Ok(reply)
    }

    /// Everything up to an index is applied.
    pub(crate) fn advance(&self, index: u64) {
        self.index.send_replace(index);
    }

    /// Replaces the state by that of a snapshot.
    pub(crate) fn install(&self, index: u64, machine: Machine, recovered: bool) {
        {
            let mut current = self.machine.write();
            *current = machine;
            self.state_bytes.store(current.state_bytes(), Ordering::Relaxed);
            self.publish_view(&current);
            self.clock.set(current.time());
        }
        *self.log_size.lock() = LogSize::default();
        if !recovered {
            let events = Vec::new();
            let gap = EventBatch { index, emitter: false, gap: true, events };
            self.events.publish(&Arc::new(gap));
            self.tickets.installed(&self.machine.read());
        }
        self.advance(index);
    }

    /// Bytes of log that the entries applied after this index are, as far as they are known.
    pub(crate) fn log_bytes_after(&self, index: u64) -> u64 {
        let size = self.log_size.lock();
        size.bytes - size.bytes_at(index)
    }

    /// The highest index such that at least so many bytes of log lie between it and another one;
    /// `None` when that much is not known to be there.
    pub(crate) fn index_bytes_before(&self, index: u64, bytes: u64) -> Option<u64> {
        let size = self.log_size.lock();
        let upto = size.bytes_at(index).checked_sub(bytes)?;
        let marks = size.marks.partition_point(|(_, at)| *at <= upto);
        marks.checked_sub(1).and_then(|last| size.marks.get(last)).map(|(index, _)| *index)
    }

    /// Forgets the size of entries that are purged.
    pub(crate) fn forget_size(&self, index: u64) {
        let mut size = self.log_size.lock();
        while size.marks.get(1).is_some_and(|(next, _)| *next <= index) {
            size.marks.pop_front();
        }
    }

    fn count_bytes(&self, index: u64, bytes: u64) {
        let mut size = self.log_size.lock();
        size.bytes += bytes;
        if size.bytes - size.marked >= MARK_BYTES {
            size.marked = size.bytes;
            let mark = (index, size.bytes);
            size.marks.push_back(mark);
        }
    }

    fn publish_view(&self, machine: &Machine) {
        self.view.send_if_modified(|view| {
            let now = machine.view();
            let changed = **view != now;
            if changed {
                *view = Arc::new(now);
            }
            changed
        });
    }
}

impl LogSize {
    /// Bytes up to an index, rounded down to a mark.
    fn bytes_at(&self, index: u64) -> u64 {
        let marks = self.marks.partition_point(|(at, _)| *at <= index);
        marks.checked_sub(1).and_then(|last| self.marks.get(last)).map_or(0, |(_, bytes)| *bytes)
    }
}

fn events_change_view(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::ViewChanged))
}

fn apply_panic(index: u64, panic: &(dyn std::any::Any + Send)) -> ApplyPanic {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    ApplyPanic { index, message: text.unwrap_or_else(|| "without a text".to_owned()) }
}
