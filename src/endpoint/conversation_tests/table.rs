//! The whole message table: every request is handled, and everything else is refused.

use std::collections::BTreeSet;
use std::fmt::Write;

use statekeeper_protocol::messages::error::ErrorResponse;
use statekeeper_protocol::{ClientMessage, MessageType, messages};

use super::examples::{self, Example, Reply};
use super::talk::{Talk, only, sent};
use super::{in_words, parse};
use crate::{Input, Output};

#[test]
fn every_request_of_the_table_has_an_example() {
    let examples: BTreeSet<MessageType> =
        examples::all().iter().map(|example| example.request.message_type()).collect();
    let table: BTreeSet<MessageType> =
        messages::table().map(|descriptor| descriptor.message_type).collect();
    assert_eq!(examples, table);
}

// covers: CPSession.closeSession CPSession.generateThreadId
#[test]
fn every_request_becomes_what_the_snapshot_says() {
    let mut lines = String::new();
    for example in examples::all() {
        describe(example, &mut lines);
    }
    insta::assert_snapshot!(lines);
}

fn describe(example: Example, lines: &mut String) {
    let mut talk = Talk::new();
    writeln!(lines, "{}", in_words(&example.request)).unwrap();
    let mut outputs = talk.message(example.request);
    for reply in example.replies {
        let Some(output) = outputs.pop() else { panic!("no output:\n{lines}") };
        let input = match (output, reply) {
            (Output::Submit { ticket, command }, Reply::Outcome(outcome)) => {
                writeln!(lines, "  submit {command:?}\n  {outcome:?}").unwrap();
                Input::Completed { ticket, result: Ok(outcome) }
            }
            (Output::Read { ticket, query }, Reply::Answer(answer)) => {
                writeln!(lines, "  read {query:?}\n  {answer:?}").unwrap();
                Input::Answered { ticket, result: Ok(answer) }
            }
            (output, _) => panic!("{output:?} was not expected:\n{lines}"),
        };
        outputs = talk.input(input);
    }
    for output in outputs {
        let message = sent(output);
        assert_eq!(message.correlation_id().0, 77);
        writeln!(lines, "  -> {}", in_words(&message)).unwrap();
    }
}

// covers: Refused
// checks: R-2
#[test]
fn everything_published_is_dispatched_or_refused_as_unsupported() {
    let table: BTreeSet<MessageType> =
        messages::table().map(|descriptor| descriptor.message_type).collect();
    let loads = [MessageType(0x01_2000), MessageType(0x01_2100)];
    let mut refused = 0;
    for (message_type, name) in MessageType::published() {
        let mut talk = Talk::new();
        let outputs = talk.message(header_of(message_type));
        let is_event = |output: &Output| match output {
            Output::Send(message) => parse(message.clone()).is_event(),
            _ => false,
        };
        let mut outputs: Vec<Output> =
            outputs.into_iter().filter(|output| !is_event(output)).collect();
        let Some(output) = outputs.pop() else { panic!("{name}: no answer and no step") };
        assert!(outputs.is_empty(), "{name}: {outputs:?}");
        let answer = match output {
            Output::Send(message) => ErrorResponse::decode(&parse(message)).ok(),
            _ => None,
        };
        let error = answer.as_ref().map(|answer| &answer.errors[0]);
        let code = error.map(|error| error.error_code);
        if table.contains(&message_type) {
            assert_ne!(code, Some(61), "{name} is in the table");
        } else if loads.contains(&message_type) {
            assert_eq!(code, Some(23), "{name}");
        } else {
            refused += 1;
            let error = error.unwrap();
            assert_eq!(error.error_code, 61, "{name}");
            let text = format!("{name} is not supported by this server");
            assert_eq!(error.message.as_deref(), Some(&*text));
        }
    }
    assert!(refused > 300, "{refused}");
}

#[test]
fn numbers_nobody_published_are_refused_without_closing() {
    let mut talk = Talk::new();
    for number in [0x00_ff00, 0x7f_0000, 0xff_ff00, 0x01_0101, 0x01_1902, 0] {
        let outputs = talk.message(header_of(MessageType(number)));
        let answer = ErrorResponse::decode(&only(outputs)).unwrap();
        assert_eq!(answer.errors[0].error_code, 61);
        let text = format!("message {number:06x} is not supported by this server");
        assert_eq!(answer.errors[0].message.as_deref(), Some(&*text));
    }
}

/// A request without any parameter.
fn header_of(message_type: MessageType) -> ClientMessage {
    let mut bytes = vec![22, 0, 0, 0, 0x00, 0xe0];
    bytes.extend_from_slice(&message_type.0.to_le_bytes());
    bytes.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    ClientMessage::parse(bytes.into()).unwrap()
}
