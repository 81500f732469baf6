//! `Proposer`: the leader's way into the log. The only place where cluster time touches an entry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use futures::stream::BoxStream;
use openraft::errors::{ClientWriteError, Fatal};
use openraft::raft::WriteResult;
use statekeeper_machine::{Command, LogEntry, Name, Reply};

use super::applied::AppliedState;
use super::counters::RaftCounters;
use super::message::{Forwarded, Refusal, Refused};
use super::route::RouteWatch;
use super::type_config::{RaftGroup, RaftTypes, Stamped};

/// Proposes commands while this node leads.
pub(crate) struct Proposer {
    raft: RaftGroup,
    applied: Arc<AppliedState>,
    routes: RouteWatch,
    state_bytes_max: u64,
    /// `storage.disk-free-min` is reached.
    disk_short: AtomicBool,
}

/// A batch in the log, or refused.
pub(crate) struct Proposing {
    refused: Vec<Refused>,
    sequences: Vec<u64>,
    results: Option<Results>,
}

type Results = BoxStream<'static, Result<WriteResult<RaftTypes>, Fatal<RaftTypes>>>;

impl Proposer {
    pub(crate) fn new(
        raft: RaftGroup,
        applied: Arc<AppliedState>,
        routes: RouteWatch,
        state_bytes_max: u64,
    ) -> Self {
        Self { raft, applied, routes, state_bytes_max, disk_short: AtomicBool::new(false) }
    }

    /// The disk is short of room, or has it again: only what frees something passes meanwhile.
    pub(crate) fn set_disk_short(&self, short: bool) {
        self.disk_short.store(short, Ordering::Relaxed);
    }

    /// Proposes a batch in its order. On return it is on its way into the log.
    pub(crate) async fn propose(&self, commands: Vec<Forwarded>) -> Proposing {
        let mut refused = Vec::new();
        if self.routes.in_office().is_none() {
            let refuse = |command: Forwarded| not_now(command.origin.sequence);
            refused.extend(commands.into_iter().map(refuse));
            return Proposing { refused, sequences: Vec::new(), results: None };
        }
        let limit = self.limit();
        let at = self.applied.clock.now();
        let mut sequences = Vec::with_capacity(commands.len());
        let mut entries = Vec::with_capacity(commands.len());
        for Forwarded { origin, command } in commands {
            if let Some(limit) = limit.clone().filter(|_| !command.is_relief()) {
                let refusal = Refusal::Overloaded { limit };
                refused.push(Refused { sequence: origin.sequence, refusal });
                continue;
            }
            sequences.push(origin.sequence);
            let (proposer, origin) = (self.applied.node, Some(origin));
            entries.push(Stamped(LogEntry { at, proposer, origin, command }));
        }
        if entries.is_empty() {
            return Proposing { refused, sequences, results: None };
        }
        RaftCounters::add(&self.applied.counters.proposed, entries.len() as u64);
        RaftCounters::add(&self.applied.counters.batches, 1);
        // Whether it got anywhere when Raft stops is not known: the results then end at once.
        let results = self.raft.client_write_many(entries).await.ok();
        Proposing { refused, sequences, results }
    }

    /// Proposes a command of the leader's own, without an origin, whether in office or not.
    pub(crate) async fn propose_own(&self, command: Command) -> Result<Reply, Refusal> {
        let (at, proposer) = (self.applied.clock.now(), self.applied.node);
        let entry = Stamped(LogEntry { at, proposer, origin: None, command });
        let mut results = match self.raft.client_write_many([entry]).await {
            Ok(results) => results,
            Err(_) => return Err(Refusal::Unknown),
        };
        match results.next().await {
            Some(Ok(Ok(written))) => written.response.ok_or(Refusal::Unknown),
            Some(Ok(Err(error))) => Err(refusal(&error)),
            Some(Err(_)) | None => Err(Refusal::Unknown),
        }
    }

    fn limit(&self) -> Option<Name> {
        if self.applied.state_bytes() >= self.state_bytes_max {
            return Some(Name::from("limits.state-bytes-max"));
        }
        self.disk_short.load(Ordering::Relaxed).then(|| Name::from("storage.disk-free-min"))
    }
}

impl Proposing {
    /// Waits until everything is applied on this node, and answers what was not.
    pub(crate) async fn end(self) -> Vec<Refused> {
        let Self { mut refused, sequences, mut results } = self;
        for sequence in sequences {
            let result = match &mut results {
                Some(results) => results.next().await,
                None => None,
            };
            let refusal = match result {
                Some(Ok(Ok(_))) => continue,
                Some(Ok(Err(error))) => refusal(&error),
                Some(Err(_)) | None => {
                    // Raft has ended. Its stream of results is not to be asked again.
                    results = None;
                    Refusal::Unknown
                }
            };
            refused.push(Refused { sequence, refusal });
        }
        refused
    }
}

fn not_now(sequence: u64) -> Refused {
    Refused { sequence, refusal: Refusal::NotNow }
}

/// openraft refuses before it appends, or tells that an appended entry was taken out of the log
/// again here; it may live on in another node's.
fn refusal(error: &ClientWriteError<RaftTypes>) -> Refusal {
    match error {
        ClientWriteError::ForwardToLeader(_) => Refusal::NotNow,
        ClientWriteError::LogEntryDiscarded(_)
        | ClientWriteError::ChangeMembershipError(_)
        | ClientWriteError::PreconditionFailed(_) => Refusal::Unknown,
    }
}
