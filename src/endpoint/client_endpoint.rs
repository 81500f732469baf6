//! `ClientEndpoint`: our side of one client connection.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use statekeeper_machine::{Answer, ClusterView, EventBatch, Outcome, SubmitError};
use statekeeper_protocol::messages::client::{authentication, authentication_custom, ping};
use statekeeper_protocol::{ClientMessage, CorrelationId, Message, MessageType, ProtocolUuid};

use crate::authentication::Authentication;
use crate::call::{Call, check_size};
use crate::close_reason::CloseReason;
use crate::cluster_view::{ClusterViewListener, emitter};
use crate::dispatch::dispatch;
use crate::exception::Failure;
use crate::in_flight::{Follow, InFlight, Pending, Request};
use crate::input::Input;
use crate::limits;
use crate::listeners::{Emitter, Listeners};
use crate::output::{Output, Ticket};
use crate::registration::RegistrationIds;
use crate::settings::EndpointSettings;
use crate::step::{Handled, Step};
use crate::summary::EndpointSummary;

/// What a client may send before it has shown who it is. spec: client-protocol 1
const STRANGERS_MAY_SEND: [MessageType; 3] = [
    <authentication::Request as Message>::TYPE,
    <authentication_custom::Request as Message>::TYPE,
    <ping::Request as Message>::TYPE,
];

/// Whether a client may send this before it has shown who it is. The shell can tell noise from
/// clients by it before it makes an endpoint.
#[must_use]
pub fn strangers_may_send(message_type: MessageType) -> bool {
    STRANGERS_MAY_SEND.contains(&message_type)
}

/// Our side of one client connection.
///
/// Contract: call [`handle`](Self::handle) with one input, then [`poll`](Self::poll) until it
/// yields nothing, then the next input; when [`deadline`](Self::deadline) has come, give
/// `Input::Timeout`.
#[derive(Debug)]
pub struct ClientEndpoint {
    settings: Arc<EndpointSettings>,
    now: Instant,
    last_heard: Instant,
    closed: bool,
    pub(crate) authentication: Authentication,
    view: Arc<ClusterView>,
    cluster_view: ClusterViewListener,
    listeners: Listeners,
    in_flight: InFlight,
    outputs: VecDeque<Output>,
    /// Unsupported types that were logged.
    logged: BTreeSet<MessageType>,
}

impl ClientEndpoint {
    /// A connection that was just accepted. Its number tells it apart from all others of this node.
    #[must_use]
    pub fn new(settings: Arc<EndpointSettings>, connection: u64, now: Instant) -> Self {
        let ids = RegistrationIds::new(settings.member, connection);
        Self {
            now,
            last_heard: now,
            closed: false,
            authentication: Authentication::new(now + settings.authentication_timeout),
            view: Arc::default(),
            cluster_view: ClusterViewListener::default(),
            listeners: Listeners::new(ids, settings.limits.listeners_max),
            in_flight: InFlight::default(),
            outputs: VecDeque::new(),
            logged: BTreeSet::new(),
            settings,
        }
    }

    /// Takes one input.
    ///
    /// # Panics
    /// When `now` goes back.
    pub fn handle(&mut self, input: Input, now: Instant) {
        assert!(now >= self.now, "time never goes back");
        self.now = now;
        if self.closed {
            return;
        }
        match input {
            Input::Message(message) => self.receive(&message),
            Input::Completed { ticket, result } => self.completed(ticket, result),
            Input::Answered { ticket, result } => self.answered(ticket, result),
            Input::Events(batch) => self.tell(&batch),
            Input::View(view) => self.see(view),
            Input::Timeout => self.check_time(),
        }
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to give `Input::Timeout`.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let silent = self.last_heard + self.settings.silence_max;
        let others = [self.authentication.deadline(), self.cluster_view.deadline()];
        Some(others.into_iter().flatten().fold(silent, Instant::min))
    }

    /// Whether it must be given `Input::Events`: it has listeners. Asked after every input; the
    /// shell subscribes before it writes what that input made it write.
    #[must_use]
    pub fn wants_events(&self) -> bool {
        self.listeners.len() > 0
    }

    /// Counts for lists.
    #[must_use]
    pub fn summary(&self) -> EndpointSummary {
        EndpointSummary {
            listeners: self.listeners.len() + usize::from(self.cluster_view.is_registered()),
            in_flight: self.in_flight.len(),
        }
    }

    fn receive(&mut self, message: &ClientMessage) {
        self.last_heard = self.now;
        let correlation = message.correlation_id();
        let message_type = message.message_type();
        let is_stranger = self.authentication.client().is_none();
        if is_stranger && !strangers_may_send(message_type) {
            let message = message_type.to_string();
            return self.close(CloseReason::NotAuthenticated { message });
        }
        let limit = (limits::REQUEST_BYTES_KEY, self.settings.limits.request_bytes_max);
        let handled = check_size("request", message.wire_bytes(), limit)
            .and_then(|()| dispatch(message, &mut self.call(correlation)));
        match handled {
            // Whoever cannot even say who it is gets no explanation.
            Err(Failure::Unreadable(error)) if is_stranger => {
                return self.close(CloseReason::Decode(error.to_string()));
            }
            handled => {
                self.log_if_unsupported(message_type, &handled);
                let request = Request { correlation, message_type, at: self.now };
                self.go_on(request, handled, true);
            }
        }
        if self.authentication.has_failed() {
            self.close(CloseReason::AuthenticationFailures);
        }
    }

    fn completed(&mut self, ticket: Ticket, result: Result<Outcome, SubmitError>) {
        let Some(pending) = self.take(ticket) else { return };
        let Pending { request, repeats_safely, follow, .. } = pending;
        let handled = match (result, follow) {
            (Ok(outcome), Follow::Outcome(then)) => {
                then(outcome, &mut self.call(request.correlation))
            }
            (Ok(_), Follow::Answer(_)) => Err(Failure::UnexpectedAnswer { expected: "an answer" }),
            (Err(source), _) => Err(Failure::Submit { source, repeats_safely }),
        };
        self.go_on(request, handled, false);
    }

    fn answered(&mut self, ticket: Ticket, result: Result<Answer, SubmitError>) {
        let Some(pending) = self.take(ticket) else { return };
        let Pending { request, repeats_safely, follow, .. } = pending;
        let handled = match (result, follow) {
            (Ok(Answer::Refused(rejection)), _) => {
                Err(Failure::Submit { source: SubmitError::Rejected(rejection), repeats_safely })
            }
            (Ok(answer), Follow::Answer(then)) => then(answer, &mut self.call(request.correlation)),
            (Ok(_), Follow::Outcome(_)) => {
                Err(Failure::UnexpectedAnswer { expected: "an outcome" })
            }
            (Err(source), _) => Err(Failure::Submit { source, repeats_safely }),
        };
        self.go_on(request, handled, false);
    }

    fn take(&mut self, ticket: Ticket) -> Option<Pending> {
        let pending = self.in_flight.take(ticket);
        match &pending {
            Some(pending) => self.log_if_slow(pending),
            None => tracing::error!(ticket = ticket.0, "an answer came twice, or unasked"),
        }
        pending
    }

    /// Takes the next step of a request, or answers it. A request that is under way already is not
    /// stopped by the limit it passed when it came.
    fn go_on(&mut self, request: Request, handled: Handled, is_new: bool) {
        let admitted = handled.and_then(|step| self.admit(step, is_new));
        let output = match admitted {
            Ok(Step::Answer(message)) => Output::Send(message),
            Ok(Step::Submit { command, then }) => {
                let ticket = self.in_flight.insert(Pending {
                    request,
                    repeats_safely: command.repeats_safely(),
                    waits: command.may_wait(),
                    follow: Follow::Outcome(then),
                });
                Output::Submit { ticket, command }
            }
            Ok(Step::Read { query, then }) => {
                let ticket = self.in_flight.insert(Pending {
                    request,
                    repeats_safely: true,
                    waits: false,
                    follow: Follow::Answer(then),
                });
                Output::Read { ticket, query }
            }
            Err(failure) => {
                if let Failure::UnexpectedAnswer { .. } = failure {
                    tracing::error!(error = %failure, "a request could not be answered");
                }
                Output::Send(failure.encode(request.correlation))
            }
        };
        self.outputs.push_back(output);
    }

    fn admit(&self, step: Step, is_new: bool) -> Handled {
        let waits = match &step {
            Step::Answer(_) => return Ok(step),
            Step::Submit { command, .. } => command.may_wait(),
            Step::Read { .. } => false,
        };
        if is_new {
            self.in_flight.admit(waits, self.settings.limits.in_flight_max)?;
        }
        Ok(step)
    }

    fn call(&mut self, correlation: CorrelationId) -> Call<'_> {
        Call {
            correlation,
            now: self.now,
            settings: &self.settings,
            view: &self.view,
            authentication: &mut self.authentication,
            cluster_view: &mut self.cluster_view,
            listeners: &mut self.listeners,
            outputs: &mut self.outputs,
        }
    }

    fn tell(&mut self, batch: &EventBatch) {
        if batch.gap && self.listeners.miss_skipped_events() {
            return self.close(CloseReason::EventsSkipped);
        }
        let emitter = Emitter {
            member: emitter(&self.view, self.settings.member),
            // One partition for the life of the cluster: it has the cluster's own id.
            partition: ProtocolUuid::from_u128(self.settings.cluster_id.0),
        };
        self.listeners.tell(batch, emitter, &mut self.outputs);
    }

    fn see(&mut self, view: Arc<ClusterView>) {
        let old = std::mem::replace(&mut self.view, view);
        self.cluster_view.change(&old, &self.view, &mut self.outputs);
    }

    fn check_time(&mut self) {
        if self.authentication.deadline().is_some_and(|deadline| deadline <= self.now) {
            return self.close(CloseReason::AuthenticationTimeout);
        }
        let silence_max = self.settings.silence_max;
        if self.now.duration_since(self.last_heard) >= silence_max {
            return self.close(CloseReason::Silent(silence_max));
        }
        self.cluster_view.repeat(&self.view, self.now, &mut self.outputs);
    }

    /// Once for each connection and type, so that an operator sees what his clients miss.
    fn log_if_unsupported(&mut self, message_type: MessageType, handled: &Handled) {
        let Err(failure @ (Failure::Unsupported { .. } | Failure::NoMapStore)) = handled else {
            return;
        };
        let is_full = self.logged.len() >= limits::UNSUPPORTED_LOGGED_MAX;
        let Some(client) = self.authentication.client() else { return };
        if is_full || !self.logged.insert(message_type) {
            return;
        }
        tracing::warn!(
            message = %message_type,
            language = %client.language,
            version = %client.version,
            refusal = %failure,
            "a client asked for something that is not supported"
        );
    }

    /// A request that is meant to wait is as slow as whoever it waits for.
    fn log_if_slow(&self, pending: &Pending) {
        let took = self.now.duration_since(pending.request.at);
        if took >= self.settings.slow_request && !pending.waits {
            let (message, client) = (pending.request.message_type, self.authentication.client());
            let client = client.map(|client| client.name.to_string()).unwrap_or_default();
            tracing::warn!(%message, client, ?took, "log.slow-request: a request took long");
        }
    }

    fn close(&mut self, reason: CloseReason) {
        self.closed = true;
        self.outputs.push_back(Output::Close(reason));
    }
}
