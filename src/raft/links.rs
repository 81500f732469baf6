//! `Links`: the outgoing connections of this node, one for each peer and purpose.
//!
//! Invariant: no link is handed out to a node that has lost entries which this leader knows it had
//! acknowledged (rule 9 of the storage: openraft does not guard against it).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use statekeeper_machine::{Name, NodeId};

use super::counters::RaftCounters;
use super::identity::Identity;
use super::limits;
use super::link::{Link, LinkError};
use super::message::{HelloRefusal, Purpose, Welcome};
use super::roster::Roster;
use super::transport::Dialer;

/// How often the same complaint about a peer is worth a line.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// Outgoing connections.
pub(crate) struct Links {
    identity: Arc<Identity>,
    roster: Arc<Roster>,
    counters: Arc<RaftCounters>,
    dialer: Arc<dyn Dialer>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    links: HashMap<(NodeId, Purpose), Known>,
    complained: HashMap<NodeId, Instant>,
}

struct Known {
    address: String,
    link: Option<Arc<Link>>,
    /// The last attempt that failed.
    failed: Option<Instant>,
}

impl Links {
    pub(crate) fn new(
        identity: Arc<Identity>,
        roster: Arc<Roster>,
        counters: Arc<RaftCounters>,
        dialer: Arc<dyn Dialer>,
    ) -> Self {
        Self { identity, roster, counters, dialer, state: Mutex::default() }
    }

    /// The connection to a node, made now if there is none.
    pub(crate) async fn get(
        &self,
        node: NodeId,
        address: &str,
        purpose: Purpose,
        within: Duration,
    ) -> Result<Arc<Link>, LinkError> {
        if let Some(link) = self.known((node, purpose), address)? {
            return Ok(link);
        }
        let hello = self.identity.hello(Some(node), purpose).await.ok_or(LinkError::NoCluster)?;
        let result = Link::connect(&*self.dialer, address, hello, within).await;
        let result = result.and_then(|link| self.check(node, address, link));
        let mut state = self.state.lock();
        let address = address.to_owned();
        match result {
            Ok(link) => {
                let link = Arc::new(link);
                let known = Known { address, link: Some(link.clone()), failed: None };
                state.links.insert((node, purpose), known);
                state.complained.remove(&node);
                RaftCounters::add(&self.counters.connections, 1);
                Ok(link)
            }
            Err(error) => {
                let known = Known { address, link: None, failed: Some(Instant::now()) };
                state.links.insert((node, purpose), known);
                complain(&mut state, node, &error);
                Err(error)
            }
        }
    }

    /// Where a node lives, as far as is known here.
    pub(crate) fn address(&self, node: NodeId) -> Option<Name> {
        self.roster.address(node)
    }

    /// Forgets a connection on which the other side has gone silent.
    pub(crate) fn give_up(&self, node: NodeId, purpose: Purpose, link: &Arc<Link>) {
        link.close();
        let mut state = self.state.lock();
        if let Some(known) = state.links.get_mut(&(node, purpose))
            && known.link.as_ref().is_some_and(|current| Arc::ptr_eq(current, link))
        {
            known.link = None;
        }
    }

    /// Closes all connections.
    pub(crate) fn close(&self) {
        self.state.lock().links.clear();
    }

    fn known(&self, key: (NodeId, Purpose), address: &str) -> Result<Option<Arc<Link>>, LinkError> {
        let state = self.state.lock();
        let Some(known) = state.links.get(&key).filter(|known| known.address == address) else {
            return Ok(None);
        };
        if let Some(link) = known.link.as_ref().filter(|link| !link.is_closed()) {
            return Ok(Some(link.clone()));
        }
        if known.failed.is_some_and(|at| at.elapsed() < limits::RECONNECT_PAUSE) {
            return Err(LinkError::Pause { address: address.to_owned() });
        }
        Ok(None)
    }

    fn check(&self, node: NodeId, address: &str, link: Link) -> Result<Link, LinkError> {
        let welcome = link.welcome();
        let address = address.to_owned();
        if welcome.node != node {
            let refusal = HelloRefusal::OtherNode { ours: welcome.node };
            return Err(LinkError::Refused { address, refusal });
        }
        let Welcome { incarnation, last_log_id, vote, .. } = *welcome;
        match self.roster.lost(node, incarnation, last_log_id, vote) {
            Some(acknowledged) => Err(LinkError::PeerLostLog { address, acknowledged }),
            None => Ok(link),
        }
    }
}

/// What an operator must see, not more often than is useful. Unreachable peers are daily life: the
/// status says so.
fn complain(state: &mut State, node: NodeId, error: &LinkError) {
    let recently = |at: &Instant| at.elapsed() < COMPLAINT_INTERVAL;
    if state.complained.get(&node).is_some_and(recently) {
        return;
    }
    match error {
        LinkError::PeerLostLog { address, acknowledged } => tracing::error!(
            %node,
            address,
            acknowledged,
            "the node has lost log entries that it had acknowledged and is refused: set its data \
             directory aside and let it join again, empty, under a new node id"
        ),
        LinkError::Refused { refusal: HelloRefusal::NoCluster, .. } => return,
        LinkError::Refused { address, refusal } => {
            tracing::warn!(%node, address, %refusal, "the node refuses this one");
        }
        LinkError::Connect { .. }
        | LinkError::NoCluster
        | LinkError::Pause { .. }
        | LinkError::Frame(_)
        | LinkError::TooLarge
        | LinkError::Lost
        | LinkError::Timeout => return,
    }
    state.complained.insert(node, Instant::now());
}
