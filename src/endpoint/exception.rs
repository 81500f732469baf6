//! The one mapping from inner errors to protocol exceptions.
//!
//! Invariant: a code that clients retry by themselves (46, 19) is given only where nothing
//! happened, or where doing it again does no harm. Nowhere else is an `ExceptionCode` chosen.

use statekeeper_machine::{Rejection, SubmitError};
use statekeeper_protocol::messages::error::ErrorResponse;
use statekeeper_protocol::{CorrelationId, DecodeError, EncodedMessage, ExceptionCode, FieldError};
use thiserror::Error;

use crate::limits;

/// Why a request is answered by an exception.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The cluster did not do it, or may not have.
    #[error("{source}")]
    Submit {
        /// What became of it.
        source: SubmitError,
        /// It carries an identity of its own or can be done twice without harm.
        repeats_safely: bool,
    },
    /// Null where there is no null.
    #[error("null {argument} is not allowed")]
    NullArgument {
        /// Which argument.
        argument: &'static str,
    },
    /// Larger than a setting allows.
    #[error("{what} of {bytes} bytes is larger than {limit} allows ({max} bytes)")]
    TooLarge {
        /// Key, value, name or request.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The configuration key.
        limit: &'static str,
        /// Its value.
        max: usize,
    },
    /// Too many requests without an answer.
    #[error("{} of {max} requests without an answer reached", limits::IN_FLIGHT_KEY)]
    InFlight {
        /// The setting.
        max: usize,
    },
    /// Too many listeners.
    #[error("{} of {max} listeners reached", limits::LISTENERS_KEY)]
    Listeners {
        /// The setting.
        max: usize,
    },
    /// An id batch of an impossible size.
    #[error("batch size must be between 1 and {}, not {size}", limits::ID_BATCH_MAX)]
    BatchSize {
        /// What was asked for.
        size: i32,
    },
    /// A proxy name that names no CP group.
    #[error("{0}")]
    GroupName(GroupNameError),
    /// `Map.loadAll`: there are no map stores here.
    #[error("First you should configure a map store")]
    NoMapStore,
    /// What this server does not do.
    #[error("{what} is not supported by this server")]
    Unsupported {
        /// The call, as the protocol names it.
        what: String,
    },
    /// A message of this type that lacks a parameter, or has one of another form.
    #[error("{0}")]
    Unreadable(DecodeError),
    /// The cluster answered something that is no answer to the question: a mistake of this server.
    #[error("the cluster gave an unexpected answer where {expected} was expected")]
    UnexpectedAnswer {
        /// What should have come.
        expected: &'static str,
    },
}

/// What is wrong with the group in `object@group`. Texts are those of real members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum GroupNameError {
    /// Nothing behind the `@`.
    #[error("Custom CP group name cannot be empty string")]
    Empty,
    /// More than one `@`.
    #[error("Custom group name must be specified at most once")]
    Repeated,
    /// The group real members keep for themselves.
    #[error("CP data structures cannot run on the METADATA CP group!")]
    Metadata,
}

impl Failure {
    /// A refusal of this server, as the protocol names it.
    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }

    /// The exception of this failure. spec: client-protocol 3
    pub(crate) fn code(&self) -> ExceptionCode {
        match self {
            Self::Submit { source, repeats_safely } => code_of_submit(source, *repeats_safely),
            Self::NullArgument { .. } => ExceptionCode::NullPointer,
            Self::TooLarge { .. } => ExceptionCode::MaxMessageSizeExceeded,
            // Nothing was proposed, and answers to other requests make room.
            Self::InFlight { .. } => ExceptionCode::RetryableHazelcast,
            // Trying again would not help: the client's own listeners are in the way.
            Self::Listeners { .. } | Self::UnexpectedAnswer { .. } => ExceptionCode::Hazelcast,
            Self::BatchSize { .. } | Self::NoMapStore | Self::GroupName(_) => {
                ExceptionCode::IllegalArgument
            }
            Self::Unsupported { .. } => ExceptionCode::UnsupportedOperation,
            Self::Unreadable(DecodeError::Field { source: FieldError::UnexpectedNull, .. }) => {
                ExceptionCode::NullPointer
            }
            Self::Unreadable(_) => ExceptionCode::HazelcastSerialization,
        }
    }

    /// The answer to the request with this id.
    pub(crate) fn encode(&self, correlation: CorrelationId) -> EncodedMessage {
        ErrorResponse::new(self.code(), self.text()).encode(correlation)
    }

    /// What users read. Some clients compare these texts, so they are those of real members.
    fn text(&self) -> String {
        match self {
            Self::Submit { source: SubmitError::Rejected(Rejection::NotLockOwner), .. } => {
                "Current thread is not owner of the lock!".to_owned()
            }
            Self::Submit {
                source: SubmitError::Rejected(Rejection::ObjectDestroyed { name }),
                ..
            } => format!("Resource[{name}] is already destroyed!"),
            other => other.to_string(),
        }
    }
}

fn code_of_submit(error: &SubmitError, repeats_safely: bool) -> ExceptionCode {
    match error {
        SubmitError::Rejected(rejection) => code_of_rejection(rejection, repeats_safely),
        SubmitError::NotProposed | SubmitError::Overloaded { .. } => {
            ExceptionCode::RetryableHazelcast
        }
        SubmitError::ShuttingDown => ExceptionCode::HazelcastInstanceNotActive,
        SubmitError::Unknown => code_of_unknown(repeats_safely),
    }
}

fn code_of_rejection(rejection: &Rejection, repeats_safely: bool) -> ExceptionCode {
    match rejection {
        Rejection::NotLockOwner => ExceptionCode::IllegalMonitorState,
        Rejection::SessionUnknown { .. } => ExceptionCode::SessionExpired,
        Rejection::WaitCancelled => ExceptionCode::WaitKeyCancelled,
        Rejection::ObjectDestroyed { .. } => ExceptionCode::DistributedObjectDestroyed,
        Rejection::LockedTooLong => ExceptionCode::OperationTimeout,
        Rejection::OutOfRange { .. } | Rejection::NodeUnknown { .. } => {
            ExceptionCode::IllegalArgument
        }
        Rejection::LimitReached { .. } => ExceptionCode::Hazelcast,
        // It was answered before, but the answer is lost: the same as not to know.
        Rejection::StaleOrigin => code_of_unknown(repeats_safely),
        Rejection::AlreadyFounded => ExceptionCode::IllegalState,
        Rejection::NotFounded => ExceptionCode::RetryableHazelcast,
    }
}

/// A code that is retried would do the call twice, unless that is harmless.
/// spec: client-protocol 8
fn code_of_unknown(repeats_safely: bool) -> ExceptionCode {
    if repeats_safely {
        ExceptionCode::RetryableHazelcast
    } else {
        ExceptionCode::IndeterminateOperationState
    }
}

#[cfg(test)]
mod tests;
