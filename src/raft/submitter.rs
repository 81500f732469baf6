//! `Submitter`: sends the open commands of this node to whoever leads, and again when that changes.
//!
//! Batches leave in the order of the sequences and are not waited for. When the leader changes or
//! the connection to it is lost, all that is on its way is sent again, in order, under the same
//! origins: the state applies each once. One refusal does not hold up what was sent after it, so
//! the order of commands is kept as long as the leader stays and keeps its lease.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use statekeeper_machine::NodeId;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::applied::AppliedState;
use super::contact::Contact;
use super::counters::RaftCounters;
use super::limits;
use super::link::{Link, LinkError};
use super::links::Links;
use super::message::{Forwarded, Purpose, Refused, Request, Response};
use super::proposer::Proposer;
use super::route::{RemoteLeader, Route, RouteWatch};

/// How often deadlines are looked at.
const SWEEP_INTERVAL: Duration = Duration::from_millis(50);

/// The task that sends.
pub(crate) struct Submitter {
    pub(crate) applied: Arc<AppliedState>,
    pub(crate) routes: RouteWatch,
    pub(crate) proposer: Arc<Proposer>,
    pub(crate) links: Arc<Links>,
    pub(crate) contact: Arc<Contact>,
    /// Also how long a wait outlives the last sign of a leader.
    pub(crate) operation_timeout: Duration,
    pub(crate) connect_timeout: Duration,
}

/// What became of a batch.
struct BatchEnd {
    batch: u64,
    result: Result<Vec<Refused>, LinkError>,
}

type Flights = FuturesUnordered<BoxFuture<'static, BatchEnd>>;

/// What the loop knows.
struct Sending {
    flights: Flights,
    next_batch: u64,
    /// Batches below this one went to an earlier leader.
    first_batch: u64,
    /// Nothing is sent before.
    pause_until: Option<Instant>,
    /// The last one used to reach another node.
    link: Option<(NodeId, Arc<Link>)>,
    /// The last batch that came to an end, or the first that was sent after a pause.
    progress_at: Instant,
}

impl Submitter {
    /// Sends until the token ends; then answers everything that is open.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut route = self.routes.watch();
        let mut sending = Sending::new();
        let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.send_queued(&mut sending).await;
            let pause = sending.pause_until;
            tokio::select! {
                () = stop.cancelled() => break,
                changed = route.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.route_changed(&mut sending);
                }
                Some(end) = sending.flights.next(), if !sending.flights.is_empty() => {
                    self.ended(&mut sending, end);
                }
                () = self.applied.tickets.changed(), if pause.is_none() => {}
                () = sleep_to(pause), if pause.is_some() => sending.pause_until = None,
                _ = sweep.tick() => self.sweep(&mut sending),
            }
        }
        self.applied.tickets.end();
    }

    async fn send_queued(&self, sending: &mut Sending) {
        while sending.pause_until.is_none()
            && sending.flights.len() < limits::BATCHES_IN_FLIGHT_MAX
            && self.applied.tickets.has_queued()
        {
            match self.routes.now() {
                Route::None => return,
                Route::Local(_) => {
                    let (batch, commands) = self.take(sending);
                    let proposing = self.proposer.propose(commands).await;
                    let end = async move { BatchEnd { batch, result: Ok(proposing.end().await) } };
                    sending.flights.push(Box::pin(end));
                }
                Route::Remote(leader) => {
                    if !self.forward(sending, &leader).await {
                        sending.pause_until = Some(Instant::now() + limits::RECONNECT_PAUSE);
                        return;
                    }
                }
            }
        }
    }

    /// Sends a batch to another node; false when it cannot be reached, and nothing was sent.
    async fn forward(&self, sending: &mut Sending, leader: &RemoteLeader) -> bool {
        let (node, purpose) = (leader.node, Purpose::Forward);
        let within = self.connect_timeout;
        let Ok(link) = self.links.get(node, &leader.address, purpose, within).await else {
            return false;
        };
        let (batch, commands) = self.take(sending);
        let begun = tokio::time::timeout(within, link.begin(Request::Propose(commands))).await;
        let begun = begun.unwrap_or(Err(LinkError::Timeout));
        if matches!(begun, Err(LinkError::Timeout)) {
            self.links.give_up(node, purpose, &link);
        }
        sending.link = Some((node, link.clone()));
        sending.flights.push(Box::pin(async move {
            let response = match begun {
                // The connection lives as long as an answer is waited for.
                Ok(mut reply) => reply.get().await,
                Err(error) => Err(error),
            };
            drop(link);
            let result = match response {
                Ok(Response::Proposed(refused)) => Ok(refused),
                Ok(_) => Err(LinkError::Lost),
                Err(error) => Err(error),
            };
            BatchEnd { batch, result }
        }));
        true
    }

    /// A connection on which no batch comes to an end, while the leader is heard of on another, is
    /// given up; what was sent on it is sent again.
    fn give_up_silent(&self, sending: &mut Sending) {
        let patience = self.operation_timeout / 3;
        if sending.flights.is_empty() || sending.progress_at.elapsed() < patience {
            return;
        }
        if let Some((node, link)) = sending.link.take() {
            tracing::warn!(%node, "the connection to the leader has gone silent and is made anew");
            self.links.give_up(node, Purpose::Forward, &link);
        }
    }

    fn take(&self, sending: &mut Sending) -> (u64, Vec<Forwarded>) {
        let batch = sending.next_batch;
        sending.next_batch += 1;
        if sending.flights.is_empty() {
            sending.progress_at = Instant::now();
        }
        (batch, self.applied.tickets.take_batch(batch))
    }

    fn ended(&self, sending: &mut Sending, end: BatchEnd) {
        let tickets = &self.applied.tickets;
        sending.progress_at = Instant::now();
        match end.result {
            Ok(refused) => {
                for Refused { sequence, refusal } in &refused {
                    tickets.refused(end.batch, *sequence, refusal);
                }
                if !refused.is_empty() {
                    sending.pause_until = Some(Instant::now() + limits::RETRY_PAUSE);
                }
            }
            Err(error) => {
                tracing::debug!(batch = end.batch, %error, "a batch of commands has no answer");
                let resent = tickets.lost(|batch| batch == end.batch);
                RaftCounters::add(&self.applied.counters.resent, resent);
                sending.pause_until = Some(Instant::now() + limits::RETRY_PAUSE);
            }
        }
    }

    fn route_changed(&self, sending: &mut Sending) {
        sending.pause_until = None;
        if self.routes.now() == Route::None {
            return;
        }
        sending.first_batch = sending.next_batch;
        let first = sending.first_batch;
        let resent = self.applied.tickets.lost(|batch| batch < first);
        RaftCounters::add(&self.applied.counters.resent, resent);
    }

    fn sweep(&self, sending: &mut Sending) {
        self.give_up_silent(sending);
        if self.applied.tickets.is_empty() {
            return;
        }
        let leaderless = self.contact.waiting_for() >= self.operation_timeout;
        let unknown = self.applied.tickets.expire(Instant::now(), leaderless);
        RaftCounters::add(&self.applied.counters.unknown, unknown);
    }
}

impl Sending {
    fn new() -> Self {
        Self {
            flights: Flights::new(),
            next_batch: 1,
            first_batch: 1,
            pause_until: None,
            link: None,
            progress_at: Instant::now(),
        }
    }
}

async fn sleep_to(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}
