//! A real machine, a clock moved by hand and nodes that report, around `Duties`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use statekeeper_machine::{
    Answer, Blob, Caller, ClientUuid, ClusterCommand, ClusterId, ClusterTime, Command, Lifetime,
    LogEntry, Machine, MapChange, MapSettings, MemberUuid, Name, NodeDescription, NodeId, PutMode,
    Query, SessionSettings, ThreadId, Touch,
};

use super::{
    CoordinatorSign, Deed, Duties, Duty, DutySettings, DutyView, PeerSight, REPORT_INTERVAL, Report,
};
use crate::consensus::{CoordinatorReport, MembershipChange};

pub(super) const CHECK_TIMEOUT_MS: u64 = 10_000;
const TICK_MS: u64 = 50;
const START_MS: u64 = 1_700_000_000_000;
const DISCOVERY: &str = "discovery-service";

pub(super) fn node(id: u64) -> NodeId {
    NodeId(id)
}

pub(super) fn client(id: u128) -> ClientUuid {
    ClientUuid(id)
}

pub(super) struct Trial {
    pub(super) duties: Duties,
    pub(super) machine: Machine,
    pub(super) now: Instant,
    pub(super) voters: BTreeSet<NodeId>,
    pub(super) learners: BTreeSet<NodeId>,
    pub(super) peers: BTreeMap<NodeId, PeerSight>,
    pub(super) membership_changing: bool,
    /// Duties are taken, and nothing comes of them.
    pub(super) hold_results: bool,
    /// Duties are carried out, and nobody is told.
    pub(super) lose_results: bool,
    /// Duties fail.
    pub(super) refuse: bool,
    /// All that was handed out, with the time since the start.
    pub(super) handed: Vec<(Duration, Duty)>,
    /// What the discovery map became by duties, with the time since the start.
    pub(super) records: Vec<(Duration, Vec<(String, String)>)>,
    started: Instant,
    leader: NodeId,
    descriptions: BTreeMap<NodeId, NodeDescription>,
    dead: BTreeSet<NodeId>,
    muted: BTreeSet<NodeId>,
    answered: BTreeMap<NodeId, Instant>,
    reported: BTreeMap<NodeId, Instant>,
    clients: BTreeMap<NodeId, BTreeSet<ClientUuid>>,
    coordinators: BTreeMap<NodeId, CoordinatorSign>,
    reference: i64,
}

impl Trial {
    /// Voters 1 to `nodes`, all described; node 1 leads.
    pub(super) fn new(nodes: u64) -> Self {
        let mut trial = Self::undescribed(nodes);
        for description in trial.descriptions.clone().into_values() {
            trial.apply_cluster(ClusterCommand::DescribeNode(description));
        }
        trial
    }

    pub(super) fn undescribed(nodes: u64) -> Self {
        let now = Instant::now() + Duration::from_secs(3_600);
        let mut trial = Self {
            duties: Duties::new(settings(node(1))),
            machine: Machine::new(),
            now,
            voters: (1..=nodes).map(node).collect(),
            learners: BTreeSet::new(),
            peers: BTreeMap::new(),
            membership_changing: false,
            hold_results: false,
            lose_results: false,
            refuse: false,
            handed: Vec::new(),
            records: Vec::new(),
            started: now,
            leader: node(1),
            descriptions: (1..=nodes).map(|id| (node(id), describe(id))).collect(),
            dead: BTreeSet::new(),
            muted: BTreeSet::new(),
            answered: BTreeMap::new(),
            reported: BTreeMap::new(),
            clients: BTreeMap::new(),
            coordinators: BTreeMap::new(),
            reference: 0,
        };
        let found = ClusterCommand::Found {
            cluster_id: ClusterId(1),
            cluster_name: Name::from("dev"),
            sessions: SessionSettings { time_to_live_ms: 30_000, heartbeat_interval_ms: 5_000 },
            maps: Vec::new(),
        };
        trial.apply_cluster(found);
        trial.lead(node(1));
        trial
    }

    // The clock and the leader.

    /// A node takes office, with duties that know nothing.
    pub(super) fn lead(&mut self, leader: NodeId) {
        self.leader = leader;
        self.duties = Duties::new(settings(leader));
        self.office(leader);
        self.take_office();
    }

    pub(super) fn take_office(&mut self) {
        self.duties.take_office(self.now);
    }

    /// Applies `Office` alone.
    pub(super) fn office(&mut self, leader: NodeId) {
        self.apply_cluster(ClusterCommand::Office { leader, leaderless_ms: 0 });
    }

    /// Lets time pass while the leader looks at nothing.
    pub(super) fn pass_ms(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    /// Lets time pass with reports every second and a look every 50 ms.
    pub(super) fn run_ms(&mut self, ms: u64) {
        let mut left = ms;
        while left > 0 {
            let step = left.min(TICK_MS);
            left -= step;
            self.pass_ms(step);
            self.send_due_reports();
            self.tick();
        }
    }

    pub(super) fn tick(&mut self) {
        self.note_answers();
        // Out of `self` while it is seen as a whole.
        let mut duties = std::mem::replace(&mut self.duties, Duties::new(settings(self.leader)));
        let handed = duties.tick(&self.view());
        self.duties = duties;
        for duty in handed {
            self.handed.push((self.now - self.started, duty.clone()));
            if self.hold_results {
                continue;
            }
            let before = self.discovery();
            let applied = !self.refuse && self.carry_out(duty.deed);
            let after = self.discovery();
            if after != before {
                self.records.push((self.now - self.started, after));
            }
            if !self.lose_results {
                self.duties.done(self.now, duty.id, applied);
            }
        }
    }

    pub(super) fn deadline_in(&self) -> Option<Duration> {
        Some(self.duties.deadline(&self.view())? - self.now)
    }

    pub(super) fn cluster_now(&self) -> ClusterTime {
        let passed = (self.now - self.started).as_millis();
        ClusterTime(START_MS + u64::try_from(passed).expect("a test is short"))
    }

    // Nodes.

    pub(super) fn kill(&mut self, node: NodeId) {
        self.dead.insert(node);
    }

    pub(super) fn revive(&mut self, node: NodeId) {
        self.dead.remove(&node);
    }

    pub(super) fn mute_reports(&mut self, node: NodeId) {
        self.muted.insert(node);
    }

    pub(super) fn add_learner(&mut self, learner: NodeId, lag_entries: u64) {
        self.descriptions.insert(learner, describe(learner.0));
        self.learners.insert(learner);
        let sight = PeerSight { silent_for: None, lag_entries: Some(lag_entries) };
        self.peers.insert(learner, sight);
    }

    pub(super) fn move_node(&mut self, node: NodeId, host: &str) {
        self.descriptions.get_mut(&node).expect("known").client_host = Name::from(host);
    }

    pub(super) fn report_all(&mut self) {
        for id in self.descriptions.keys().copied().collect::<Vec<_>>() {
            self.report(id);
        }
    }

    /// Sends a node's report now, if it lives.
    pub(super) fn report(&mut self, node: NodeId) {
        if self.dead.contains(&node) || self.muted.contains(&node) {
            return;
        }
        self.reported.insert(node, self.now);
        let report = Report {
            node,
            description: self.descriptions[&node].clone(),
            clients_here: self.clients.get(&node).into_iter().flatten().copied().collect(),
            coordinator: self.coordinators.get(&node).cloned(),
        };
        self.duties.heard(self.now, report);
    }

    pub(super) fn listed(&self) -> Vec<NodeId> {
        self.machine.view().members.iter().map(|member| member.node).collect()
    }

    pub(super) fn description(&self, node: NodeId) -> Option<NodeDescription> {
        self.machine.nodes().into_iter().find(|known| known.node == node)
    }

    // What was handed out.

    pub(super) fn handed_out(&self) -> usize {
        self.handed.len()
    }

    pub(super) fn count(&self, is: impl Fn(&Duty) -> bool) -> usize {
        self.handed.iter().filter(|(_, duty)| is(duty)).count()
    }

    pub(super) fn unlisted(&self) -> usize {
        self.count(|duty| {
            matches!(
                duty.deed,
                Deed::Propose(Command::Cluster(ClusterCommand::UnlistMember { .. }))
            )
        })
    }

    pub(super) fn forgotten(&self) -> usize {
        self.count(|duty| {
            matches!(duty.deed, Deed::Propose(Command::Cluster(ClusterCommand::ForgetNode { .. })))
        })
    }

    pub(super) fn relisted(&self) -> usize {
        self.count(|duty| {
            matches!(duty.deed, Deed::Propose(Command::Cluster(ClusterCommand::ListMember { .. })))
        })
    }

    // Clients.

    pub(super) fn configure(&mut self, map: &str, settings: MapSettings) {
        self.apply_map(map, client(0), MapChange::Configure(settings));
    }

    /// Puts a record; a time to live of zero is the map's own.
    pub(super) fn put(&mut self, map: &str, key: &str, ttl_ms: u64) {
        let ttl = if ttl_ms == 0 { Lifetime::Default } else { Lifetime::Ms(ttl_ms) };
        let (key, value) = (Blob::string(key), Blob::string("v"));
        let put =
            MapChange::Put { key, value, ttl, max_idle: Lifetime::Default, mode: PutMode::Set };
        self.apply_map(map, client(0), put);
    }

    /// Any other entry.
    pub(super) fn barrier(&mut self) {
        self.apply_map("other", client(0), MapChange::Clear);
    }

    pub(super) fn has(&self, map: &str, key: &str) -> bool {
        let query = Query::MapContainsKey { map: Name::from(map), key: Blob::string(key) };
        self.machine.query(&query) == Answer::Flag(true)
    }

    pub(super) fn hits(&self, map: &str, key: &str) -> u64 {
        let query = Query::MapRecord { map: Name::from(map), key: Blob::string(key) };
        match self.machine.query(&query) {
            Answer::Record(Some(record)) => record.hits,
            other => panic!("no record: {other:?}"),
        }
    }

    pub(super) fn read(&mut self, map: &str, key: &str) {
        self.read_at(map, key, self.cluster_now());
    }

    pub(super) fn read_at(&mut self, map: &str, key: &str, at: ClusterTime) {
        let touch = Touch { map: Name::from(map), key: Blob::string(key), at, reads: 1 };
        self.duties.touched(self.now, vec![touch]);
    }

    pub(super) fn connect(&mut self, node: NodeId, client: ClientUuid) {
        self.clients.entry(node).or_default().insert(client);
    }

    pub(super) fn disconnect(&mut self, node: NodeId, client: ClientUuid) {
        self.clients.entry(node).or_default().remove(&client);
    }

    pub(super) fn lock(&mut self, map: &str, key: &str, client: ClientUuid) {
        let (key, reference) = (Blob::string(key), self.next_reference());
        let lock = MapChange::Lock { key, lease_ms: None, timeout_ms: None, reference };
        self.apply_map(map, client, lock);
    }

    pub(super) fn unlock(&mut self, map: &str, key: &str, client: ClientUuid) {
        let (key, reference) = (Blob::string(key), self.next_reference());
        self.apply_map(map, client, MapChange::Unlock { key, reference });
    }

    pub(super) fn is_locked(&self, map: &str, key: &str) -> bool {
        let query = Query::MapIsLocked { map: Name::from(map), key: Blob::string(key) };
        self.machine.query(&query) == Answer::Flag(true)
    }

    // Coordinators.

    /// The check beside a node changes its mind, after the silence it has to wait for.
    pub(super) fn coordinator(&mut self, node: NodeId, (host, port): (&str, u16), up: bool) {
        let was_up = up || self.coordinators.get(&node).is_some_and(|sign| sign.was_up);
        self.sign(node, CoordinatorReport { host: Name::from(host), port, up }, was_up);
    }

    /// The check of a node that has just started got no answer.
    pub(super) fn unmeasured_down(&mut self, node: NodeId, (host, port): (&str, u16)) {
        self.sign(node, CoordinatorReport { host: Name::from(host), port, up: false }, false);
    }

    pub(super) fn forget_coordinator(&mut self, node: NodeId) {
        self.coordinators.remove(&node);
    }

    /// The discovery map as text.
    pub(super) fn discovery(&self) -> Vec<(String, String)> {
        let query = Query::MapEntries { map: Name::from(DISCOVERY) };
        let Answer::Entries(entries) = self.machine.query(&query) else { panic!("no entries") };
        entries.iter().map(|(key, value)| (text(key), text(value))).collect()
    }

    pub(super) fn put_discovery(&mut self, host: &str, port: &str) {
        let put = MapChange::Put {
            key: Blob::string(host),
            value: Blob::string(port),
            ttl: Lifetime::Default,
            max_idle: Lifetime::Default,
            mode: PutMode::Set,
        };
        self.apply_map(DISCOVERY, client(0), put);
    }

    pub(super) fn clear_discovery(&mut self) {
        self.apply_map(DISCOVERY, client(0), MapChange::Clear);
    }

    fn sign(&mut self, node: NodeId, report: CoordinatorReport, was_up: bool) {
        self.coordinators.insert(node, CoordinatorSign { report, was_up });
        self.report(node);
    }

    fn next_reference(&mut self) -> i64 {
        self.reference += 1;
        self.reference
    }

    fn send_due_reports(&mut self) {
        for node in self.descriptions.keys().copied().collect::<Vec<_>>() {
            let last = self.reported.get(&node);
            if last.is_none_or(|at| self.now - *at >= REPORT_INTERVAL) {
                self.report(node);
            }
        }
    }

    fn note_answers(&mut self) {
        let members = self.voters.iter().chain(&self.learners).copied();
        let members: BTreeSet<NodeId> = members.filter(|node| *node != self.leader).collect();
        self.peers.retain(|node, _| members.contains(node));
        for node in members {
            if !self.dead.contains(&node) {
                self.answered.insert(node, self.now);
            }
            let unknown = PeerSight { silent_for: None, lag_entries: Some(0) };
            let sight = self.peers.entry(node).or_insert(unknown);
            sight.silent_for = self.answered.get(&node).map(|at| self.now - *at);
        }
    }

    fn view(&self) -> DutyView<'_> {
        DutyView {
            machine: &self.machine,
            now: self.now,
            cluster_now: self.cluster_now(),
            voters: &self.voters,
            learners: &self.learners,
            peers: &self.peers,
            membership_changing: self.membership_changing,
        }
    }

    fn carry_out(&mut self, deed: Deed) -> bool {
        match deed {
            Deed::Propose(command) => self.apply(command),
            Deed::ChangeMembership(MembershipChange::Promote { node }) => {
                self.learners.remove(&node) && self.voters.insert(node)
            }
            Deed::ChangeMembership(other) => panic!("not a duty: {other:?}"),
        }
    }

    fn apply_cluster(&mut self, command: ClusterCommand) {
        assert!(self.apply(Command::Cluster(command)));
    }

    fn apply_map(&mut self, map: &str, client: ClientUuid, change: MapChange) {
        let caller = Caller { client, thread: ThreadId(1) };
        assert!(self.apply(Command::Map { map: Name::from(map), caller, change }));
    }

    fn apply(&mut self, command: Command) -> bool {
        let at = self.cluster_now();
        let entry = LogEntry { at, proposer: self.leader, origin: None, command };
        self.machine.apply(entry).reply.is_ok()
    }
}

fn settings(node: NodeId) -> DutySettings {
    DutySettings {
        node,
        member_timeout: Duration::from_secs(10),
        coordinator_check_timeout: Duration::from_millis(CHECK_TIMEOUT_MS),
        bootstrap_expect: 3,
    }
}

fn describe(id: u64) -> NodeDescription {
    NodeDescription {
        node: node(id),
        member: MemberUuid(u128::from(id)),
        client_host: Name::from(format!("10.0.0.{id}")),
        client_port: 5701,
        raft_address: Name::from(format!("10.0.0.{id}:5751")),
        admin_address: Name::from(format!("10.0.0.{id}:5780")),
        version: Name::from("0.1.0"),
    }
}

/// The text of a Java string: it follows hash, type id and length.
fn text(blob: &Blob) -> String {
    let bytes: &Bytes = blob.bytes();
    String::from_utf8_lossy(&bytes[12..]).into_owned()
}
