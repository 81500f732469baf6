//! Which calls may be told to try again when nobody knows whether they happened.

use std::fmt::Write;

use statekeeper_machine::SubmitError;
use statekeeper_protocol::MessageType;
use statekeeper_protocol::messages::error::ErrorResponse;

use super::examples::{self, Reply};
use super::talk::{Talk, only};
use crate::{Input, Output};

/// The code of an unknown outcome, of each step of each call of the table.
#[test]
fn an_unknown_outcome_is_retried_only_where_that_is_harmless() {
    let mut table = String::new();
    for example in examples::all() {
        for step in 0..example.replies.len() {
            let mut talk = Talk::new();
            let mut outputs = talk.message(example.request.clone());
            for reply in &example.replies[..step] {
                outputs = talk.input(reply_to(outputs, reply));
            }
            let (kind, input) = match outputs.remove(0) {
                Output::Submit { ticket, .. } => {
                    ("command", Input::Completed { ticket, result: Err(SubmitError::Unknown) })
                }
                Output::Read { ticket, .. } => {
                    ("query", Input::Answered { ticket, result: Err(SubmitError::Unknown) })
                }
                other => panic!("{other:?}"),
            };
            let answer = ErrorResponse::decode(&only(talk.input(input))).unwrap();
            let name = name_of(example.request.message_type());
            writeln!(table, "{} {name} ({kind})", answer.errors[0].error_code).unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn what_surely_did_not_happen_is_retried_whatever_it_was() {
    for example in examples::all() {
        for (error, code) in [
            (SubmitError::NotProposed, 46),
            (SubmitError::Overloaded { limit: "limits.state-bytes-max".into() }, 46),
            (SubmitError::ShuttingDown, 19),
        ] {
            let mut talk = Talk::new();
            let Some(output) = talk.message(example.request.clone()).pop() else { continue };
            let input = match output {
                Output::Submit { ticket, .. } => Input::Completed { ticket, result: Err(error) },
                Output::Read { ticket, .. } => Input::Answered { ticket, result: Err(error) },
                _ => continue,
            };
            let answer = ErrorResponse::decode(&only(talk.input(input))).unwrap();
            assert_eq!(answer.errors[0].error_code, code);
        }
    }
}

fn reply_to(mut outputs: Vec<Output>, reply: &Reply) -> Input {
    match (outputs.remove(0), reply) {
        (Output::Submit { ticket, .. }, Reply::Outcome(outcome)) => {
            Input::Completed { ticket, result: Ok(outcome.clone()) }
        }
        (Output::Read { ticket, .. }, Reply::Answer(answer)) => {
            Input::Answered { ticket, result: Ok(answer.clone()) }
        }
        (output, _) => panic!("{output:?}"),
    }
}

fn name_of(message_type: MessageType) -> &'static str {
    message_type.name().unwrap_or("unknown")
}
