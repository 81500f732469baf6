//! The watch: what every node's log holds and has promised, and what is committed. It sees each
//! change as it happens and asks the invariants.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use statekeeper::consensus::{Role, Status};
use statekeeper::storage::{EncodedEntry, FileLog, LogStore, PurgeMark};

use crate::invariants;
use crate::network::Process;
use crate::trace;

/// A change of a log, as openraft asks for it.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Append(Vec<EncodedEntry>),
    Truncate(Option<u64>),
    Purge(PurgeMark),
    Vote(Vec<u8>),
    Pointer(Vec<u8>),
}

impl Change {
    /// What a rarer one is counted as.
    fn name(&self) -> Option<&'static str> {
        match self {
            Self::Append(_) => None,
            Self::Truncate(_) => Some("truncations"),
            Self::Purge(_) => Some("purges"),
            Self::Vote(_) => Some("votes"),
            Self::Pointer(_) => Some("snapshots"),
        }
    }
}

/// A leadership: of two in one term, openraft knows a greater one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Leader {
    pub(crate) term: u64,
    pub(crate) node: u64,
}

/// Who wrote an entry, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) leader: Leader,
    pub(crate) index: u64,
}

/// An entry by its id and the checksum of all its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) id: Id,
    pub(crate) crc: u32,
}

/// A promise to a candidate, or to a leader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Vote {
    pub(crate) leader: Leader,
    pub(crate) committed: bool,
}

/// A log.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeLog {
    pub(crate) entries: BTreeMap<u64, Stored>,
    pub(crate) purged: Option<Id>,
    pub(crate) vote: Vote,
}

impl NodeLog {
    fn last(&self) -> Option<Id> {
        self.entries.last_key_value().map(|(_, stored)| stored.id).or(self.purged)
    }

    fn purge(&mut self, id: Id) {
        self.entries = self.entries.split_off(&(id.index + 1));
        self.purged = Some(id);
    }

    fn truncate(&mut self, last_kept: Option<u64>) -> BTreeMap<u64, Stored> {
        self.entries.split_off(&last_kept.map_or(0, |index| index + 1))
    }
}

/// One running process.
#[derive(Debug, Default)]
struct Running {
    start: u64,
    log: NodeLog,
    applied: u64,
    told: (u64, Role, Option<u64>),
}

#[derive(Debug, Default)]
struct State {
    running: BTreeMap<u64, Running>,
    /// What each node's disk has promised.
    promised: BTreeMap<u64, NodeLog>,
    /// Every entry that was ever in a log, with the checksum and the entry before it.
    seen: BTreeMap<Id, (u32, Option<Id>)>,
    committed: BTreeMap<u64, Stored>,
    /// State by applied index.
    digests: BTreeMap<u64, u64>,
    counts: BTreeMap<String, u64>,
}

/// Shared by all logs and the play.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch(Arc<Mutex<State>>);

fn stored(entry: &EncodedEntry) -> Stored {
    let ((term, node, index), _) = postcard::take_from_bytes(&entry.bytes).expect("an entry");
    assert_eq!(index, entry.index, "an entry begins with its log id");
    Stored { id: Id { leader: Leader { term, node }, index }, crc: crc32c::crc32c(&entry.bytes) }
}

fn log_id(bytes: &[u8]) -> Id {
    let (term, node, index) = postcard::from_bytes(bytes).expect("a log id");
    Id { leader: Leader { term, node }, index }
}

fn vote(bytes: &[u8]) -> Vote {
    let (term, node, committed) = postcard::from_bytes(bytes).expect("a vote");
    Vote { leader: Leader { term, node }, committed }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &'static str) {
    *counts.entry(name.to_owned()).or_default() += 1;
}

impl Watch {
    /// A node starts with what its disk holds.
    pub(crate) fn recovered(&self, process: Process, log: &FileLog) {
        let mut state = self.0.lock();
        let found = log.recovered();
        let entries = log.read(found.entries.clone(), usize::MAX).unwrap();
        let recovered = NodeLog {
            entries: entries.iter().map(|entry| (entry.index, stored(entry))).collect(),
            purged: found.purged.as_ref().map(|mark| log_id(&mark.log_id)),
            vote: found.vote.as_deref().map(vote).unwrap_or_default(),
        };
        trace::add(format!(
            "{process:?} recovers {:?} to {:?}, {:?}",
            recovered.purged.map(|id| id.index),
            recovered.last(),
            recovered.vote
        ));
        let promised = state.promised.entry(process.node).or_default();
        invariants::votes_never_go_back(process, promised.vote, recovered.vote);
        invariants::promised_entries_are_there(process, promised, &recovered);
        *promised = recovered.clone();
        let running = Running { start: process.start, log: recovered, ..Running::default() };
        state.running.insert(process.node, running);
    }

    /// A process is no longer looked at.
    pub(crate) fn ended(&self, process: Process) {
        self.0.lock().running.remove(&process.node);
    }

    /// openraft asks for a change.
    pub(crate) fn asked(&self, process: Process, change: &Change) {
        let State { running, promised, seen, committed, counts, .. } = &mut *self.0.lock();
        let Some(running) = running.get_mut(&process.node) else { return };
        let Some(promised) = promised.get_mut(&process.node) else { return };
        if running.start != process.start {
            return;
        }
        if let Some(name) = change.name() {
            count(counts, name);
        }
        let log = &mut running.log;
        match change {
            Change::Append(entries) => {
                for entry in entries {
                    let (stored, previous) = (stored(entry), log.last());
                    let known = seen.insert(stored.id, (stored.crc, previous));
                    invariants::log_matching(process, known, (stored.crc, previous), stored.id);
                    let over = log.entries.insert(entry.index, stored);
                    assert_eq!(over, None, "{process:?} appends over an entry");
                }
                trace::add(format!("{process:?} appends to {:?}", log.last()));
            }
            Change::Truncate(last_kept) => {
                trace::add(format!("{process:?} truncates after {last_kept:?}"));
                invariants::leader_append_only(process, log.vote);
                let gone = log.truncate(*last_kept);
                invariants::committed_entries_stay(process, committed, &gone);
                promised.truncate(*last_kept);
            }
            Change::Purge(mark) => {
                let id = log_id(&mark.log_id);
                trace::add(format!("{process:?} purges to {id:?}"));
                log.purge(id);
                promised.purge(id);
            }
            Change::Vote(bytes) => {
                let vote = vote(bytes);
                trace::add(format!("{process:?} votes {vote:?}"));
                invariants::votes_never_go_back(process, log.vote, vote);
                if vote.committed && vote.leader.node == process.node {
                    invariants::leader_completeness(vote.leader, log, committed);
                }
                log.vote = vote;
            }
            Change::Pointer(_) => trace::add(format!("{process:?} has a snapshot")),
        }
    }

    /// The disk says that a change is durable.
    pub(crate) fn durable(&self, process: Process, change: &Change) {
        let State { running, promised, .. } = &mut *self.0.lock();
        let Some(running) = running.get(&process.node) else { return };
        let Some(promised) = promised.get_mut(&process.node) else { return };
        if running.start != process.start {
            return;
        }
        match change {
            Change::Append(entries) => {
                for stored in entries.iter().map(stored) {
                    // What was cut off meanwhile is promised to nobody.
                    if running.log.entries.get(&stored.id.index) == Some(&stored) {
                        promised.entries.insert(stored.id.index, stored);
                    }
                }
            }
            Change::Vote(bytes) => promised.vote = vote(bytes),
            Change::Truncate(_) | Change::Purge(_) | Change::Pointer(_) => {}
        }
    }

    /// Looks at a node: how far it has applied and what its state is there.
    pub(crate) fn applied(&self, process: Process, index: u64, digest: impl FnOnce() -> u64) {
        let State { running, committed, digests, .. } = &mut *self.0.lock();
        let Some(running) = running.get_mut(&process.node) else { return };
        invariants::applied_never_goes_back(process, running.applied, index);
        if index == running.applied {
            return;
        }
        for (_, stored) in running.log.entries.range(running.applied + 1..=index) {
            let known = committed.insert(stored.id.index, *stored);
            invariants::state_machine_safety(process, known, *stored);
            invariants::only_the_greater_leader_commits(committed, *stored);
        }
        let digest = digest();
        trace::add(format!("{process:?} has applied {index}: {digest:016x}"));
        let known = *digests.entry(index).or_insert(digest);
        invariants::equal_states_at_equal_index(process, index, known, digest);
        running.applied = index;
    }

    /// Looks at what a node says about itself.
    pub(crate) fn status(&self, process: Process, status: &Status) {
        let mut state = self.0.lock();
        let Some(running) = state.running.get_mut(&process.node) else { return };
        let told = (status.term, status.role, status.leader.map(|node| node.0));
        if told != running.told {
            trace::add(format!("{process:?} is {told:?}"));
            invariants::term_never_goes_back(process, running.told.0, told.0);
            running.told = told;
        }
    }

    /// Something happened that each run must see.
    pub(crate) fn count(&self, name: &'static str) {
        count(&mut self.0.lock().counts, name);
    }

    /// How often the rarer things happened.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.0.lock().counts.clone()
    }

    /// The highest index that any node has applied.
    pub(crate) fn committed_index(&self) -> u64 {
        self.0.lock().committed.last_key_value().map_or(0, |(index, _)| *index)
    }
}
