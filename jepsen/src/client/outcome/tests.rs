//! The whole table, printed: a changed row shows in the difference.

use std::fmt::Write as _;

use super::*;

fn kind(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Ok { .. } => "ok",
        Outcome::Fail { .. } => "fail",
        Outcome::Info { .. } => "info",
        Outcome::Violation { .. } => "violation",
    }
}

fn row(failure: &Failure) -> String {
    let effects = [Effect::Read, Effect::Once, Effect::Repeated];
    effects.map(|effect| kind(&failure.outcome(effect))).join(" ")
}

#[test]
fn the_table_is_the_printed_one() {
    let text = String::new;
    let mut table = String::new();
    for code in ExceptionCode::ALL {
        let failure = Failure::Exception { code: *code, message: text() };
        writeln!(table, "{code:?}: {}", row(&failure)).unwrap();
    }
    for number in 100..=118 {
        let code = format!("SK0{number}");
        let failure = Failure::Problem { code: code.clone(), message: text() };
        writeln!(table, "{code}: {}", row(&failure)).unwrap();
    }
    for (java, python, _) in CLIENTS_OWN {
        let rows = [java, python].map(|class| row(&Failure::of_class(class, "")));
        assert_eq!(rows[0], rows[1], "{java}");
        writeln!(table, "{java}: {}", rows[0]).unwrap();
    }
    for failure in [
        Failure::NotSent(text()),
        Failure::TimedOut,
        Failure::ConnectionLost(text()),
        Failure::of_class("com.example.NobodyKnowsException", ""),
        Failure::OutsideProtocol(text()),
    ] {
        writeln!(table, "{}: {}", failure.to_string().trim_end_matches([':', ' ']), row(&failure))
            .unwrap();
    }
    assert!(table == include_str!("tests/table.txt"), "the table is now:\n{table}");
}

#[test]
fn drivers_name_every_exception_as_the_protocol_does() {
    for code in ExceptionCode::ALL {
        let failure = Failure::of_class(code.class_name(), "");
        assert_eq!(failure, Failure::Exception { code: *code, message: String::new() });
        assert_eq!(failure, Failure::of_number(code.number(), ""));
    }
    let number = Failure::of_number(101, "");
    assert!(matches!(number, Failure::OutsideProtocol(_)), "{number:?}");
}

#[test]
fn names_in_python_lead_to_the_same_rows() {
    for (class, code) in [
        ("IndeterminateOperationStateError", ExceptionCode::IndeterminateOperationState),
        ("OperationTimeoutError", ExceptionCode::OperationTimeout),
        ("TargetDisconnectedError", ExceptionCode::TargetDisconnected),
        ("IllegalMonitorStateError", ExceptionCode::IllegalMonitorState),
        ("LockOwnershipLostError", ExceptionCode::LockOwnershipLost),
        ("HazelcastInstanceNotActiveError", ExceptionCode::HazelcastInstanceNotActive),
        ("RetryableIOError", ExceptionCode::RetryableIo),
        ("HazelcastIOError", ExceptionCode::Io),
        ("CPGroupDestroyedError", ExceptionCode::CpGroupDestroyed),
        ("MaxMessageSizeExceededError", ExceptionCode::MaxMessageSizeExceeded),
        ("IllegalAccessError", ExceptionCode::IllegalAccessError),
        ("IllegalAccessException", ExceptionCode::IllegalAccessException),
        ("HazelcastSerializationError", ExceptionCode::HazelcastSerialization),
    ] {
        let expected = Failure::Exception { code, message: String::new() };
        assert_eq!(Failure::of_class(class, ""), expected, "{class}");
    }
}

#[test]
fn effects_are_those_of_the_calls() {
    for (object, f, effect) in [
        ("map", "get", Effect::Read),
        ("set", "read", Effect::Read),
        ("counter", "get", Effect::Read),
        ("lock", "get-fence", Effect::Read),
        ("map", "put", Effect::Once),
        ("map", "get-set", Effect::Once),
        ("counter", "add-get", Effect::Once),
        ("lock", "acquire", Effect::Repeated),
        ("lock", "release", Effect::Repeated),
        ("flake", "generate", Effect::Repeated),
        ("queue", "offer", Effect::Repeated),
    ] {
        assert_eq!(Effect::of(object, f), effect, "{object} {f}");
    }
}
