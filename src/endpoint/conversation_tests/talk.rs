//! One conversation as a test leads it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use statekeeper_machine::{
    Answer, Command, Event, EventBatch, Outcome, Query, Rejection, SubmitError,
};
use statekeeper_protocol::messages::client::authentication;
use statekeeper_protocol::messages::error::ErrorResponse;
use statekeeper_protocol::{
    ClientMessage, CorrelationId, EncodedMessage, Message, PartitionId, ProtocolUuid,
};

use super::{CLIENT, CLUSTER, parse, settings, view};
use crate::{ClientEndpoint, EndpointSettings, Input, Output, Ticket};

/// A client and its endpoint.
pub(crate) struct Talk {
    pub(crate) endpoint: ClientEndpoint,
    pub(crate) now: Instant,
    correlation: i64,
}

impl Talk {
    /// A connection that was just accepted.
    pub(crate) fn stranger(settings: EndpointSettings) -> Self {
        // The one look at the clock: from here on, time is what the test says.
        #[allow(clippy::disallowed_methods, reason = "an instant cannot be made otherwise")]
        let now = Instant::now();
        let endpoint = ClientEndpoint::new(Arc::new(settings), 7, now);
        let mut talk = Self { endpoint, now, correlation: 0 };
        assert!(talk.input(Input::View(view(1, &[1, 2, 3]))).is_empty());
        talk
    }

    /// A client that has authenticated, with other settings than usual.
    pub(crate) fn with(settings: EndpointSettings) -> Self {
        let mut talk = Self::stranger(settings);
        let outputs = talk.ask(&authentication_request());
        assert!(matches!(outputs[..], [Output::Authenticated(_), Output::Send(_)]), "{outputs:?}");
        talk
    }

    /// A client that has authenticated.
    pub(crate) fn new() -> Self {
        Self::with(settings())
    }

    pub(crate) fn input(&mut self, input: Input) -> Vec<Output> {
        self.endpoint.handle(input, self.now);
        std::iter::from_fn(|| self.endpoint.poll()).collect()
    }

    pub(crate) fn message(&mut self, message: ClientMessage) -> Vec<Output> {
        self.input(Input::Message(message))
    }

    /// Whether it has not authenticated.
    pub(crate) fn is_stranger(&self) -> bool {
        self.endpoint.authentication.client().is_none()
    }

    /// Sends a request under the next correlation id.
    pub(crate) fn ask(&mut self, request: &impl Message) -> Vec<Output> {
        let request = self.next_request(request);
        self.message(request)
    }

    /// A request under the next correlation id, not sent yet.
    pub(crate) fn next_request(&mut self, request: &impl Message) -> ClientMessage {
        self.correlation += 1;
        parse(request.encode_with(CorrelationId(self.correlation), PartitionId::NONE))
    }

    /// Of the last request.
    pub(crate) fn correlation(&self) -> CorrelationId {
        CorrelationId(self.correlation)
    }

    /// Sends a request that is answered at once.
    pub(crate) fn answer<R: Message>(&mut self, request: &impl Message) -> R {
        let outputs = self.ask(request);
        self.read_answer(outputs)
    }

    /// Sends a request that is refused at once: code and text.
    pub(crate) fn refusal(&mut self, request: &impl Message) -> (i32, String) {
        let answer: ErrorResponse = self.answer(request);
        only_error(answer)
    }

    /// Sends a request that becomes a command.
    pub(crate) fn submit(&mut self, request: &impl Message) -> (Ticket, Command) {
        submitted(self.ask(request))
    }

    /// Sends a request that becomes a query.
    pub(crate) fn query(&mut self, request: &impl Message) -> (Ticket, Query) {
        asked(self.ask(request))
    }

    /// Completes a command, whose request is the last one; the response.
    pub(crate) fn complete<R: Message>(&mut self, ticket: Ticket, outcome: Outcome) -> R {
        let outputs = self.input(Input::Completed { ticket, result: Ok(outcome) });
        self.read_answer(outputs)
    }

    /// Answers a query, whose request is the last one; the response.
    pub(crate) fn inform<R: Message>(&mut self, ticket: Ticket, answer: Answer) -> R {
        let outputs = self.input(Input::Answered { ticket, result: Ok(answer) });
        self.read_answer(outputs)
    }

    /// Fails a command, whose request is the last one: code and text.
    pub(crate) fn fail(&mut self, ticket: Ticket, error: SubmitError) -> (i32, String) {
        let outputs = self.input(Input::Completed { ticket, result: Err(error) });
        only_error(self.read_answer(outputs))
    }

    pub(crate) fn reject(&mut self, ticket: Ticket, rejection: Rejection) -> (i32, String) {
        self.fail(ticket, SubmitError::Rejected(rejection))
    }

    /// Tells of an applied entry; what the client hears.
    pub(crate) fn events(&mut self, emitter: bool, events: Vec<Event>) -> Vec<ClientMessage> {
        let batch = EventBatch { index: 1, emitter, gap: false, events };
        self.input(Input::Events(Arc::new(batch))).into_iter().map(sent).collect()
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    fn read_answer<R: Message>(&self, outputs: Vec<Output>) -> R {
        let message = only(outputs);
        assert_eq!(message.correlation_id(), self.correlation());
        R::decode(&message).unwrap_or_else(|error| {
            let error_answer = ErrorResponse::decode(&message).map(only_error);
            panic!("{error}: {:?}", error_answer)
        })
    }
}

pub(crate) fn authentication_request() -> authentication::Request {
    authentication::Request {
        cluster_name: CLUSTER.to_owned(),
        uuid: Some(ProtocolUuid::from_u128(CLIENT.0)),
        client_type: "JVM".to_owned(),
        serialization_version: 1,
        client_hazelcast_version: "5.1".to_owned(),
        client_name: "hz.client_1".to_owned(),
        labels: vec!["blue".to_owned()],
        ..Default::default()
    }
}

/// The message of an output that is one.
pub(crate) fn sent(output: Output) -> ClientMessage {
    let Output::Send(message) = output else { panic!("no message: {output:?}") };
    parse(EncodedMessage::clone(&message))
}

/// The one message there is.
pub(crate) fn only(mut outputs: Vec<Output>) -> ClientMessage {
    assert_eq!(outputs.len(), 1, "{outputs:?}");
    sent(outputs.remove(0))
}

/// The one command there is.
pub(crate) fn submitted(mut outputs: Vec<Output>) -> (Ticket, Command) {
    assert_eq!(outputs.len(), 1, "{outputs:?}");
    let Output::Submit { ticket, command } = outputs.remove(0) else { panic!("no command") };
    (ticket, command)
}

/// The one query there is.
pub(crate) fn asked(mut outputs: Vec<Output>) -> (Ticket, Query) {
    assert_eq!(outputs.len(), 1, "{outputs:?}");
    let Output::Read { ticket, query } = outputs.remove(0) else { panic!("no query") };
    (ticket, query)
}

fn only_error(answer: ErrorResponse) -> (i32, String) {
    let [error] = &answer.errors[..] else { panic!("{answer:?}") };
    (error.error_code, error.message.clone().unwrap())
}
