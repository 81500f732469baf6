//! The whole table of exceptions, and the one rule that must hold in it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fmt::Write;

use statekeeper_machine::{Name, NodeId, SessionId};
use statekeeper_protocol::ClientMessage;

use super::*;

/// One of each. The matches above are complete; this list is held complete by `position`.
fn rejections() -> Vec<Rejection> {
    vec![
        Rejection::NotLockOwner,
        Rejection::SessionUnknown { session: SessionId(7) },
        Rejection::WaitCancelled,
        Rejection::ObjectDestroyed { name: Name::from("lock") },
        Rejection::LockedTooLong,
        Rejection::OutOfRange { what: Name::from("batch size"), min: 1, max: 100_000 },
        Rejection::LimitReached { limit: Name::from("limits.objects-max"), max: 10_000 },
        Rejection::StaleOrigin,
        Rejection::AlreadyFounded,
        Rejection::NotFounded,
        Rejection::NodeUnknown { node: NodeId(3) },
    ]
}

/// Where a rejection stands in the list: a new one does not compile until it is there.
fn position(rejection: &Rejection) -> usize {
    match rejection {
        Rejection::NotLockOwner => 0,
        Rejection::SessionUnknown { .. } => 1,
        Rejection::WaitCancelled => 2,
        Rejection::ObjectDestroyed { .. } => 3,
        Rejection::LockedTooLong => 4,
        Rejection::OutOfRange { .. } => 5,
        Rejection::LimitReached { .. } => 6,
        Rejection::StaleOrigin => 7,
        Rejection::AlreadyFounded => 8,
        Rejection::NotFounded => 9,
        Rejection::NodeUnknown { .. } => 10,
    }
}

fn submit_errors() -> Vec<SubmitError> {
    let others = [
        SubmitError::NotProposed,
        SubmitError::Overloaded { limit: Name::from("limits.state-bytes-max") },
        SubmitError::ShuttingDown,
        SubmitError::Unknown,
    ];
    rejections().into_iter().map(SubmitError::Rejected).chain(others).collect()
}

fn own_failures() -> Vec<Failure> {
    let (limit, max) = (limits::VALUE_BYTES_KEY, 1024);
    vec![
        Failure::NullArgument { argument: "key" },
        Failure::TooLarge { what: "value", bytes: 2048, limit, max },
        Failure::InFlight { max },
        Failure::Listeners { max },
        Failure::BatchSize { size: 0 },
        Failure::GroupName(GroupNameError::Empty),
        Failure::GroupName(GroupNameError::Repeated),
        Failure::GroupName(GroupNameError::Metadata),
        Failure::NoMapStore,
        Failure::unsupported("Map.executeOnKey"),
        Failure::Unreadable(DecodeError::NotOneMessage),
        Failure::UnexpectedAnswer { expected: "a flag" },
    ]
}

#[test]
fn every_failure_has_the_exception_that_the_snapshot_shows() {
    let mut table = String::new();
    let mut row = |when: String, failure: &Failure| {
        let code = failure.code();
        let answer = ClientMessage::parse(failure.encode(CorrelationId(1)).into_contiguous());
        let answer = ErrorResponse::decode(&answer.unwrap()).unwrap();
        let text = answer.errors[0].message.clone().unwrap();
        writeln!(table, "{when}\n  {} {}\n  {text}", code.number(), code.class_name()).unwrap();
    };
    for (index, rejection) in rejections().iter().enumerate() {
        assert_eq!(position(rejection), index);
    }
    for source in submit_errors() {
        let [once, again] = [false, true]
            .map(|repeats_safely| Failure::Submit { source: source.clone(), repeats_safely });
        if once.code() == again.code() {
            row(format!("{source:?}"), &once);
        } else {
            row(format!("{source:?}, a call that must happen once"), &once);
            row(format!("{source:?}, a call that can be repeated"), &again);
        }
    }
    for failure in own_failures() {
        row(format!("{failure:?}"), &failure);
    }
    insta::assert_snapshot!(table);
}

#[test]
fn what_may_have_happened_is_never_given_a_code_that_clients_retry() {
    // spec: client-protocol 3
    let retried = [8, 15, 19, 22, 33, 36, 39, 46, 47, 50, 53, 82, 90];
    for source in [SubmitError::Unknown, SubmitError::Rejected(Rejection::StaleOrigin)] {
        let failure = Failure::Submit { source, repeats_safely: false };
        assert!(!retried.contains(&failure.code().number()), "{failure:?}");
    }
}
