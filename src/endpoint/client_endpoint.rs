//! `ClientEndpoint`: our side of one client connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use statekeeper_machine::{
    Answer, ClientUuid, ClusterId, ClusterView, Command, EventBatch, MemberUuid, Name, Outcome,
    Query, SubmitError,
};
use statekeeper_protocol::{ClientMessage, EncodedMessage};

/// A command or query on its way; unique within one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What an endpoint must know of its node; the same for every connection of it.
#[derive(Clone, Debug)]
pub struct EndpointSettings {
    /// This node, as clients call it.
    pub member: MemberUuid,
    /// The cluster; constant once it is founded.
    pub cluster_id: ClusterId,
    /// What clients must ask for (`state-store.cluster`).
    pub cluster_name: Name,
    /// Host of `client.advertise`.
    pub client_host: Name,
    /// Port of `client.advertise`.
    pub client_port: u16,
    /// A client silent for this long is closed (`hazelcast.max.no.heartbeat.seconds`).
    pub silence_max: Duration,
    /// A connection must have authenticated within this time.
    pub authentication_timeout: Duration,
    /// Bounds.
    pub limits: EndpointLimits,
}

/// Bounds of one conversation, from the configuration (`limits.*`).
#[derive(Clone, Copy, Debug)]
pub struct EndpointLimits {
    /// `limits.value-bytes-max`.
    pub value_bytes_max: usize,
    /// `limits.key-bytes-max`.
    pub key_bytes_max: usize,
    /// `limits.name-bytes-max`.
    pub name_bytes_max: usize,
    /// `limits.request-bytes-max`.
    pub request_bytes_max: usize,
    /// `limits.client-in-flight-max`: beyond, code 46.
    pub in_flight_max: usize,
    /// `limits.listeners-per-client-max`.
    pub listeners_max: usize,
}

/// What happens to an endpoint.
#[derive(Debug)]
pub enum Input {
    /// A whole message arrived.
    Message(ClientMessage),
    /// The answer of `Output::Submit`.
    Completed {
        /// Which.
        ticket: Ticket,
        /// Its outcome.
        result: Result<Outcome, SubmitError>,
    },
    /// The answer of `Output::Read`.
    Answered {
        /// Which.
        ticket: Ticket,
        /// Its answer.
        result: Result<Answer, SubmitError>,
    },
    /// Something happened in the cluster; given in log order, and before the answer of the command
    /// that caused it.
    Events(Arc<EventBatch>),
    /// The members or the partition owner changed; also given once before the first message.
    View(Arc<ClusterView>),
    /// The deadline has come.
    Timeout,
}

/// What an endpoint wants done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Write this to the client.
    Send(EncodedMessage),
    /// Have this applied; answer with `Input::Completed`.
    Submit {
        /// For the answer.
        ticket: Ticket,
        /// What.
        command: Command,
    },
    /// Have this answered, linearizably; answer with `Input::Answered`.
    Read {
        /// For the answer.
        ticket: Ticket,
        /// What.
        query: Query,
    },
    /// The client has shown who it is; larger messages are allowed from now on.
    Authenticated(ClientInfo),
    /// Write what is left, then end the connection.
    Close(CloseReason),
}

/// Who a client says it is (protocol: `Client.authentication`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// The client instance; one may have a connection to every node.
    pub client: ClientUuid,
    /// `JVM`, `PYH`, `NJS` and so on.
    pub language: Name,
    /// Its own version.
    pub version: Name,
    /// Its name, for instance `hz.client_1`.
    pub name: Name,
    /// Labels it was given.
    pub labels: Vec<Name>,
}

/// Why an endpoint ends the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// It sent something else before it authenticated.
    #[error("a {message} arrived before the client authenticated")]
    NotAuthenticated {
        /// What it sent.
        message: String,
    },
    /// It did not authenticate in time.
    #[error("the client did not authenticate in time")]
    AuthenticationTimeout,
    /// It tried too often with wrong credentials.
    #[error("authentication failed too often")]
    AuthenticationFailures,
    /// Nothing was heard from it.
    #[error("nothing was heard from the client for {} s", .0.as_secs())]
    Silent(Duration),
    /// A message could not be read.
    #[error("a message could not be read: {0}")]
    Decode(String),
    /// A snapshot skipped events that a `localOnly=false` listener should have had; the client
    /// registers again.
    #[error("events were skipped by a snapshot; the client must register its listener again")]
    EventsSkipped,
    /// The client broke off many waits or asked in a way that no limit allows.
    #[error("limit {limit} reached")]
    LimitReached {
        /// The configuration key.
        limit: &'static str,
    },
}

/// A conversation in lists (admin API: `/v1/clients`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointSummary {
    /// Listeners registered.
    pub listeners: usize,
    /// Requests without an answer yet.
    pub in_flight: usize,
}

/// Our side of one client connection.
///
/// Contract: call [`handle`](Self::handle) with one input, then [`poll`](Self::poll) until it yields
/// nothing, then the next input; when [`deadline`](Self::deadline) has come, give `Input::Timeout`.
#[derive(Debug)]
pub struct ClientEndpoint {
    settings: Arc<EndpointSettings>,
}

impl ClientEndpoint {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(settings: Arc<EndpointSettings>, _connection: u64, _now: Instant) -> Self {
        Self { settings }
    }

    /// Takes one input.
    pub fn handle(&mut self, _input: Input, _now: Instant) {
        let _ = &self.settings;
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Output> {
        None
    }

    /// When to give `Input::Timeout`.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Whether it must be given `Input::Events`: it has listeners. Asked after every input; the shell
    /// subscribes before it writes what that input made it write.
    #[must_use]
    pub fn wants_events(&self) -> bool {
        false
    }

    /// Counts for lists.
    #[must_use]
    pub fn summary(&self) -> EndpointSummary {
        EndpointSummary::default()
    }
}
