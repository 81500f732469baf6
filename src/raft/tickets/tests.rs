//! Tickets against the real machine: answered once, sent again under the same identity.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::time::Duration;

use statekeeper_machine::{
    Caller, ClientUuid, ClusterCommand, ClusterId, ClusterTime, CpCommand, Fence, InvocationUid,
    LockEndpoint, LogEntry, MapChange, SessionId, SessionSettings, ThreadId,
};

use super::*;

const ME: NodeId = NodeId(1);
const START: u64 = 3;

/// A node's tickets and the state that its entries change.
struct Trial {
    tickets: Tickets,
    machine: Machine,
}

impl Trial {
    fn new() -> Self {
        let mut trial = Self { tickets: Tickets::new(ME, START), machine: Machine::new() };
        let founded = trial.apply_own(Command::Cluster(ClusterCommand::Found {
            cluster_id: ClusterId(1),
            cluster_name: "dev".into(),
            sessions: SessionSettings { time_to_live_ms: 30_000, heartbeat_interval_ms: 5_000 },
            maps: Vec::new(),
        }));
        assert!(founded.is_ok());
        trial
    }

    fn open(&self, command: Command) -> oneshot::Receiver<Answered> {
        self.tickets.open(command, later()).unwrap()
    }

    /// What would be sent now.
    fn batch(&self, number: u64) -> Vec<Forwarded> {
        self.tickets.take_batch(number)
    }

    /// Another node's command, or a leader's.
    fn apply_own(&mut self, command: Command) -> Reply {
        let at = ClusterTime(1_000);
        let applied = self.machine.apply(LogEntry { at, proposer: ME, origin: None, command });
        self.tickets.applied(None, &applied.reply, &applied.events);
        applied.reply
    }

    fn apply(&mut self, sent: &Forwarded) -> Reply {
        self.apply_unseen(sent, true)
    }

    /// Applies an entry; a node that is behind does not see it.
    fn apply_unseen(&mut self, sent: &Forwarded, seen: bool) -> Reply {
        let Forwarded { origin, command } = sent.clone();
        let (at, origin) = (ClusterTime(1_000), Some(origin));
        let applied = self.machine.apply(LogEntry { at, proposer: ME, origin, command });
        if seen {
            self.tickets.applied(origin.as_ref(), &applied.reply, &applied.events);
        }
        applied.reply
    }

    fn session(&mut self) -> SessionId {
        let command = CpCommand::CreateSession {
            group: "default".into(),
            endpoint_name: "client".into(),
            client: ClientUuid(1),
        };
        match self.apply_own(Command::Cp(command)) {
            Ok(Outcome::Session { session, .. }) => session,
            other => panic!("no session: {other:?}"),
        }
    }
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn count() -> Command {
    Command::Cp(CpCommand::GenerateThreadId { group: "default".into() })
}

fn lock(session: SessionId, uid: u128) -> Command {
    Command::Cp(CpCommand::Lock {
        group: "default".into(),
        name: "lock".into(),
        endpoint: LockEndpoint { session, thread: ThreadId(1) },
        uid: InvocationUid(uid),
        timeout_ms: None,
    })
}

fn unlock(session: SessionId, uid: u128) -> Command {
    Command::Cp(CpCommand::Unlock {
        group: "default".into(),
        name: "lock".into(),
        endpoint: LockEndpoint { session, thread: ThreadId(1) },
        uid: InvocationUid(uid),
    })
}

#[test]
fn a_command_is_answered_when_it_is_applied_here_and_not_before() {
    let mut trial = Trial::new();
    let mut answer = trial.open(count());
    let sent = trial.batch(1);
    assert!(answer.try_recv().is_err());
    assert!(trial.apply(&sent[0]).is_ok());
    assert!(matches!(answer.try_recv().unwrap(), Ok(Outcome::ThreadId(_))));
    assert!(trial.tickets.is_empty());
}

#[test]
fn a_lost_batch_is_sent_again_in_order_under_the_same_origins_and_applied_once() {
    let mut trial = Trial::new();
    let answers: Vec<_> = (0..3).map(|_| trial.open(count())).collect();
    let first = trial.batch(1);
    // Two of them got into the log, and their leader died before this node heard of it.
    assert!(trial.apply_unseen(&first[0], false).is_ok());
    assert!(trial.apply_unseen(&first[1], false).is_ok());
    assert_eq!(trial.tickets.lost(|batch| batch == 1), 3);
    let again = trial.batch(2);
    let origins = |sent: &[Forwarded]| sent.iter().map(|one| one.origin).collect::<Vec<_>>();
    assert_eq!(origins(&first), origins(&again));
    for sent in &again {
        assert!(trial.apply(sent).is_ok());
    }
    let mut ids = Vec::new();
    for mut answer in answers {
        match answer.try_recv().unwrap() {
            Ok(Outcome::ThreadId(id)) => ids.push(id),
            other => panic!("not answered: {other:?}"),
        }
    }
    assert_eq!(ids, vec![ids[0], ids[0] + 1, ids[0] + 2]);
}

#[test]
fn what_was_surely_not_proposed_is_told_apart_from_what_may_have_been() {
    let trial = Trial::new();
    let mut certain = trial.open(count());
    let mut refused = trial.open(count());
    let mut unsure = trial.open(count());
    let mut unsent = trial.tickets.open(count(), later()).unwrap();
    let sent = trial.batch(1);
    let sequence = |at: usize| sent[at].origin.sequence;
    trial.tickets.refused(1, sequence(0), &Refusal::NotNow);
    let limit: Name = "limits.state-bytes-max".into();
    trial.tickets.refused(1, sequence(1), &Refusal::Overloaded { limit: limit.clone() });
    assert_eq!(refused.try_recv().unwrap(), Err(SubmitError::Overloaded { limit }));
    trial.tickets.refused(1, sequence(2), &Refusal::Unknown);
    trial.tickets.refused(1, sequence(3), &Refusal::NotNow);
    let unknown = trial.tickets.expire(later() + Duration::from_secs(1), false);
    assert_eq!(unknown, 1);
    assert_eq!(certain.try_recv().unwrap(), Err(SubmitError::NotProposed));
    assert_eq!(unsure.try_recv().unwrap(), Err(SubmitError::Unknown));
    assert_eq!(unsent.try_recv().unwrap(), Err(SubmitError::NotProposed));
}

#[test]
fn an_overload_after_an_uncertain_attempt_is_no_certain_answer() {
    let trial = Trial::new();
    let mut answer = trial.open(count());
    let sequence = trial.batch(1)[0].origin.sequence;
    trial.tickets.lost(|_| true);
    trial.batch(2);
    trial.tickets.refused(2, sequence, &Refusal::Overloaded { limit: "a".into() });
    assert!(answer.try_recv().is_err(), "the first attempt may be in the log");
    assert!(trial.tickets.has_queued());
    trial.tickets.end();
    assert_eq!(answer.try_recv().unwrap(), Err(SubmitError::Unknown));
}

#[test]
fn an_own_stale_origin_is_unknown_and_never_a_plain_refusal() {
    let mut trial = Trial::new();
    let mut answer = trial.open(count());
    let sent = trial.batch(1);
    let stale: Reply = Err(Rejection::StaleOrigin);
    trial.tickets.applied(Some(&sent[0].origin), &stale, &[]);
    assert_eq!(answer.try_recv().unwrap(), Err(SubmitError::Unknown));
    let other = Origin { start: START - 1, ..sent[0].origin };
    let mut answer = trial.open(count());
    trial.tickets.applied(Some(&other), &stale, &[]);
    assert!(answer.try_recv().is_err(), "an earlier run's command is not this one");
    let sent = trial.batch(2);
    assert!(trial.apply(&sent[0]).is_ok());
    assert!(answer.try_recv().unwrap().is_ok());
}

#[test]
fn waits_do_not_hold_back_what_counts_as_answered() {
    let mut trial = Trial::new();
    let (holder, waiter) = (trial.session(), trial.session());
    trial.apply_own(lock(holder, 1)).unwrap();
    let mut answer = trial.open(lock(waiter, 2));
    let sent = trial.batch(1);
    assert_eq!(trial.apply(&sent[0]), Ok(Outcome::Waiting));
    let _counted = trial.open(count());
    let sent = trial.batch(2);
    assert_eq!(sent[0].origin.answered_below, sent[0].origin.sequence);
    assert!(trial.apply(&sent[0]).is_ok());
    assert!(answer.try_recv().is_err());
    trial.apply_own(unlock(holder, 3)).unwrap();
    assert!(matches!(answer.try_recv().unwrap(), Ok(Outcome::Fence(Fence(fence))) if fence > 0));
}

#[test]
fn a_wait_that_ended_in_skipped_entries_has_its_answer_in_the_state() {
    let mut trial = Trial::new();
    let (holder, waiter) = (trial.session(), trial.session());
    trial.apply_own(lock(holder, 1)).unwrap();
    let mut answer = trial.open(lock(waiter, 2));
    let sent = trial.batch(1);
    assert!(trial.apply(&sent[0]).is_ok());
    let entry = |command| LogEntry { at: ClusterTime(0), proposer: ME, origin: None, command };
    trial.machine.apply(entry(unlock(holder, 3))).reply.unwrap();
    assert!(answer.try_recv().is_err());
    trial.tickets.installed(&trial.machine);
    assert!(matches!(answer.try_recv().unwrap(), Ok(Outcome::Fence(_))));
}

#[test]
fn a_wait_that_the_state_does_not_know_is_sent_again_with_a_new_sequence() {
    let mut trial = Trial::new();
    let (holder, waiter) = (trial.session(), trial.session());
    trial.apply_own(lock(holder, 1)).unwrap();
    let mut answer = trial.open(lock(waiter, 2));
    let first = trial.batch(1);
    assert!(trial.apply(&first[0]).is_ok());
    // A state in which nobody waits.
    let mut other = Trial::new();
    let (_, _) = (other.session(), other.session());
    std::mem::swap(&mut trial.machine, &mut other.machine);
    trial.tickets.installed(&trial.machine);
    let again = trial.batch(2);
    assert!(again[0].origin.sequence > first[0].origin.sequence);
    assert!(trial.apply(&again[0]).is_ok());
    assert!(matches!(answer.try_recv().unwrap(), Ok(Outcome::Fence(_))), "the lock is free there");
}

#[test]
fn an_answer_in_a_snapshot_is_found_by_its_origin() {
    let mut trial = Trial::new();
    let mut answer = trial.open(count());
    let sent = trial.batch(1);
    let reply = trial.apply_unseen(&sent[0], false);
    trial.tickets.installed(&trial.machine);
    assert_eq!(answer.try_recv().unwrap().map_err(|_| ()), reply.map_err(|_| ()));
}

#[test]
fn a_write_that_waits_for_a_key_is_answered_by_the_end_of_its_own_wait() {
    let mut trial = Trial::new();
    let key = statekeeper_machine::Blob::new(vec![0, 0, 0, 0, 1, 1, 1, 1, 7].into()).unwrap();
    let owner = Caller { client: ClientUuid(7), thread: ThreadId(1) };
    let change = |caller, change| Command::Map { map: "m".into(), caller, change };
    let (lease_ms, timeout_ms) = (None, Some(0));
    let locking = MapChange::Lock { key: key.clone(), lease_ms, timeout_ms, reference: 1 };
    trial.apply_own(change(owner, locking)).unwrap();
    let mut answer = trial.open(change(Caller::default(), MapChange::Remove { key: key.clone() }));
    let sent = trial.batch(1);
    assert_eq!(trial.apply(&sent[0]), Ok(Outcome::Waiting));
    assert_eq!(trial.apply(&sent[0]), Ok(Outcome::Waiting), "a second copy waits with it");
    let freed = MapChange::Unlock { key, reference: 2 };
    trial.apply_own(change(owner, freed)).unwrap();
    assert_eq!(answer.try_recv().unwrap(), Ok(Outcome::Value(None)));
}

#[test]
fn a_closed_table_takes_nothing_and_says_what_is_left() {
    let trial = Trial::new();
    let mut queued = trial.open(count());
    trial.tickets.close();
    assert_eq!(trial.tickets.open(count(), later()).unwrap_err(), SubmitError::ShuttingDown);
    trial.tickets.end();
    assert_eq!(queued.try_recv().unwrap(), Err(SubmitError::ShuttingDown));
}
