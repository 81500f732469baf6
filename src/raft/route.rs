//! `Route`: where commands and reads of this node go.
//!
//! Invariant: the way into the own log opens only after this leadership's `Office` is applied, so
//! no other entry stands before it. Entries carry the leaderless time in their stamp, and `Office`
//! is what keeps sessions from ending by it.

use openraft::async_runtime::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use statekeeper_machine::{Name, NodeId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::message::LeaderHint;
use super::type_config::{Leadership, RaftGroup, RaftTypes};

/// Where to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Route {
    /// Nobody leads, as far as is known, or this node leads and is not in office yet.
    #[default]
    None,
    /// This node leads.
    Local(Leadership),
    /// Another one leads.
    Remote(RemoteLeader),
}

/// Another node that leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemoteLeader {
    pub(crate) node: NodeId,
    pub(crate) address: Name,
    pub(crate) leadership: Leadership,
}

/// Follows the leader.
#[derive(Clone)]
pub(crate) struct RouteWatch {
    raft: RaftGroup,
    route: watch::Receiver<Route>,
}

impl RouteWatch {
    pub(crate) fn new(raft: RaftGroup, route: watch::Receiver<Route>) -> Self {
        Self { raft, route }
    }

    /// The route now.
    pub(crate) fn now(&self) -> Route {
        self.route.borrow().clone()
    }

    /// A receiver of its own.
    pub(crate) fn watch(&self) -> watch::Receiver<Route> {
        self.route.clone()
    }

    /// Whether this node leads, in office or about to be.
    pub(crate) fn leads(&self) -> bool {
        self.raft.server_metrics().borrow_watched().state.is_leader()
    }

    /// The leadership whose proposals this node may make, if it is in office.
    pub(crate) fn in_office(&self) -> Option<Leadership> {
        match &*self.route.borrow() {
            Route::Local(leadership) => Some(*leadership),
            Route::None | Route::Remote(_) => None,
        }
    }

    /// Who leads, for those who asked the wrong node.
    pub(crate) fn hint(&self) -> LeaderHint {
        let metrics = self.raft.server_metrics().borrow_watched().clone();
        let leader = metrics.current_leader;
        let peer = leader.and_then(|leader| metrics.membership_config.get_node(&leader).cloned());
        LeaderHint { leader: leader.map(NodeId), raft_address: peer.map(|peer| peer.raft_address) }
    }
}

/// Keeps the route up to date until the token ends.
pub(crate) async fn follow(
    raft: RaftGroup,
    mut office: watch::Receiver<Option<Leadership>>,
    route: watch::Sender<Route>,
    stop: CancellationToken,
) {
    let mut metrics = raft.server_metrics();
    loop {
        let now = {
            let office = *office.borrow_and_update();
            route_of(&metrics.borrow_and_update(), office)
        };
        route.send_if_modified(|current| {
            let changed = *current != now;
            if changed {
                tracing::debug!(route = ?now, "route to the leader");
                *current = now;
            }
            changed
        });
        tokio::select! {
            () = stop.cancelled() => return,
            changed = metrics.changed() => if changed.is_err() { return },
            changed = office.changed() => if changed.is_err() { return },
        }
    }
}

fn route_of(metrics: &RaftServerMetrics<RaftTypes>, office: Option<Leadership>) -> Route {
    let leadership = *metrics.vote.leader_id();
    if metrics.state.is_leader() {
        return match office {
            Some(office) if office == leadership => Route::Local(leadership),
            Some(_) | None => Route::None,
        };
    }
    let Some(leader) = metrics.current_leader.filter(|leader| *leader != metrics.id) else {
        return Route::None;
    };
    match metrics.membership_config.get_node(&leader) {
        Some(peer) => {
            let address = peer.raft_address.clone();
            Route::Remote(RemoteLeader { node: NodeId(leader), address, leadership })
        }
        None => Route::None,
    }
}
