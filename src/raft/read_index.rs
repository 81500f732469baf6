//! `ReadIndex`: up to which entry a read must see, proved by a leader.
//!
//! One round serves everybody who asked before it began; who asks while it is under way is served
//! by the next. Two of these run: one on the leader, for its peers, and one on every node, for its
//! own reads, which asks the leader when that is another node. With leases (`raft.reads=lease`) a
//! round of the leader needs no messages while the lease holds.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use openraft::ReadPolicy;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::counters::RaftCounters;
use super::limits;
use super::link::LinkError;
use super::links::Links;
use super::message::{Purpose, Request, Response};
use super::route::{RemoteLeader, Route, RouteWatch};
use super::type_config::RaftGroup;

/// Asks in rounds.
#[derive(Clone, Debug)]
pub(crate) struct ReadIndex {
    queue: mpsc::Sender<oneshot::Sender<Option<u64>>>,
}

/// The other end of `ReadIndex`: works off the rounds.
pub(crate) struct Rounds {
    queue: mpsc::Receiver<oneshot::Sender<Option<u64>>>,
}

/// How a leader proves that it leads.
#[derive(Clone)]
pub(crate) struct LeaderProof {
    pub(crate) raft: RaftGroup,
    pub(crate) routes: RouteWatch,
    pub(crate) lease: bool,
    pub(crate) counters: Arc<RaftCounters>,
}

/// How a node asks whoever leads.
#[derive(Clone)]
pub(crate) struct LeaderQuestion {
    pub(crate) proof: LeaderProof,
    pub(crate) links: Arc<Links>,
    pub(crate) within: Duration,
}

impl ReadIndex {
    pub(crate) fn new() -> (Self, Rounds) {
        let (sender, receiver) = mpsc::channel(limits::WAITING_READS_MAX);
        (Self { queue: sender }, Rounds { queue: receiver })
    }

    /// The index that a read which begins now must see; `None` when nobody could prove to lead.
    pub(crate) async fn get(&self) -> Option<u64> {
        let (answer, index) = oneshot::channel();
        self.queue.send(answer).await.ok()?;
        index.await.ok().flatten()
    }
}

impl Rounds {
    /// Asks, round by round, until the token ends.
    pub(crate) async fn run(
        mut self,
        ask: impl Fn() -> BoxFuture<'static, Option<u64>>,
        stop: CancellationToken,
    ) {
        let mut waiting = Vec::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                count = self.queue.recv_many(&mut waiting, limits::WAITING_READS_MAX) => {
                    if count == 0 {
                        return;
                    }
                }
            }
            let index = tokio::select! {
                () = stop.cancelled() => return,
                index = ask() => index,
            };
            for answer in waiting.drain(..) {
                if answer.send(index).is_err() {
                    tracing::trace!("a read was given up");
                }
            }
        }
    }
}

impl LeaderProof {
    /// One round. A leader proves nothing before its office is applied here: one that is restored
    /// after a stop of all nodes appends no entry of its own, and what it knows to be committed may
    /// lag behind what was answered. Its `Office` lies behind all of that in the log.
    pub(crate) async fn ask(&self) -> Option<u64> {
        self.routes.in_office()?;
        RaftCounters::add(&self.counters.read_rounds, 1);
        if self.lease
            && let Ok(linearizer) = self.raft.get_read_linearizer(ReadPolicy::LeaseRead).await
        {
            return Some(linearizer.read_log_id().index());
        }
        let linearizer = self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await.ok()?;
        Some(linearizer.read_log_id().index())
    }
}

impl LeaderQuestion {
    /// One round.
    pub(crate) async fn ask(&self) -> Option<u64> {
        match self.proof.routes.now() {
            Route::None => None,
            Route::Local(_) => self.proof.ask().await,
            Route::Remote(leader) => self.ask_remote(&leader).await,
        }
    }

    async fn ask_remote(&self, leader: &RemoteLeader) -> Option<u64> {
        let (node, purpose) = (leader.node, Purpose::Control);
        let link = self.links.get(node, &leader.address, purpose, self.within).await.ok()?;
        match link.call(Request::ReadIndex, self.within).await {
            Ok(Response::ReadIndex { index }) => Some(index),
            Err(LinkError::Timeout) => {
                self.links.give_up(node, purpose, &link);
                None
            }
            Ok(_) | Err(_) => None,
        }
    }
}
