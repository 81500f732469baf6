//! `LeaderLoop`: what a leader does by itself. It takes office, then carries out the duties.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use openraft::async_runtime::WatchReceiver;
use statekeeper_machine::{ClusterCommand, Command, NodeId};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::applied::AppliedState;
use super::contact::Contact;
use super::counters::RaftCounters;
use super::duties::{
    CoordinatorSign, Deed, Duties, Duty, DutyId, DutySettings, DutyView, PeerSight, Report,
    TICK_INTERVAL,
};
use super::handler::Reported;
use super::limits;
use super::membership::{MembershipKeeper, PeerProgress};
use super::message::{NodeReport, Refusal};
use super::proposer::Proposer;
use super::type_config::{Leadership, RaftGroup};

/// How often a refused `Office` is worth a line.
const OFFICE_COMPLAINT: Duration = Duration::from_secs(5);

/// The task of a leader; on other nodes it waits.
pub(crate) struct LeaderLoop {
    pub(crate) raft: RaftGroup,
    pub(crate) applied: Arc<AppliedState>,
    pub(crate) proposer: Arc<Proposer>,
    pub(crate) membership: Arc<MembershipKeeper>,
    pub(crate) contact: Arc<Contact>,
    pub(crate) office: watch::Sender<Option<Leadership>>,
    pub(crate) reports: mpsc::Receiver<Reported>,
    pub(crate) duties: DutySettings,
}

/// What is being done beside the loop: duties by their ids, and one move of a member at a time.
#[derive(Default)]
struct Acts {
    running: FuturesUnordered<BoxFuture<'static, (Act, bool)>>,
    moving: bool,
}

/// A leadership is over, and this node may lead again.
struct NextMayCome;

#[derive(Clone, Copy, Debug)]
enum Act {
    Duty(DutyId),
    Move,
}

impl LeaderLoop {
    /// Leads whenever this node is the leader, until the token ends.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut duties = Duties::new(self.duties.clone());
        loop {
            let leadership = tokio::select! {
                () = stop.cancelled() => return,
                leadership = self.next_leadership() => leadership,
            };
            let Some(leadership) = leadership else { return };
            let next = tokio::select! {
                () = stop.cancelled() => None,
                next = self.ended(leadership) => next,
                () = self.lead(leadership, &mut duties) => None,
            };
            self.office.send_replace(None);
            duties.leave_office();
            let Some(NextMayCome) = next else { return };
        }
    }

    /// Waits until this node leads; reports that come meanwhile are of no use.
    async fn next_leadership(&mut self) -> Option<Leadership> {
        let mut metrics = self.raft.server_metrics();
        loop {
            {
                let now = metrics.borrow_and_update();
                if now.state.is_leader() {
                    return Some(*now.vote.leader_id());
                }
            }
            tokio::select! {
                changed = metrics.changed() => changed.ok()?,
                report = self.reports.recv() => drop(report?),
            }
        }
    }

    /// Waits until a leadership is over. `None`: Raft is, and its last word, that this node leads,
    /// is heard for ever.
    fn ended(&self, leadership: Leadership) -> impl Future<Output = Option<NextMayCome>> + use<> {
        let mut metrics = self.raft.server_metrics();
        async move {
            loop {
                {
                    let now = metrics.borrow_and_update();
                    if !now.state.is_leader() || *now.vote.leader_id() != leadership {
                        return Some(NextMayCome);
                    }
                }
                metrics.changed().await.ok()?;
            }
        }
    }

    /// Leads; returns when nobody can report any more.
    async fn lead(&mut self, leadership: Leadership, duties: &mut Duties) {
        self.take_office().await;
        tracing::info!(term = leadership.term, "this node leads");
        RaftCounters::add(&self.applied.counters.offices, 1);
        duties.take_office(Instant::now());
        self.office.send_replace(Some(leadership));
        let mut acts = Acts::default();
        loop {
            let now = Instant::now();
            let due = self.with_view(now, |view| duties.deadline(view));
            let due = due.unwrap_or(now + TICK_INTERVAL);
            tokio::select! {
                report = self.reports.recv() => match report {
                    Some(report) => hear(duties, report),
                    None => return,
                },
                Some((act, done)) = acts.running.next(), if !acts.running.is_empty() => match act {
                    Act::Duty(id) => duties.done(Instant::now(), id, done),
                    Act::Move => acts.moving = false,
                },
                () = sleep_until(due.into()) => {
                    self.tick(duties, &acts);
                    self.follow_addresses(&mut acts);
                }
            }
        }
    }

    /// Proposes `Office` until it is applied. Nothing else of this leadership enters the log
    /// before.
    async fn take_office(&self) {
        if self.applied.machine().cluster().is_none() {
            self.applied.clock.found();
        }
        let leaderless = match self.contact.silent_for() {
            Some(silent) => u64::try_from(silent.as_millis()).unwrap_or(u64::MAX),
            // No sign of any leader in this run: the time since the last entry is the downtime.
            None => self.applied.clock.now().0.saturating_sub(self.applied.machine().time().0),
        };
        let leader = self.applied.node;
        let command = ClusterCommand::Office { leader, leaderless_ms: leaderless };
        let began = Instant::now();
        let mut complained = began;
        loop {
            let refusal = match self.proposer.propose_own(Command::Cluster(command.clone())).await {
                Ok(_) => return,
                Err(refusal) => refusal,
            };
            // A fresh leader has no lease until a majority has answered it.
            if complained.elapsed() > OFFICE_COMPLAINT {
                complained = Instant::now();
                tracing::warn!(%refusal, "this node leads and cannot take office yet");
            }
            match refusal {
                Refusal::NotNow | Refusal::Overloaded { .. } | Refusal::Unknown => {
                    sleep(limits::RETRY_PAUSE).await;
                }
            }
        }
    }

    /// The duties look at the state and say what to do; it is done beside this loop.
    fn tick(&self, duties: &mut Duties, acts: &Acts) {
        let now = Instant::now();
        let dropped = &self.applied.counters.touches_dropped_leading;
        dropped.store(duties.touches_dropped(), Ordering::Relaxed);
        for Duty { id, deed } in self.with_view(now, |view| duties.tick(view)) {
            tracing::debug!(?id, ?deed, "duty of the leader");
            acts.running.push(self.carry_out(id, deed));
        }
    }

    fn carry_out(&self, id: DutyId, deed: Deed) -> BoxFuture<'static, (Act, bool)> {
        let act = Act::Duty(id);
        match deed {
            Deed::Propose(command) => {
                let proposer = self.proposer.clone();
                Box::pin(async move { (act, proposer.propose_own(command).await.is_ok()) })
            }
            Deed::ChangeMembership(change) => {
                let membership = self.membership.clone();
                Box::pin(async move {
                    let changed = membership.change(change).await;
                    if let Err(error) = &changed {
                        tracing::debug!(%error, "a change of the membership was not made");
                    }
                    (act, changed.is_ok())
                })
            }
        }
    }

    /// A member that describes itself at another address than the membership names has moved.
    fn follow_addresses(&self, acts: &mut Acts) {
        if acts.moving {
            return;
        }
        let members = self.membership.members();
        let nodes = self.applied.machine().nodes();
        let moved = nodes.into_iter().find(|node| {
            let known = members.addresses.get(&node.node);
            known.is_some_and(|known| *known != node.raft_address)
        });
        let Some(moved) = moved.filter(|_| !members.changing) else { return };
        let membership = self.membership.clone();
        acts.moving = true;
        acts.running.push(Box::pin(async move {
            let (node, address) = (moved.node, moved.raft_address);
            let result = membership.move_member(node, address.clone()).await;
            match &result {
                Ok(()) => tracing::info!(%node, %address, "the node lives at another address now"),
                Err(error) => tracing::debug!(%node, %error, "a new address was not noted"),
            }
            (Act::Move, result.is_ok())
        }));
    }

    fn with_view<T>(&self, now: Instant, look: impl FnOnce(&DutyView<'_>) -> T) -> T {
        let members = self.membership.members();
        let sight = |(node, peer): (&NodeId, &PeerProgress)| {
            let PeerProgress { silent_for, lag: lag_entries, .. } = *peer;
            (*node, PeerSight { silent_for, lag_entries })
        };
        let peers: BTreeMap<_, _> = members.peers.iter().map(sight).collect();
        let cluster_now = self.applied.clock.now();
        look(&DutyView {
            machine: &self.applied.machine(),
            now,
            cluster_now,
            voters: &members.voters,
            learners: &members.learners,
            peers: &peers,
            membership_changing: members.changing,
        })
    }
}

fn hear(duties: &mut Duties, (node, report): Reported) {
    let now = Instant::now();
    let NodeReport { description, clients_here, coordinator, coordinator_was_up, touches } = report;
    let coordinator =
        coordinator.map(|report| CoordinatorSign { report, was_up: coordinator_was_up });
    duties.heard(now, Report { node, description, clients_here, coordinator });
    duties.touched(now, touches);
}
