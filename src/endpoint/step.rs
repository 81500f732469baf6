//! `Step`: what a request needs next, and what follows.

use statekeeper_machine::{Answer, Command, Outcome, Query};
use statekeeper_protocol::EncodedMessage;

use crate::call::Call;
use crate::exception::Failure;

/// What a request, or the answer to one of its steps, leads to.
pub(crate) type Handled = Result<Step, Failure>;

/// What follows the answer of the cluster. Most capture nothing, and a box of nothing takes no
/// memory.
pub(crate) type Then<T> = Box<dyn FnOnce(T, &mut Call<'_>) -> Handled + Send + Sync>;

/// What a request needs next.
pub(crate) enum Step {
    /// Nothing more: this is the answer.
    Answer(EncodedMessage),
    /// A command.
    Submit {
        /// What to apply.
        command: Command,
        /// What follows.
        then: Then<Outcome>,
    },
    /// A query.
    Read {
        /// What to ask.
        query: Query,
        /// What follows.
        then: Then<Answer>,
    },
}

impl Step {
    /// Applies a command, then goes on.
    pub(crate) fn submit(
        command: Command,
        then: impl FnOnce(Outcome, &mut Call<'_>) -> Handled + Send + Sync + 'static,
    ) -> Handled {
        Ok(Self::Submit { command, then: Box::new(then) })
    }

    /// Asks a query, then goes on.
    pub(crate) fn read(
        query: Query,
        then: impl FnOnce(Answer, &mut Call<'_>) -> Handled + Send + Sync + 'static,
    ) -> Handled {
        Ok(Self::Read { query, then: Box::new(then) })
    }
}
