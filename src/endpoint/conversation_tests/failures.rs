//! What bounds a conversation, and what is said when it goes wrong.

use statekeeper_machine::{Answer, Outcome};
use statekeeper_protocol::ClientMessage;
use statekeeper_protocol::messages::error::ErrorResponse;
use statekeeper_protocol::messages::{client, fenced_lock, map};

use super::examples::group;
use super::talk::{Talk, only};
use super::{settings, text};
use crate::{Input, Ticket};

fn get() -> map::get::Request {
    map::get::Request { name: "m".to_owned(), key: text("k"), thread_id: 1 }
}

fn lock(thread_id: i64) -> fenced_lock::lock::Request {
    fenced_lock::lock::Request {
        group_id: group(),
        name: "l".to_owned(),
        session_id: 1,
        thread_id,
        ..Default::default()
    }
}

fn unlock() -> fenced_lock::unlock::Request {
    fenced_lock::unlock::Request { group_id: group(), name: "l".to_owned(), ..Default::default() }
}

fn narrow() -> Talk {
    let mut limited = settings();
    limited.limits.in_flight_max = 2;
    Talk::with(limited)
}

#[test]
fn more_requests_than_the_limit_are_told_to_come_again() {
    let mut talk = narrow();
    let (first, _) = talk.query(&get());
    talk.query(&get());
    let (code, message) = talk.refusal(&get());
    assert_eq!(code, 46);
    assert!(message.contains("limits.client-in-flight-max of 2"), "{message}");
    let _: client::ping::Response = talk.answer(&client::ping::Request {});
    talk.input(Input::Answered { ticket: first, result: Ok(Answer::Value(None)) });
    talk.query(&get());
    assert_eq!(talk.endpoint.summary().in_flight, 2);
}

#[test]
fn threads_that_wait_for_a_lock_do_not_stop_its_release() {
    let mut talk = narrow();
    talk.submit(&lock(1));
    talk.submit(&lock(2));
    assert_eq!(talk.refusal(&lock(3)).0, 46, "waits have a bound too");
    let (ticket, _) = talk.submit(&unlock());
    let released: fenced_lock::unlock::Response = talk.complete(ticket, Outcome::Flag(false));
    assert!(!released.response);
}

#[test]
fn a_request_under_way_is_not_stopped_by_the_limit() {
    let mut talk = narrow();
    let create = client::create_proxy::Request {
        name: "m".to_owned(),
        service_name: "hz:impl:mapService".to_owned(),
    };
    let (first, _) = talk.query(&create);
    talk.query(&get());
    let outputs = talk.input(Input::Answered { ticket: first, result: Ok(Answer::Flag(false)) });
    super::talk::submitted(outputs);
}

#[test]
fn an_answer_that_fits_no_question_is_an_error_and_not_the_end() {
    let mut talk = Talk::new();
    let (ticket, _) = talk.query(&get());
    let outputs = talk.input(Input::Answered { ticket, result: Ok(Answer::Count(3)) });
    let answer = ErrorResponse::decode(&only(outputs)).unwrap();
    assert_eq!(answer.errors[0].error_code, 18);
    let (ticket, _) = talk.query(&get());
    let outputs = talk.input(Input::Completed { ticket, result: Ok(Outcome::Done) });
    let answer = ErrorResponse::decode(&only(outputs)).unwrap();
    assert_eq!(answer.errors[0].error_code, 18);
}

#[test]
fn a_second_answer_is_not_sent() {
    let mut talk = Talk::new();
    let (ticket, _) = talk.query(&get());
    let input = || Input::Answered { ticket, result: Ok(Answer::Value(None)) };
    assert_eq!(talk.input(input()).len(), 1);
    assert!(talk.input(input()).is_empty());
    let result = Ok(Outcome::Done);
    assert!(talk.input(Input::Completed { ticket: Ticket(999), result }).is_empty());
}

#[test]
fn a_correlation_id_may_come_twice() {
    let mut talk = Talk::new();
    let request = talk.next_request(&get());
    let (first, _) = super::talk::asked(talk.message(request.clone()));
    let (second, _) = super::talk::asked(talk.message(request));
    assert_ne!(first, second);
    for ticket in [second, first] {
        let _: map::get::Response = talk.inform(ticket, Answer::Value(None));
    }
}

#[test]
fn a_message_that_cannot_be_read_is_an_error_after_and_the_end_before_authentication() {
    // Map.get without any parameter.
    let header = |number: u32| {
        let mut bytes = vec![22, 0, 0, 0, 0x00, 0xe0];
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        ClientMessage::parse(bytes.into()).unwrap()
    };
    let mut talk = Talk::new();
    let answer = ErrorResponse::decode(&only(talk.message(header(0x01_0200)))).unwrap();
    assert_eq!(answer.errors[0].error_code, 21);
    let text = answer.errors[0].message.as_deref().unwrap();
    assert!(text.contains("Map.get"), "{text}");
    let mut stranger = Talk::stranger(settings());
    let outputs = stranger.message(header(0x00_0100));
    assert!(
        matches!(&outputs[..], [crate::Output::Close(crate::CloseReason::Decode(_))]),
        "{outputs:?}"
    );
}

#[test]
fn an_unsupported_call_is_logged_once_and_refused_always() {
    let mut talk = Talk::new();
    let mut bytes = vec![22, 0, 0, 0, 0x00, 0xe0];
    bytes.extend_from_slice(&0x01_2e00_u32.to_le_bytes());
    bytes.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    let request = ClientMessage::parse(bytes.into()).unwrap();
    let log = LogLines::default();
    tracing::subscriber::with_default(log.clone(), || {
        for _ in 0..3 {
            let answer = ErrorResponse::decode(&only(talk.message(request.clone()))).unwrap();
            assert_eq!(answer.errors[0].error_code, 61);
        }
    });
    let lines = log.0.lock().unwrap().clone();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in ["Map.executeOnKey", "JVM", "5.1"] {
        assert!(lines[0].contains(part), "{part} is not in {}", lines[0]);
    }
}

/// Keeps every line that is logged.
#[derive(Clone, Default)]
#[allow(clippy::disallowed_types, reason = "what subscribes to a log is shared by contract")]
struct LogLines(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

impl tracing::Subscriber for LogLines {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Fields(String);
        impl tracing::field::Visit for Fields {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                use std::fmt::Write;
                let _ = write!(self.0, "{field}={value:?} ");
            }
        }
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
