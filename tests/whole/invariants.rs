//! The invariants, one function each, named as in the Raft paper where that names them.

use std::collections::{BTreeMap, BTreeSet};

use crate::network::Process;
use crate::watch::{Id, Leader, NodeLog, Stored, Vote};

/// Log Matching: entries of one id are the same entry, and so is everything before them. By
/// induction it is enough that the one before is.
pub(crate) fn log_matching(
    process: Process,
    known: Option<(u32, Option<Id>)>,
    found: (u32, Option<Id>),
    id: Id,
) {
    if let Some(known) = known {
        assert_eq!(known, found, "Log Matching: {process:?} has another entry {id:?}");
    }
}

/// Leader Append-Only: a leader takes nothing out of its log.
pub(crate) fn leader_append_only(process: Process, vote: Vote) {
    let leads = vote.committed && vote.leader.node == process.node;
    assert!(!leads, "Leader Append-Only: {process:?} leads as {vote:?} and cuts its log");
}

/// Leader Completeness: a new leader has every entry that was committed under earlier ones.
pub(crate) fn leader_completeness(
    leader: Leader,
    log: &NodeLog,
    committed: &BTreeMap<u64, Stored>,
) {
    let purged = log.purged.map_or(0, |id| id.index);
    for (index, entry) in committed.range(purged + 1..) {
        let has = log.entries.get(index) == Some(entry);
        assert!(
            has || entry.id.leader >= leader,
            "Leader Completeness: {leader:?} lacks the committed {entry:?}"
        );
    }
}

/// State Machine Safety: no two nodes apply different entries at one index.
pub(crate) fn state_machine_safety(process: Process, known: Option<Stored>, applied: Stored) {
    if let Some(known) = known {
        assert_eq!(known, applied, "State Machine Safety: {process:?} applied another entry");
    }
}

/// Election Safety as openraft has it: of two leaders in one term only the greater commits once it
/// is known, so the leaders of committed entries never go back.
pub(crate) fn only_the_greater_leader_commits(committed: &BTreeMap<u64, Stored>, newest: Stored) {
    let index = newest.id.index;
    let before = committed.range(..index).next_back().map(|(_, stored)| stored.id.leader);
    let after = committed.range(index + 1..).next().map(|(_, stored)| stored.id.leader);
    assert!(
        before <= Some(newest.id.leader) && after.is_none_or(|after| newest.id.leader <= after),
        "Election Safety: {newest:?} is committed between {before:?} and {after:?}"
    );
}

/// Equal applied indexes, equal states.
pub(crate) fn equal_states_at_equal_index(process: Process, index: u64, known: u64, found: u64) {
    assert_eq!(known, found, "Equal States: {process:?} has another state at {index}");
}

/// What was applied and by whomever, stays in every log.
pub(crate) fn committed_entries_stay(
    process: Process,
    committed: &BTreeMap<u64, Stored>,
    gone: &BTreeMap<u64, Stored>,
) {
    for (index, entry) in gone {
        let lost = committed.get(index) == Some(entry);
        assert!(!lost, "Committed Entries Stay: {process:?} cuts off {entry:?}");
    }
}

/// A vote is never taken back, over restarts and power cuts neither.
pub(crate) fn votes_never_go_back(process: Process, before: Vote, now: Vote) {
    assert!(before <= now, "Votes Never Go Back: {process:?} from {before:?} to {now:?}");
}

/// What a disk has promised is there after every start.
pub(crate) fn promised_entries_are_there(process: Process, promised: &NodeLog, found: &NodeLog) {
    let purged = found.purged.map_or(0, |id| id.index);
    for (index, entry) in &promised.entries {
        let there = *index <= purged || found.entries.get(index) == Some(entry);
        assert!(there, "Durability: {process:?} had promised {entry:?} and has lost it");
    }
}

/// The applied index of a process only grows.
pub(crate) fn applied_never_goes_back(process: Process, before: u64, now: u64) {
    assert!(before <= now, "Applied Never Goes Back: {process:?} from {before} to {now}");
}

/// The term of a process only grows.
pub(crate) fn term_never_goes_back(process: Process, before: u64, now: u64) {
    assert!(before <= now, "Terms Never Go Back: {process:?} from {before} to {now}");
}

/// A register is read as it was when the read began, or newer, and as nobody has yet written never.
pub(crate) fn a_read_is_fresh(key: &str, floor: u64, read: u64, ceiling: u64) {
    assert!(
        (floor..=ceiling).contains(&read),
        "Linearizable Reads: {key} is read as {read}, not within {floor}..={ceiling}"
    );
}

/// A command that was sent again is applied once: a record that nobody else makes is made by the
/// first.
pub(crate) fn applied_exactly_once(key: &str, found_there: bool) {
    assert!(!found_there, "Exactly Once: {key} was there before it was made");
}

/// Ids are drawn once and in order of real time.
pub(crate) fn ids_are_drawn_once(floor: i64, drawn: i64, is_new: bool) {
    assert!(is_new, "Exactly Once: the id {drawn} is drawn twice");
    assert!(floor < drawn, "Linearizable Ids: {drawn} is drawn after {floor} was answered");
}

/// As many increments as commands at the most: each is applied once, whatever was sent again.
pub(crate) fn no_more_ids_than_asked_for(drawn: i64, asked: i64) {
    assert!(drawn <= asked, "Exactly Once: id {drawn} after {asked} commands");
}

/// A write that was told not to have happened is read by nobody.
pub(crate) fn refused_is_refused(key: &str, read: u64, refused: &BTreeSet<u64>) {
    assert!(!refused.contains(&read), "Refused Is Refused: {key} is read as {read}");
}
