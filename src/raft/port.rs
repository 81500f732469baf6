//! The port `Consensus` over a `RaftNode`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use statekeeper_machine::{
    Answer, ClientUuid, ClusterView, Command, EventBatch, Outcome, Query, SubmitError,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{timeout, timeout_at};

use super::applied::AppliedState;
use super::assembly::Core;
use super::counters::RaftCounters;
use super::limits;
use super::message::{Purpose, Request, Response};
use super::node::RaftNode;
use super::presence::Presence;
use super::read_index::ReadIndex;
use super::route::Route;
use crate::consensus::{
    Consensus, Consistency, CoordinatorReport, MembershipChange, MembershipError, PortFuture,
    Status,
};

impl Core {
    /// Queues a command and answers with its outcome.
    pub(crate) fn submit(&self, command: Command) -> PortFuture<Result<Outcome, SubmitError>> {
        RaftCounters::add(&self.applied.counters.submitted, 1);
        let deadline = Instant::now() + self.settings.operation_timeout;
        match self.applied.tickets.open(command, deadline) {
            Ok(answer) => {
                Box::pin(async move { answer.await.unwrap_or(Err(SubmitError::Unknown)) })
            }
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

impl Consensus for RaftNode {
    fn submit(&self, command: Command) -> PortFuture<Result<Outcome, SubmitError>> {
        self.core.submit(command)
    }

    fn read(
        &self,
        query: Query,
        consistency: Consistency,
    ) -> PortFuture<Result<Answer, SubmitError>> {
        let (applied, presence) = (self.core.applied.clone(), self.core.presence.clone());
        match consistency {
            Consistency::Local => Box::pin(async move { Ok(answer(&applied, &presence, &query)) }),
            Consistency::Linearizable => {
                let read = LinearizableRead {
                    applied,
                    presence,
                    reads: self.reads.clone(),
                    deadline: Instant::now() + self.core.settings.operation_timeout,
                };
                Box::pin(read.run(query))
            }
        }
    }

    fn status(&self) -> watch::Receiver<Arc<Status>> {
        self.status.clone()
    }

    fn view(&self) -> watch::Receiver<Arc<ClusterView>> {
        self.view.clone()
    }

    fn subscribe(&self, capacity: usize) -> mpsc::Receiver<Arc<EventBatch>> {
        self.core.applied.events.subscribe(capacity)
    }

    fn client_presence(&self, client: ClientUuid, connected: bool) {
        self.core.presence.client(client, connected);
    }

    fn coordinator_seen(&self, report: CoordinatorReport) {
        self.core.presence.coordinator(report);
    }

    fn change_membership(
        &self,
        change: MembershipChange,
    ) -> PortFuture<Result<(), MembershipError>> {
        let core = self.core.clone();
        Box::pin(async move { change_membership(&core, change).await })
    }
}

/// A read that sees everything that was answered before it began.
struct LinearizableRead {
    applied: Arc<AppliedState>,
    presence: Arc<Presence>,
    reads: ReadIndex,
    deadline: Instant,
}

impl LinearizableRead {
    async fn run(self, query: Query) -> Result<Answer, SubmitError> {
        RaftCounters::add(&self.applied.counters.reads, 1);
        let read = async {
            loop {
                if let Some(index) = self.reads.get().await {
                    self.applied.reach(index).await;
                    return answer(&self.applied, &self.presence, &query);
                }
                // Nobody leads, or the leader could not prove it: it will pass, or the time will.
                tokio::time::sleep(limits::RETRY_PAUSE).await;
            }
        };
        timeout_at(self.deadline.into(), read).await.map_err(|_| SubmitError::NotProposed)
    }
}

/// Asks the state, and takes note of reads that keep records alive.
fn answer(applied: &AppliedState, presence: &Presence, query: &Query) -> Answer {
    let (answer, touched) = {
        let machine = applied.machine();
        let touched = query.touched().filter(|(map, _)| machine.wants_touches(map));
        (machine.query(query), touched)
    };
    if let Some((map, keys)) = touched {
        presence.read(map, keys);
    }
    answer
}

async fn change_membership(core: &Core, change: MembershipChange) -> Result<(), MembershipError> {
    let deadline = Instant::now() + core.settings.operation_timeout;
    loop {
        if core.routes.leads() {
            return core.membership.change(change).await;
        }
        let within = deadline.saturating_duration_since(Instant::now());
        if within.is_zero() {
            return Err(MembershipError::Submit(SubmitError::NotProposed));
        }
        if let Route::Remote(leader) = core.routes.now() {
            let connect = core.settings.election_timeout.min(within);
            let (node, address) = (leader.node, &leader.address);
            if let Ok(link) = core.links.get(node, address, Purpose::Control, connect).await {
                let request = Request::ChangeMembership(change.clone());
                match link.call(request, within).await {
                    Ok(Response::MembershipChanged(result)) => return result,
                    Ok(Response::NotLeader(_)) => {}
                    Ok(_) | Err(_) => return Err(MembershipError::Submit(SubmitError::Unknown)),
                }
            }
        }
        wait_a_moment(core).await;
    }
}

/// Until the route changes, or a short while.
async fn wait_a_moment(core: &Core) {
    const MOMENT: Duration = Duration::from_millis(100);
    let mut route = core.routes.watch();
    route.mark_unchanged();
    if let Ok(Err(_)) = timeout(MOMENT, route.changed()).await {
        // The node ends: nobody tells of a route any more.
        tokio::time::sleep(MOMENT).await;
    }
}
