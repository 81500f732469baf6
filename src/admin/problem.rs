//! The one mapping from what can go wrong to `application/problem+json` (RFC 9457).
//!
//! Every problem says what did not happen and why; only `OutcomeUnknown` may have happened.

use serde_json::{Map, Value, json};
use statekeeper_machine::{NodeId, Rejection, SubmitError};

use super::problem_code::ProblemCode;
use crate::consensus::MembershipError;

/// Why a request has no answer of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    /// Fields of the request that cannot be as they are: all of them.
    #[error("{}", listed(.0))]
    Invalid(Vec<WrongField>),
    /// No route has this path.
    #[error("no route has this path; GET /v1/openapi.json lists them")]
    NoRoute,
    /// The path has other methods.
    #[error("this path knows {allow}")]
    MethodNotAllowed {
        /// The methods it has, with commas.
        allow: String,
    },
    /// A browser sent it for a page of another host.
    #[error("the header {header} names another host than this node's address or localhost")]
    ForeignOrigin {
        /// Which header told so.
        header: &'static str,
    },
    /// A thing is not there.
    #[error("{what} {name:?} does not exist")]
    NotFound {
        /// Its kind.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A precondition on the record does not hold.
    #[error("{expected}")]
    VersionDiffers {
        /// What was expected, and is not so.
        expected: String,
    },
    /// A limit on sizes.
    #[error("more than {bytes_max} bytes ({limit})")]
    TooLarge {
        /// The configuration key, or what the limit is on.
        limit: &'static str,
        /// Its value.
        bytes_max: u64,
    },
    /// The body is of another kind.
    #[error("send {expected}")]
    MediaType {
        /// What is understood.
        expected: &'static str,
    },
    /// Headers over the limit.
    #[error("names and values of all headers have more than {bytes_max} bytes")]
    HeadersTooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// Requests over the limit.
    #[error("{in_flight_max} requests are in work")]
    Busy {
        /// The limit.
        in_flight_max: u64,
    },
    /// A rule of safety.
    #[error("{rule}")]
    Refused {
        /// The rule, with what would make it right.
        rule: String,
    },
    /// Raft or the state said so.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// Nothing came back in time.
    #[error("no answer within {} s", .seconds)]
    TimedOut {
        /// It was a write: it may have happened.
        wrote: bool,
        /// After how long.
        seconds: u64,
    },
    /// Something of this node could not be read.
    #[error("{what}: {why}")]
    SourceFailed {
        /// What.
        what: &'static str,
        /// What it said.
        why: String,
    },
    /// The state answered another question: a mistake of ours.
    #[error("the state answered another question than {question}")]
    UnexpectedAnswer {
        /// What was asked.
        question: &'static str,
    },
}

/// A field of a request and what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrongField {
    /// Where: a name in path, query, header or body.
    pub(super) field: String,
    /// What is wrong.
    pub(super) problem: String,
}

/// What a problem says besides its own fields.
#[derive(Clone, Debug)]
pub(super) struct Circumstances<'a> {
    /// The path that was asked.
    pub(super) instance: &'a str,
    /// Who leads, as far as this node knows.
    pub(super) leader: Option<NodeId>,
}

impl Problem {
    /// One wrong field.
    pub(super) fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid(vec![WrongField { field: field.into(), problem: problem.into() }])
    }

    /// The kind, and with it code, status and title.
    pub(super) fn code(&self) -> ProblemCode {
        match self {
            Self::Invalid(_) => ProblemCode::Invalid,
            Self::NoRoute => ProblemCode::NoRoute,
            Self::MethodNotAllowed { .. } => ProblemCode::MethodNotAllowed,
            Self::ForeignOrigin { .. } => ProblemCode::ForeignOrigin,
            Self::NotFound { .. } => ProblemCode::NotFound,
            Self::VersionDiffers { .. } => ProblemCode::VersionDiffers,
            Self::TooLarge { .. } => ProblemCode::TooLarge,
            Self::MediaType { .. } => ProblemCode::MediaType,
            Self::HeadersTooLarge { .. } => ProblemCode::HeadersTooLarge,
            Self::Busy { .. } => ProblemCode::Busy,
            Self::Refused { .. } => ProblemCode::Refused,
            Self::Submit(error) => submit_code(error),
            Self::TimedOut { wrote: true, .. } => ProblemCode::OutcomeUnknown,
            Self::TimedOut { wrote: false, .. } => ProblemCode::NoQuorum,
            Self::SourceFailed { .. } | Self::UnexpectedAnswer { .. } => ProblemCode::Failed,
        }
    }

    /// The body of the answer.
    pub(super) fn body(&self, circumstances: &Circumstances<'_>) -> Value {
        let code = self.code();
        let mut body = Map::new();
        let mut say = |name: &str, value: Value| body.insert(name.to_owned(), value);
        say("type", format!("/v1/errors/{}", code.as_str()).into());
        say("title", code.title().into());
        say("status", code.status().into());
        say("detail", self.to_string().into());
        say("instance", circumstances.instance.into());
        say("code", code.as_str().into());
        if code == ProblemCode::OutcomeUnknown {
            say("outcome", "unknown".into());
        }
        if code == ProblemCode::NoQuorum {
            say("leader", circumstances.leader.map(|node| node.to_string()).into());
        }
        if code == ProblemCode::Refused {
            say("rule", self.to_string().into());
        }
        if let Some((limit, value)) = self.limit() {
            say("limit", limit.into());
            say("limit_value", value.into());
        }
        if let Self::Invalid(fields) = self {
            let row =
                |wrong: &WrongField| json!({ "field": wrong.field, "problem": wrong.problem });
            say("errors", fields.iter().map(row).collect());
        }
        Value::Object(body)
    }

    /// Seconds after which asking again makes sense.
    pub(super) fn retry_after_s(&self) -> Option<u32> {
        match self.code() {
            ProblemCode::Busy | ProblemCode::NoQuorum | ProblemCode::NotFounded => Some(1),
            ProblemCode::Pressure => Some(10),
            ProblemCode::Invalid
            | ProblemCode::NoRoute
            | ProblemCode::MethodNotAllowed
            | ProblemCode::ForeignOrigin
            | ProblemCode::NotFound
            | ProblemCode::VersionDiffers
            | ProblemCode::TooLarge
            | ProblemCode::MediaType
            | ProblemCode::HeadersTooLarge
            | ProblemCode::Refused
            | ProblemCode::LimitReached
            | ProblemCode::ShuttingDown
            | ProblemCode::OutcomeUnknown
            | ProblemCode::Failed => None,
        }
    }

    fn limit(&self) -> Option<(String, Option<u64>)> {
        match self {
            Self::TooLarge { limit, bytes_max } => Some(((*limit).to_owned(), Some(*bytes_max))),
            Self::HeadersTooLarge { bytes_max } => Some(("headers".to_owned(), Some(*bytes_max))),
            Self::Busy { in_flight_max } => Some(("requests".to_owned(), Some(*in_flight_max))),
            Self::Submit(SubmitError::Rejected(Rejection::LimitReached { limit, max })) => {
                Some((limit.to_string(), Some(*max)))
            }
            Self::Submit(SubmitError::Overloaded { limit }) => Some((limit.to_string(), None)),
            Self::Invalid(_)
            | Self::NoRoute
            | Self::MethodNotAllowed { .. }
            | Self::ForeignOrigin { .. }
            | Self::NotFound { .. }
            | Self::VersionDiffers { .. }
            | Self::MediaType { .. }
            | Self::Refused { .. }
            | Self::Submit(
                SubmitError::Rejected(_)
                | SubmitError::NotProposed
                | SubmitError::ShuttingDown
                | SubmitError::Unknown,
            )
            | Self::TimedOut { .. }
            | Self::SourceFailed { .. }
            | Self::UnexpectedAnswer { .. } => None,
        }
    }
}

impl From<MembershipError> for Problem {
    fn from(error: MembershipError) -> Self {
        match error {
            MembershipError::Refused { rule } => Self::Refused { rule },
            MembershipError::Submit(error) => Self::Submit(error),
        }
    }
}

fn submit_code(error: &SubmitError) -> ProblemCode {
    match error {
        SubmitError::Rejected(rejection) => rejection_code(rejection),
        SubmitError::NotProposed => ProblemCode::NoQuorum,
        SubmitError::Overloaded { .. } => ProblemCode::Pressure,
        SubmitError::ShuttingDown => ProblemCode::ShuttingDown,
        SubmitError::Unknown => ProblemCode::OutcomeUnknown,
    }
}

fn rejection_code(rejection: &Rejection) -> ProblemCode {
    match rejection {
        Rejection::NotLockOwner
        | Rejection::WaitCancelled
        | Rejection::LockedTooLong
        | Rejection::AlreadyFounded => ProblemCode::Refused,
        Rejection::SessionUnknown { .. }
        | Rejection::ObjectDestroyed { .. }
        | Rejection::NodeUnknown { .. } => ProblemCode::NotFound,
        Rejection::OutOfRange { .. } => ProblemCode::Invalid,
        Rejection::LimitReached { .. } => ProblemCode::LimitReached,
        // It was applied once, and what it was answered is forgotten.
        Rejection::StaleOrigin => ProblemCode::OutcomeUnknown,
        Rejection::NotFounded => ProblemCode::NotFounded,
    }
}

fn listed(fields: &[WrongField]) -> String {
    let rows: Vec<String> =
        fields.iter().map(|wrong| format!("{}: {}", wrong.field, wrong.problem)).collect();
    rows.join("; ")
}

#[cfg(test)]
mod tests;
