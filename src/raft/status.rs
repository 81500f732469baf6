//! Status and view of this node, kept up to date for whoever watches.
//!
//! Role, leader, isolation and readiness are published as they change; counts a few times a second.

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::{Instant as _, RaftMetrics, ServerState};
use parking_lot::Mutex;
use statekeeper_machine::{ClusterView, MemberUuid, NodeDescription, NodeId};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::applied::AppliedState;
use super::contact::Contact;
use super::failure::Failure;
use super::identity::Identity;
use super::membership::Members;
use super::route::RouteWatch;
use super::type_config::{RaftGroup, RaftTypes};
use crate::consensus::{PeerStatus, Role, Status};

/// How often counts are published.
const COUNTS_INTERVAL: Duration = Duration::from_millis(250);
/// How often silence is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The task that publishes.
pub(crate) struct StatusKeeper {
    pub(crate) raft: RaftGroup,
    pub(crate) identity: Arc<Identity>,
    pub(crate) member: MemberUuid,
    pub(crate) applied: Arc<AppliedState>,
    pub(crate) contact: Arc<Contact>,
    pub(crate) routes: RouteWatch,
    pub(crate) failure: Arc<Failure>,
    pub(crate) isolated_after: Duration,
    pub(crate) draining: watch::Receiver<bool>,
    pub(crate) status: watch::Sender<Arc<Status>>,
    pub(crate) view: watch::Sender<Arc<ClusterView>>,
    /// Once true for good: all that was committed when this node came is applied.
    pub(crate) caught_up: Mutex<bool>,
}

impl StatusKeeper {
    /// Publishes until the token ends.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut metrics = self.raft.server_metrics();
        let mut route = self.routes.watch();
        let mut view = self.applied.watch_view();
        let mut failed = self.failure.watch();
        let mut draining = self.draining.clone();
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut counted = tokio::time::Instant::now();
        loop {
            let with_counts = counted.elapsed() >= COUNTS_INTERVAL;
            if with_counts {
                counted = tokio::time::Instant::now();
            }
            self.publish(with_counts);
            tokio::select! {
                () = stop.cancelled() => break,
                _ = look.tick() => {}
                changed = metrics.changed() => if changed.is_err() {
                    // Of a panic it can tell nothing itself.
                    self.failure.raised("raft ended without a reason");
                    break;
                },
                changed = route.changed() => if changed.is_err() { break },
                changed = view.changed() => if changed.is_err() { break },
                changed = failed.changed() => if changed.is_err() { break },
                changed = draining.changed() => if changed.is_err() { break },
            }
        }
        self.publish(true);
    }

    fn publish(&self, with_counts: bool) {
        let metrics = self.raft.metrics().borrow_watched().clone();
        if let Err(error) = &metrics.running_state {
            self.failure.raised(&error.to_string());
        }
        let status = self.status_now(&metrics);
        let isolated = status.isolated;
        self.status.send_if_modified(|current| {
            let changed = with_counts && **current != status || differs(current, &status);
            if changed {
                *current = Arc::new(status);
            }
            changed
        });
        let of_state = self.applied.watch_view().borrow().clone();
        let own = if isolated { own_table(&of_state, self.identity.node) } else { None };
        let view = own.map_or(of_state, Arc::new);
        self.view.send_if_modified(|current| {
            let changed = *current != view;
            if changed {
                *current = view;
            }
            changed
        });
    }

    fn status_now(&self, metrics: &RaftMetrics<RaftTypes>) -> Status {
        let (cluster, descriptions, state_bytes) = {
            let machine = self.applied.machine();
            (machine.cluster().cloned(), machine.nodes(), self.applied.state_bytes())
        };
        let index = |id: &Option<super::type_config::LogId>| id.map_or(0, |id| id.index);
        let leads = metrics.state.is_leader();
        if leads {
            self.sign_of_majority(metrics);
        }
        let silent_for = self.contact.silent_for();
        // Cut off: a follower without a sign of the leader, a leader without answers of a majority.
        let isolated =
            self.identity.cluster().is_some() && self.contact.waiting_for() >= self.isolated_after;
        let leader = metrics.current_leader.map(NodeId).filter(|_| !isolated);
        let committed = index(&metrics.cluster_committed);
        let applied = self.applied.index();
        let caught_up = self.caught_up(metrics, applied);
        let draining = *self.draining.borrow();
        Status {
            node: self.identity.node,
            member: self.member,
            ready: cluster.is_some() && leader.is_some() && caught_up && !draining,
            cluster,
            role: role_of(metrics),
            leader,
            leader_silent_for: if leads { Some(Duration::ZERO) } else { silent_for },
            term: metrics.current_term,
            last_log_index: metrics.last_log_index.unwrap_or(0),
            committed_index: committed,
            applied_index: applied,
            snapshot_index: index(&metrics.snapshot),
            peers: peers_of(metrics, &descriptions),
            isolated,
            state_bytes,
            failure: self.failure.watch().borrow().clone(),
        }
    }

    /// The answer of a majority is to a leader what an append is to a follower.
    fn sign_of_majority(&self, metrics: &RaftMetrics<RaftTypes>) {
        if metrics.membership_config.membership().voter_ids().count() == 1 {
            self.contact.sign();
        } else if let Some(acked) = metrics.last_quorum_acked {
            self.contact.sign_before(acked.elapsed());
        }
    }

    fn caught_up(&self, metrics: &RaftMetrics<RaftTypes>, applied: u64) -> bool {
        let mut caught_up = self.caught_up.lock();
        if !*caught_up && metrics.current_leader.is_some() {
            let committed = metrics.cluster_committed.map(|id| id.index);
            *caught_up = committed.is_some()
                && committed >= metrics.last_log_index
                && Some(applied) >= committed;
        }
        *caught_up
    }
}

/// Whether somebody should hear of it at once.
fn differs(one: &Status, other: &Status) -> bool {
    let key =
        |status: &Status| (status.role, status.leader, status.term, status.isolated, status.ready);
    key(one) != key(other)
        || one.failure != other.failure
        || one.cluster != other.cluster
        || one.peers.len() != other.peers.len()
}

/// What a cut-off node shows its clients: a newer table in which another member owns everything, so
/// that their requests go there; the next real table is newer still.
fn own_table(view: &ClusterView, node: NodeId) -> Option<ClusterView> {
    let other = view.members.iter().find(|member| member.node != node)?;
    let own = view.members.iter().find(|member| member.node == node).map(|member| member.member);
    let owner = match view.owner {
        // Steering away from a leader that has died is right as well, unless that is the only one.
        Some(owner) => view
            .members
            .iter()
            .map(|member| member.member)
            .find(|member| Some(*member) != own && *member != owner)
            .unwrap_or(other.member),
        None => other.member,
    };
    Some(ClusterView {
        partitions_version: view.partitions_version.saturating_add(1),
        owner: Some(owner),
        ..view.clone()
    })
}

fn role_of(metrics: &RaftMetrics<RaftTypes>) -> Role {
    if metrics.membership_config.membership().nodes().next().is_none() {
        return Role::Waiting;
    }
    match metrics.state {
        ServerState::Learner | ServerState::Shutdown => Role::Learner,
        ServerState::Follower => Role::Follower,
        ServerState::Candidate => Role::Candidate,
        ServerState::Leader => Role::Leader,
    }
}

fn peers_of(metrics: &RaftMetrics<RaftTypes>, descriptions: &[NodeDescription]) -> Vec<PeerStatus> {
    let members = Members::of(metrics);
    let nodes = members.voters.iter().chain(&members.learners);
    let mut peers: Vec<_> = nodes
        .map(|node| {
            let progress = members.peers.get(node).copied().unwrap_or_default();
            let own = node.0 == metrics.id && metrics.state.is_leader();
            PeerStatus {
                node: *node,
                matched_index: if own { metrics.last_log_index } else { progress.matched },
                silent_for: if own { Some(Duration::ZERO) } else { progress.silent_for },
                voter: members.voters.contains(node),
                description: descriptions.iter().find(|known| known.node == *node).cloned(),
            }
        })
        .collect();
    peers.sort_by_key(|peer| peer.node);
    peers.dedup_by_key(|peer| peer.node);
    peers
}
