//! `Sequencer`: the port `Consensus` over one machine in memory. Commands are applied at the call,
//! in the order of the calls, at a time that the test owns; there is no log, no peer and no thread.
//!
//! Invariant: whatever a caller is told happened, happened before it is told, and its events are in
//! every subscription by then. Not here: leader changes; whoever reorders and drops does so
//! outside.

// Each test uses the part that it needs.
#![allow(dead_code, reason = "shared by several test programs")]

use std::collections::{BTreeMap, VecDeque};
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use statekeeper::consensus::{
    Consensus, Consistency, CoordinatorReport, MembershipChange, MembershipError, PeerStatus,
    PortFuture, Role, Status,
};
use statekeeper_machine::{
    Answer, ClientUuid, ClusterCommand, ClusterId, ClusterTime, ClusterView, Command, Event,
    EventBatch, LogEntry, Machine, MapSettings, Name, NodeDescription, NodeId, Origin, Outcome,
    Query, Reply, SessionSettings, SubmitError, WaitKey,
};
use tokio::sync::{mpsc, oneshot, watch};

/// What shall become of the next command.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It is refused and does not happen.
    Refused(SubmitError),
    /// It happens, and its outcome is lost.
    OutcomeLost,
    /// It neither happens nor is answered.
    Silent,
}

/// One machine that all callers share.
pub(crate) struct Sequencer {
    inner: Mutex<Inner>,
    status: watch::Sender<Arc<Status>>,
    view: watch::Sender<Arc<ClusterView>>,
}

struct Inner {
    machine: Machine,
    node: NodeDescription,
    now: ClusterTime,
    index: u64,
    sequence: u64,
    waits: Vec<(WaitKey, oneshot::Sender<Reply>)>,
    subscribers: Vec<mpsc::Sender<Arc<EventBatch>>>,
    faults: VecDeque<Fault>,
    quorum: bool,
    refusal: Option<String>,
    changes: Vec<MembershipChange>,
    clients: BTreeMap<ClientUuid, bool>,
    coordinator: Option<CoordinatorReport>,
}

impl Sequencer {
    /// A node without a cluster.
    pub(crate) fn waiting(node: NodeDescription, now: ClusterTime) -> Arc<Self> {
        let status = Status { node: node.node, member: node.member, ..Status::default() };
        let inner = Inner {
            machine: Machine::new(),
            node,
            now,
            index: 0,
            sequence: 0,
            waits: Vec::new(),
            subscribers: Vec::new(),
            faults: VecDeque::new(),
            quorum: true,
            refusal: None,
            changes: Vec::new(),
            clients: BTreeMap::new(),
            coordinator: None,
        };
        Arc::new(Self {
            inner: Mutex::new(inner),
            status: watch::Sender::new(Arc::new(status)),
            view: watch::Sender::default(),
        })
    }

    /// A node that founded a cluster of its own and leads it.
    pub(crate) fn leading(
        node: NodeDescription,
        cluster_name: &str,
        maps: Vec<(Name, MapSettings)>,
        now: ClusterTime,
    ) -> Arc<Self> {
        let sequencer = Self::waiting(node.clone(), now);
        let leader = node.node;
        let commands = [
            ClusterCommand::Found {
                cluster_id: ClusterId(1),
                cluster_name: cluster_name.into(),
                sessions: SessionSettings { time_to_live_ms: 30_000, heartbeat_interval_ms: 5_000 },
                maps,
            },
            ClusterCommand::DescribeNode(node.clone()),
            ClusterCommand::Office { leader, leaderless_ms: 0 },
        ];
        for command in commands {
            let applied = sequencer.apply(Command::Cluster(command), false);
            assert!(matches!(applied, Applied::Now(Ok(Outcome::Done))), "{applied:?}");
        }
        sequencer.change_status(|status| {
            status.role = Role::Leader;
            status.leader = Some(leader);
            status.leader_silent_for = Some(Duration::ZERO);
            status.term = 1;
            status.ready = true;
            status.peers = vec![peer(&node, true)];
        });
        sequencer
    }

    /// Cluster time.
    pub(crate) fn now(&self) -> ClusterTime {
        self.inner.lock().now
    }

    /// Lets time pass and ends what is due, as a leader would.
    pub(crate) fn advance(&self, ms: u64) {
        {
            let mut inner = self.inner.lock();
            inner.now = inner.now.plus_ms(ms);
        }
        self.apply(Command::Cluster(ClusterCommand::Expire), false);
    }

    /// Whether enough voters answer. Without a quorum nothing is proposed and nothing read
    /// linearizably.
    pub(crate) fn set_quorum(&self, quorum: bool) {
        self.inner.lock().quorum = quorum;
        self.change_status(|status| {
            let silent_for = if quorum { Duration::ZERO } else { Duration::from_secs(5) };
            status.isolated = !quorum;
            status.leader_silent_for = Some(silent_for);
        });
    }

    /// What shall become of the commands to come, in order.
    pub(crate) fn inject(&self, faults: impl IntoIterator<Item = Fault>) {
        self.inner.lock().faults.extend(faults);
    }

    /// The rule that refuses changes of the membership from now on.
    pub(crate) fn refuse_changes(&self, rule: Option<&str>) {
        self.inner.lock().refusal = rule.map(str::to_owned);
    }

    /// Changes of the membership that were made.
    pub(crate) fn changes(&self) -> Vec<MembershipChange> {
        self.inner.lock().changes.clone()
    }

    /// Clients whose presence was told.
    pub(crate) fn clients(&self) -> BTreeMap<ClientUuid, bool> {
        self.inner.lock().clients.clone()
    }

    /// The coordinator that was seen last.
    pub(crate) fn coordinator(&self) -> Option<CoordinatorReport> {
        self.inner.lock().coordinator.clone()
    }

    /// Changes what this node says of itself.
    pub(crate) fn change_status(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_modify(|status| change(Arc::make_mut(status)));
    }

    /// Looks at the state.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Machine) -> T) -> T {
        look(&self.inner.lock().machine)
    }

    fn apply(&self, command: Command, own_origin: bool) -> Applied {
        let mut inner = self.inner.lock();
        inner.index += 1;
        let origin = own_origin.then(|| inner.next_origin());
        let wait = origin.and_then(|origin| command.wait_key(&origin));
        let (at, proposer) = (inner.now, inner.node.node);
        let applied = inner.machine.apply(LogEntry { at, proposer, origin, command });
        let batch =
            EventBatch { index: inner.index, emitter: true, gap: false, events: applied.events };
        let batch = Arc::new(batch);
        // Events are published before anybody is answered.
        inner.subscribers.retain(|subscriber| subscriber.try_send(batch.clone()).is_ok());
        self.publish(&inner);
        let answer = match (applied.reply, wait) {
            (Ok(Outcome::Waiting), Some(wait)) => {
                let (sender, receiver) = oneshot::channel();
                inner.waits.push((wait, sender));
                Applied::Later(receiver)
            }
            (reply, _) => Applied::Now(reply),
        };
        for event in &batch.events {
            let Event::WaitEnded { wait: ended, reply } = event else { continue };
            let (over, open) =
                inner.waits.drain(..).partition::<Vec<_>, _>(|(wait, _)| wait == ended);
            inner.waits = open;
            // A caller that gave up does not look.
            over.into_iter().for_each(|(_, sender)| drop(sender.send(reply.clone())));
        }
        answer
    }

    fn publish(&self, inner: &Inner) {
        self.change_status(|status| {
            status.cluster = inner.machine.cluster().cloned();
            status.last_log_index = inner.index;
            status.committed_index = inner.index;
            status.applied_index = inner.index;
            status.state_bytes = inner.machine.state_bytes();
            let own = status.node;
            let own = status.peers.iter_mut().find(|peer| peer.node == own);
            own.into_iter().for_each(|peer| peer.matched_index = Some(inner.index));
        });
        self.view.send_if_modified(|view| {
            let now = inner.machine.view();
            let changed = **view != now;
            *view = Arc::new(now);
            changed
        });
    }
}

impl Inner {
    fn next_origin(&mut self) -> Origin {
        self.sequence += 1;
        Origin {
            node: self.node.node,
            start: 1,
            sequence: self.sequence,
            // Each is answered at once, or waits, which is remembered by itself.
            answered_below: self.sequence,
        }
    }
}

#[derive(Debug)]
enum Applied {
    Now(Reply),
    Later(oneshot::Receiver<Reply>),
}

impl Consensus for Sequencer {
    fn submit(&self, command: Command) -> PortFuture<Result<Outcome, SubmitError>> {
        let (quorum, fault) = {
            let mut inner = self.inner.lock();
            (inner.quorum, inner.faults.pop_front())
        };
        if !quorum {
            return Box::pin(ready(Err(SubmitError::NotProposed)));
        }
        match fault {
            Some(Fault::Refused(error)) => return Box::pin(ready(Err(error))),
            Some(Fault::Silent) => return Box::pin(std::future::pending()),
            Some(Fault::OutcomeLost) => {
                self.apply(command, true);
                return Box::pin(ready(Err(SubmitError::Unknown)));
            }
            None => {}
        }
        match self.apply(command, true) {
            Applied::Now(reply) => Box::pin(ready(reply.map_err(SubmitError::Rejected))),
            Applied::Later(reply) => Box::pin(async {
                let reply = reply.await.map_err(|_| SubmitError::ShuttingDown)?;
                reply.map_err(SubmitError::Rejected)
            }),
        }
    }

    fn read(
        &self,
        query: Query,
        consistency: Consistency,
    ) -> PortFuture<Result<Answer, SubmitError>> {
        let inner = self.inner.lock();
        let result = match consistency {
            Consistency::Linearizable if !inner.quorum => Err(SubmitError::NotProposed),
            Consistency::Linearizable | Consistency::Local => Ok(inner.machine.query(&query)),
        };
        Box::pin(ready(result))
    }

    fn status(&self) -> watch::Receiver<Arc<Status>> {
        self.status.subscribe()
    }

    fn view(&self) -> watch::Receiver<Arc<ClusterView>> {
        self.view.subscribe()
    }

    fn subscribe(&self, capacity: usize) -> mpsc::Receiver<Arc<EventBatch>> {
        let (sender, receiver) = mpsc::channel(capacity);
        self.inner.lock().subscribers.push(sender);
        receiver
    }

    fn client_presence(&self, client: ClientUuid, connected: bool) {
        self.inner.lock().clients.insert(client, connected);
    }

    fn coordinator_seen(&self, report: CoordinatorReport) {
        self.inner.lock().coordinator = Some(report);
    }

    fn change_membership(
        &self,
        change: MembershipChange,
    ) -> PortFuture<Result<(), MembershipError>> {
        let mut inner = self.inner.lock();
        if !inner.quorum {
            return Box::pin(ready(Err(MembershipError::Submit(SubmitError::NotProposed))));
        }
        if let Some(rule) = inner.refusal.clone() {
            return Box::pin(ready(Err(MembershipError::Refused { rule })));
        }
        inner.changes.push(change.clone());
        self.change_status(|status| change_peers(status, change));
        Box::pin(ready(Ok(())))
    }
}

fn change_peers(status: &mut Status, change: MembershipChange) {
    match change {
        MembershipChange::AddLearner { node, .. } => status.peers.push(PeerStatus {
            node,
            matched_index: Some(0),
            silent_for: None,
            voter: false,
            description: None,
        }),
        MembershipChange::Promote { node } => {
            status.peers.iter_mut().filter(|p| p.node == node).for_each(|p| p.voter = true);
        }
        MembershipChange::Remove { node } => status.peers.retain(|peer| peer.node != node),
        MembershipChange::TransferLeader { to } => {
            status.leader = Some(to);
            status.role = if to == status.node { Role::Leader } else { Role::Follower };
        }
    }
    status.peers.sort_by_key(|peer| peer.node);
}

/// A peer that answers at once.
pub(crate) fn peer(node: &NodeDescription, voter: bool) -> PeerStatus {
    PeerStatus {
        node: node.node,
        matched_index: Some(0),
        silent_for: Some(Duration::ZERO),
        voter,
        description: Some(node.clone()),
    }
}

/// A node whose ports follow from its id.
pub(crate) fn node(id: u64) -> NodeDescription {
    NodeDescription {
        node: NodeId(id),
        member: statekeeper_machine::MemberUuid(u128::from(id)),
        client_host: "127.0.0.1".into(),
        client_port: 5_700 + u16::try_from(id).unwrap_or(0),
        raft_address: format!("127.0.0.1:{}", 5_750 + id).into(),
        admin_address: format!("127.0.0.1:{}", 5_780 + id).into(),
        version: "0.1.0".into(),
    }
}
