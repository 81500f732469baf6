//! Every problem with its code, as a snapshot.

use super::*;
use statekeeper_machine::SessionId;

/// One of every kind; a new variant makes `code` fail to compile, and its author comes here.
fn problems() -> Vec<Problem> {
    let rejections = [
        Rejection::NotLockOwner,
        Rejection::SessionUnknown { session: SessionId(7) },
        Rejection::WaitCancelled,
        Rejection::ObjectDestroyed { name: "a".into() },
        Rejection::LockedTooLong,
        Rejection::OutOfRange { what: "size".into(), min: 1, max: 100 },
        Rejection::LimitReached { limit: "limits.objects-max".into(), max: 10_000 },
        Rejection::StaleOrigin,
        Rejection::AlreadyFounded,
        Rejection::NotFounded,
        Rejection::NodeUnknown { node: NodeId(3) },
    ];
    let submit = [
        SubmitError::NotProposed,
        SubmitError::Overloaded { limit: "limits.state-bytes-max".into() },
        SubmitError::ShuttingDown,
        SubmitError::Unknown,
    ];
    let rule = || "one of the two voters left would answer and two must".to_owned();
    let mut all = vec![
        Problem::Invalid(vec![
            WrongField { field: "limit".into(), problem: "must be a whole number".into() },
            WrongField { field: "odd".into(), problem: "is not known; known are: limit".into() },
        ]),
        Problem::NoRoute,
        Problem::MethodNotAllowed { allow: "GET, PUT".into() },
        Problem::ForeignOrigin { header: "host" },
        Problem::NotFound { what: "map", name: "a".into() },
        Problem::VersionDiffers { expected: "the record's version is not 7".into() },
        Problem::TooLarge { limit: "limits.value-bytes-max", bytes_max: 33_554_432 },
        Problem::MediaType { expected: "a value as application/json or text/plain" },
        Problem::HeadersTooLarge { bytes_max: 16_384 },
        Problem::Busy { in_flight_max: 256 },
        Problem::Refused { rule: rule() },
        Problem::from(MembershipError::Refused { rule: rule() }),
        Problem::from(MembershipError::Submit(SubmitError::Unknown)),
        Problem::TimedOut { wrote: true, seconds: 30 },
        Problem::TimedOut { wrote: false, seconds: 30 },
        Problem::SourceFailed { what: "the seeds", why: "permission denied".into() },
        Problem::UnexpectedAnswer { question: "maps" },
    ];
    all.extend(rejections.map(|rejection| Problem::Submit(rejection.into())));
    all.extend(submit.map(Problem::Submit));
    all
}

#[test]
fn every_problem_has_its_status_code_and_words() {
    let circumstances = Circumstances { instance: "/v1/maps/a", leader: Some(NodeId(2)) };
    let mut text = String::new();
    for problem in problems() {
        let after = problem.retry_after_s();
        text += &format!("{problem:?}, retry after {after:?}\n");
        text += &serde_json::to_string_pretty(&problem.body(&circumstances)).expect("is JSON");
        text += "\n\n";
    }
    insta::assert_snapshot!(text);
}

#[test]
fn every_code_is_used_and_has_a_page_of_its_own() {
    let used: Vec<ProblemCode> = problems().iter().map(Problem::code).collect();
    let mut codes: Vec<&str> = Vec::new();
    for code in ProblemCode::ALL {
        assert!(used.contains(&code), "{code:?} has no problem");
        assert!(code.page().starts_with(&format!("# {}\n", code.as_str())), "{code:?}");
        assert_eq!(ProblemCode::of(code.as_str()), Some(code));
        codes.push(code.as_str());
    }
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), ProblemCode::ALL.len(), "no code stands for two");
    assert_eq!(ProblemCode::of("SK9999"), None);
}

#[test]
fn only_an_unknown_outcome_may_have_happened() {
    let circumstances = Circumstances { instance: "/", leader: None };
    for problem in problems() {
        let unknown = problem.body(&circumstances).get("outcome").is_some();
        let may_have_happened = matches!(
            problem,
            Problem::TimedOut { wrote: true, .. }
                | Problem::Submit(
                    SubmitError::Unknown | SubmitError::Rejected(Rejection::StaleOrigin)
                )
        );
        assert_eq!(unknown, may_have_happened, "{problem:?}");
    }
}
