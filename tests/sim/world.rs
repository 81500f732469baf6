//! The world: clients with their endpoints, one machine, and a sequencer that misbehaves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use statekeeper_endpoint::{
    ClientEndpoint, EndpointLimits, EndpointSettings, Input, Output, Ticket,
};
use statekeeper_machine::{
    Answer, ClusterCommand, ClusterId, ClusterTime, Command, CpCommand, Event, LogEntry, Machine,
    MemberUuid, NodeDescription, NodeId, Origin, Outcome, Query, Reply, SessionSettings,
    SubmitError, WaitKey,
};
use statekeeper_protocol::{CorrelationId, ExceptionCode};

use super::auditor::{Auditor, SESSION_MS};
use super::client::Client;
use super::random::Random;
use super::requests::{Ask, CLUSTER, Told, authentication, parse};

const NODES: u64 = 3;
const CLIENTS: usize = 4;
/// Each client asks on two threads: one for data, one for the lock.
const THREADS: usize = 2;
const DATA: usize = 0;
const FOUNDED_AT_MS: u64 = 1_700_000_000_000;
const HEARTBEAT_MS: u64 = 5_000;

/// How often things happened, to know that they did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    applied: u64,
    repeated: u64,
    refused: u64,
    unknown: u64,
    cuts: u64,
    leaders: u64,
    restores: u64,
    grants: u64,
    waits_ended: u64,
    sessions_ended: u64,
    answers: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.applied += other.applied;
        self.repeated += other.repeated;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.cuts += other.cuts;
        self.leaders += other.leaders;
        self.restores += other.restores;
        self.grants += other.grants;
        self.waits_ended += other.waits_ended;
        self.sessions_ended += other.sessions_ended;
        self.answers += other.answers;
    }

    pub(crate) fn assert_everything_happened(&self) {
        let all = [
            self.applied,
            self.repeated,
            self.refused,
            self.unknown,
            self.cuts,
            self.leaders,
            self.restores,
            self.grants,
            self.waits_ended,
            self.sessions_ended,
            self.answers,
        ];
        assert!(all.iter().all(|count| *count > 0), "something never happened: {self:?}");
    }
}

/// A request without an answer.
#[derive(Debug)]
struct OpenAsk {
    ask: Ask,
    thread: usize,
    /// What the answer must be, once it took place.
    expected: Option<Told>,
}

/// A client, and its connection of the moment.
struct Connected {
    client: Client,
    endpoint: ClientEndpoint,
    node: u64,
    epoch: u64,
    next_correlation: i64,
    open: BTreeMap<i64, OpenAsk>,
    /// Whether each thread waits for an answer.
    busy: [bool; THREADS],
    /// Which request a ticket belongs to.
    tickets: BTreeMap<Ticket, i64>,
}

/// Where an answer must go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct To {
    client: usize,
    epoch: u64,
    ticket: Ticket,
}

/// A command on its way into the log.
#[derive(Clone)]
struct Submission {
    to: To,
    ask: Option<Ask>,
    command: Command,
    origin: Origin,
}

/// An answer on its way back.
struct Delivery {
    to: To,
    origin: Option<Origin>,
    result: Result<Outcome, SubmitError>,
}

/// Everything there is.
pub(crate) struct World {
    random: Random,
    start: Instant,
    now_ms: u64,
    machine: Machine,
    settings: Arc<EndpointSettings>,
    clients: Vec<Connected>,
    /// Sequences without an answer, by node.
    unanswered: BTreeMap<u64, Vec<u64>>,
    next_sequence: u64,
    queue: Vec<Submission>,
    /// Applied, with their replies: they may come again.
    applied: Vec<(Submission, Reply)>,
    deliveries: Vec<Delivery>,
    waits: Vec<(WaitKey, To, Ask)>,
    queries: Vec<(To, Option<Ask>, Query)>,
    auditor: Auditor,
    counts: Counts,
    transcript: u64,
}

impl World {
    pub(crate) fn default_counts() -> Counts {
        Counts::default()
    }

    /// Plays one seed to its end.
    pub(crate) fn play(seed: u64, steps: usize) -> Self {
        let mut world = Self::new(seed);
        for _ in 0..steps {
            world.step();
        }
        world.settle();
        world
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.clone()
    }

    /// Equal for equal courses of events.
    pub(crate) fn fingerprint(&self) -> (u64, u64) {
        (self.machine.digest(), self.transcript)
    }

    fn new(seed: u64) -> Self {
        let settings = Arc::new(EndpointSettings {
            member: MemberUuid(1),
            cluster_id: ClusterId(7),
            cluster_name: CLUSTER.into(),
            client_host: "127.0.0.1".into(),
            client_port: 5701,
            silence_max: Duration::from_secs(3600),
            authentication_timeout: Duration::from_secs(10),
            slow_request: Duration::MAX,
            limits: EndpointLimits {
                value_bytes_max: 1 << 20,
                key_bytes_max: 1 << 10,
                name_bytes_max: 1 << 9,
                request_bytes_max: 1 << 20,
                in_flight_max: 64,
                listeners_max: 8,
            },
        });
        let start = Instant::now();
        let mut world = Self {
            random: Random::new(seed),
            start,
            now_ms: 0,
            machine: Machine::new(),
            clients: Vec::new(),
            settings,
            unanswered: BTreeMap::new(),
            next_sequence: 1,
            queue: Vec::new(),
            applied: Vec::new(),
            deliveries: Vec::new(),
            waits: Vec::new(),
            queries: Vec::new(),
            auditor: Auditor::default(),
            counts: Counts::default(),
            transcript: 0,
        };
        world.found();
        for number in 0..CLIENTS {
            let endpoint = ClientEndpoint::new(world.settings.clone(), 0, start);
            world.clients.push(Connected {
                client: Client::new(number),
                endpoint,
                node: 1 + world.random.below(NODES),
                epoch: 0,
                next_correlation: 1,
                open: BTreeMap::new(),
                busy: [false; THREADS],
                tickets: BTreeMap::new(),
            });
            world.connect(number);
        }
        world
    }

    fn found(&mut self) {
        let sessions =
            SessionSettings { time_to_live_ms: SESSION_MS, heartbeat_interval_ms: HEARTBEAT_MS };
        self.apply_own(ClusterCommand::Found {
            cluster_id: ClusterId(7),
            cluster_name: CLUSTER.into(),
            sessions,
            maps: Vec::new(),
        });
        for node in 1..=NODES {
            let port = u16::try_from(5700 + node).unwrap();
            self.apply_own(ClusterCommand::DescribeNode(NodeDescription {
                node: NodeId(node),
                member: MemberUuid(node.into()),
                client_host: "127.0.0.1".into(),
                client_port: port,
                raft_address: format!("127.0.0.1:{}", port + 50).into(),
                admin_address: "127.0.0.1:5780".into(),
                version: "0".into(),
            }));
        }
        self.apply_own(ClusterCommand::Office { leader: NodeId(1), leaderless_ms: 0 });
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.now_ms)
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..35 => self.ask(),
            35..60 => self.apply_one(),
            60..78 => self.deliver_one(),
            78..86 => self.answer_query(),
            86..89 => self.repeat_one(),
            89..91 => self.lose_or_refuse(),
            91..93 => self.cut(),
            93..94 => self.change_leader(),
            94..96 => self.restore(),
            _ => {
                let ms = self.random.below(1_500);
                self.pass(ms);
            }
        }
    }

    /// Some idle thread asks something.
    fn ask(&mut self) {
        let client = usize::try_from(self.random.below(CLIENTS as u64)).unwrap();
        let thread = usize::try_from(self.random.below(THREADS as u64)).unwrap();
        if self.clients[client].busy[thread] {
            return;
        }
        let connected = &mut self.clients[client];
        let ask = if thread == DATA {
            connected.client.next_data_ask(&mut self.random)
        } else {
            connected.client.next_lock_ask(&mut self.random)
        };
        self.send(client, thread, ask);
    }

    fn send(&mut self, client: usize, thread: usize, ask: Ask) {
        let now = self.now();
        let connected = &mut self.clients[client];
        let correlation = connected.next_correlation;
        connected.next_correlation += 1;
        connected.busy[thread] = true;
        connected.open.insert(correlation, OpenAsk { ask, thread, expected: None });
        let message = ask.encode(CorrelationId(correlation));
        connected.endpoint.handle(Input::Message(message), now);
        self.drain(client, correlation);
    }

    /// Does what an endpoint asks for; what it submits belongs to the request `correlation`.
    fn drain(&mut self, client: usize, correlation: i64) {
        while let Some(output) = self.clients[client].endpoint.poll() {
            let epoch = self.clients[client].epoch;
            match output {
                Output::Send(message) => self.told(client, &parse(message)),
                Output::Submit { ticket, command } => {
                    let connected = &mut self.clients[client];
                    connected.tickets.insert(ticket, correlation);
                    let ask = connected.open.get(&correlation).map(|open| open.ask);
                    let origin = self.draw_origin(self.clients[client].node);
                    let to = To { client, epoch, ticket };
                    self.queue.push(Submission { to, ask, command, origin });
                }
                Output::Read { ticket, query } => {
                    let connected = &mut self.clients[client];
                    connected.tickets.insert(ticket, correlation);
                    let ask = connected.open.get(&correlation).map(|open| open.ask);
                    self.queries.push((To { client, epoch, ticket }, ask, query));
                }
                Output::Authenticated(_) => {}
                Output::Close(reason) => panic!("client {client} was closed: {reason}"),
            }
        }
    }

    fn draw_origin(&mut self, node: u64) -> Origin {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let unanswered = self.unanswered.entry(node).or_default();
        unanswered.push(sequence);
        let answered_below = unanswered.iter().copied().min().unwrap();
        Origin { node: NodeId(node), start: 1, sequence, answered_below }
    }

    fn apply_own(&mut self, command: ClusterCommand) {
        let entry = self.entry(Command::Cluster(command), None);
        let applied = self.machine.apply(entry);
        self.happened(applied.events);
    }

    fn entry(&self, command: Command, origin: Option<Origin>) -> LogEntry {
        let at = ClusterTime(FOUNDED_AT_MS + self.now_ms);
        LogEntry { at, proposer: NodeId(1), origin, command }
    }

    /// The log takes one of the waiting commands, in any order.
    fn apply_one(&mut self) {
        let Some(submission) = self.random.take(&mut self.queue) else { return };
        // Registered before it is applied, as a node does: its end may come with the entry itself.
        if let (Some(wait), Some(ask)) = (wait_key(&submission.command), submission.ask) {
            self.waits.push((wait, submission.to, ask));
        }
        let entry = self.entry(submission.command.clone(), Some(submission.origin));
        let applied = self.machine.apply(entry);
        self.counts.applied += 1;
        self.took_place(&submission, &applied.reply);
        self.happened(applied.events);
        if applied.reply != Ok(Outcome::Waiting) {
            self.waits.retain(|(_, to, _)| *to != submission.to);
            self.deliveries.push(Delivery {
                to: submission.to,
                origin: Some(submission.origin),
                result: applied.reply.clone().map_err(SubmitError::Rejected),
            });
        }
        self.applied.push((submission, applied.reply));
    }

    /// Tells the auditor of an applied command, once.
    fn took_place(&mut self, submission: &Submission, reply: &Reply) {
        let Some(ask) = submission.ask else { return };
        let now_ms = self.now_ms;
        match (&submission.command, reply) {
            (_, Err(_)) => return,
            (Command::Cp(command), Ok(outcome)) => match (command, outcome) {
                (CpCommand::CreateSession { .. }, Outcome::Session { session, .. }) => {
                    self.auditor.session_lives(session.0, now_ms);
                }
                (CpCommand::Heartbeat { sessions }, Outcome::Done) => {
                    sessions.iter().for_each(|(_, s)| self.auditor.session_lives(s.0, now_ms));
                }
                (CpCommand::Lock { endpoint, uid, .. }, Outcome::Fence(fence)) if fence.0 > 0 => {
                    self.counts.grants += 1;
                    self.auditor.granted(endpoint.session.0, uid.0, fence.0);
                }
                (CpCommand::Unlock { endpoint, .. }, Outcome::Flag(false)) => {
                    self.auditor.released(endpoint.session.0);
                }
                _ => {}
            },
            (_, Ok(_)) => {}
        }
        self.expect(submission.to, ask);
    }

    /// What the client must be told of a request that took place just now.
    fn expect(&mut self, to: To, ask: Ask) {
        let expected = self.auditor.take_place(ask);
        let connected = &mut self.clients[to.client];
        if connected.epoch != to.epoch {
            return;
        }
        let Some(correlation) = connected.tickets.get(&to.ticket) else { return };
        if let Some(open) = connected.open.get_mut(correlation) {
            open.expected = expected;
        }
    }

    fn happened(&mut self, events: Vec<Event>) {
        let ends = |event: &Event| match event {
            Event::SessionEnded { session, expired: true, .. } => Some(session.0),
            _ => None,
        };
        let mut view_changed = false;
        for (at, event) in events.iter().enumerate() {
            match event {
                Event::WaitEnded { wait, reply } => {
                    // A session's end is told behind what it set free.
                    for session in events[at..].iter().filter_map(ends) {
                        if self.auditor.holder() == Some(session) {
                            self.auditor.released(session);
                        }
                    }
                    self.wait_ended(wait, reply);
                }
                Event::ViewChanged => view_changed = true,
                event => {
                    if let Some(session) = ends(event) {
                        self.counts.sessions_ended += 1;
                        self.auditor.session_expired(session, self.now_ms);
                    }
                }
            }
        }
        if view_changed {
            let view = Arc::new(self.machine.view());
            for client in 0..self.clients.len() {
                let now = self.now();
                self.clients[client].endpoint.handle(Input::View(view.clone()), now);
                self.drain(client, 0);
            }
        }
    }

    fn wait_ended(&mut self, wait: &WaitKey, reply: &Reply) {
        self.counts.waits_ended += 1;
        if let (WaitKey::Lock { endpoint, uid, .. }, Ok(Outcome::Fence(fence))) = (wait, reply)
            && fence.0 > 0
        {
            self.counts.grants += 1;
            self.auditor.granted(endpoint.session.0, uid.0, fence.0);
        }
        let (ended, waiting) = self.waits.drain(..).partition(|(key, _, _)| key == wait);
        self.waits = waiting;
        let ended: Vec<(WaitKey, To, Ask)> = ended;
        for (_, to, _) in ended {
            let result = reply.clone().map_err(SubmitError::Rejected);
            self.deliveries.push(Delivery { to, origin: None, result });
        }
    }

    /// A command that was applied comes again, as after a change of leader: nothing may change.
    fn repeat_one(&mut self) {
        let count = self.applied.len() as u64;
        if count == 0 {
            return;
        }
        let index = usize::try_from(self.random.below(count)).unwrap();
        let (submission, first) = self.applied[index].clone();
        let node = submission.origin.node.0;
        let known = self
            .unanswered
            .get(&node)
            .is_some_and(|open| open.contains(&submission.origin.sequence));
        let before = self.machine.digest();
        let mut entry = self.entry(submission.command, Some(submission.origin));
        entry.at = self.machine.time();
        let again = self.machine.apply(entry);
        assert_eq!(self.machine.digest(), before, "a repeated command changed the state");
        assert!(again.events.is_empty(), "a repeated command raised {:?}", again.events);
        // A wait that has ended since is told by its lock, as long as that remembers.
        if known && first != Ok(Outcome::Waiting) {
            assert_eq!(again.reply, first, "a repeated command was answered otherwise");
        }
        self.counts.repeated += 1;
    }

    fn deliver_one(&mut self) {
        let Some(delivery) = self.random.take(&mut self.deliveries) else { return };
        // The network may swallow the answer: then the node knows only that it does not know.
        let result = if self.random.one_in(20) && delivery.result.is_ok() {
            self.counts.unknown += 1;
            Err(SubmitError::Unknown)
        } else {
            delivery.result
        };
        self.complete(delivery.to, delivery.origin, result);
    }

    fn complete(&mut self, to: To, origin: Option<Origin>, result: Result<Outcome, SubmitError>) {
        if let Some(origin) = origin {
            self.forget(origin);
        }
        let now = self.now();
        let connected = &mut self.clients[to.client];
        if connected.epoch != to.epoch {
            return;
        }
        let Some(correlation) = connected.tickets.remove(&to.ticket) else { return };
        connected.endpoint.handle(Input::Completed { ticket: to.ticket, result }, now);
        self.drain(to.client, correlation);
    }

    fn forget(&mut self, origin: Origin) {
        if let Some(open) = self.unanswered.get_mut(&origin.node.0) {
            open.retain(|sequence| *sequence != origin.sequence);
        }
    }

    fn answer_query(&mut self) {
        let Some((to, ask, query)) = self.random.take(&mut self.queries) else { return };
        if self.clients[to.client].epoch != to.epoch {
            return;
        }
        let refused = self.random.one_in(20);
        let result: Result<Answer, SubmitError> =
            if refused { Err(SubmitError::NotProposed) } else { Ok(self.machine.query(&query)) };
        if let (false, Some(ask)) = (refused, ask) {
            self.expect(to, ask);
        }
        let now = self.now();
        let connected = &mut self.clients[to.client];
        let Some(correlation) = connected.tickets.remove(&to.ticket) else { return };
        connected.endpoint.handle(Input::Answered { ticket: to.ticket, result }, now);
        self.drain(to.client, correlation);
    }

    /// A command that was not applied is refused, or is told to be unknown while it goes on.
    fn lose_or_refuse(&mut self) {
        let Some(submission) = self.random.take(&mut self.queue) else { return };
        let (to, origin) = (submission.to, submission.origin);
        if self.random.one_in(2) {
            self.counts.refused += 1;
            self.complete(to, Some(origin), Err(SubmitError::NotProposed));
        } else {
            self.counts.unknown += 1;
            self.queue.push(submission);
            self.complete(to, Some(origin), Err(SubmitError::Unknown));
        }
    }

    /// A client loses its connection, and makes another one to some node.
    fn cut(&mut self) {
        let client = usize::try_from(self.random.below(CLIENTS as u64)).unwrap();
        self.counts.cuts += 1;
        let node = 1 + self.random.below(NODES);
        let connected = &mut self.clients[client];
        connected.epoch += 1;
        connected.node = node;
        connected.tickets.clear();
        connected.endpoint = ClientEndpoint::new(
            self.settings.clone(),
            connected.epoch,
            self.start + Duration::from_millis(self.now_ms),
        );
        let open = std::mem::take(&mut connected.open);
        connected.busy = [false; THREADS];
        self.connect(client);
        for (_, OpenAsk { ask, thread, .. }) in open {
            // What cannot be repeated is raised to the application, which goes on.
            if ask.repeats_safely() {
                self.send(client, thread, ask);
            }
        }
    }

    fn connect(&mut self, client: usize) {
        let (now, view) = (self.now(), Arc::new(self.machine.view()));
        let connected = &mut self.clients[client];
        connected.endpoint.handle(Input::View(view), now);
        let number = u128::try_from(client).unwrap() + 1;
        let message = authentication(number, CorrelationId(0));
        connected.endpoint.handle(Input::Message(message), now);
        self.drain(client, 0);
    }

    fn change_leader(&mut self) {
        self.counts.leaders += 1;
        let leaderless_ms = self.random.below(2_000);
        self.now_ms += leaderless_ms;
        let leader = NodeId(1 + self.random.below(NODES));
        self.apply_own(ClusterCommand::Office { leader, leaderless_ms });
    }

    /// The machine goes through its image, as on a node that installs a snapshot.
    fn restore(&mut self) {
        self.counts.restores += 1;
        let before = self.machine.digest();
        self.machine = Machine::restore(self.machine.freeze().blocks()).unwrap();
        assert_eq!(self.machine.digest(), before, "the image is another state");
        assert_eq!(self.machine.state_bytes(), self.machine.recounted_bytes());
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        let now = ClusterTime(FOUNDED_AT_MS + self.now_ms);
        if self.machine.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.apply_own(ClusterCommand::Expire);
        }
    }

    /// A client reads an answer.
    fn told(&mut self, client: usize, message: &statekeeper_protocol::ClientMessage) {
        let connected = &mut self.clients[client];
        let correlation = message.correlation_id().0;
        if correlation == 0 || message.is_event() {
            return;
        }
        let open = connected.open.remove(&correlation);
        let OpenAsk { ask, thread, expected } = open.expect("one answer for each request");
        connected.busy[thread] = false;
        let told = ask.decode(message);
        self.counts.answers += 1;
        self.transcript = note(self.transcript, &format!("{client} {ask:?} {told:?}"));
        let again = matches!(told, Told::Failed(ExceptionCode::RetryableHazelcast));
        if again {
            // What every client does by itself, whatever the call.
            return self.send(client, thread, ask);
        }
        if let Told::Ids { base } = told {
            self.auditor.ids(base);
        }
        match (&told, expected) {
            (Told::Failed(code), _) => assert_expected_failure(ask, *code),
            (told, Some(expected)) => {
                assert_eq!(*told, expected, "client {client} asked {ask:?}");
            }
            (_, None) => {}
        }
        self.clients[client].client.learn(ask, &told);
    }

    /// No more faults: everything on its way arrives, and every request has its answer.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            if self.queue.is_empty() && self.deliveries.is_empty() && self.queries.is_empty() {
                if self.clients.iter().all(|connected| connected.open.is_empty()) {
                    return;
                }
                // What is left waits for a lock: sessions end, and with them every wait.
                self.pass(SESSION_MS + 1);
            }
            self.apply_one();
            self.deliver_one();
            self.answer_query();
        }
        let open: Vec<_> = self.clients.iter().flat_map(|c| c.open.values()).collect();
        panic!("requests without an answer: {open:?}");
    }
}

fn assert_expected_failure(ask: Ask, code: ExceptionCode) {
    let is_lock = matches!(
        ask,
        Ask::Lock { .. } | Ask::TryLock { .. } | Ask::Unlock { .. } | Ask::Heartbeat { .. }
    );
    let expected = match code {
        ExceptionCode::IndeterminateOperationState => !ask.repeats_safely(),
        ExceptionCode::SessionExpired
        | ExceptionCode::WaitKeyCancelled
        | ExceptionCode::IllegalMonitorState => is_lock,
        _ => false,
    };
    assert!(expected, "{ask:?} failed with {code:?}");
}

/// The wait of a command that can wait in the state.
fn wait_key(command: &Command) -> Option<WaitKey> {
    match command {
        Command::Cp(CpCommand::Lock { group, name, endpoint, uid, .. }) => Some(WaitKey::Lock {
            group: group.clone(),
            name: name.clone(),
            endpoint: *endpoint,
            uid: *uid,
        }),
        _ => None,
    }
}

/// FNV-1a over a line.
fn note(hash: u64, line: &str) -> u64 {
    line.bytes().fold(hash ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
