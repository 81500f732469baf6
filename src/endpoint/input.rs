//! What happens to an endpoint.

use std::sync::Arc;

use statekeeper_machine::{Answer, ClusterView, EventBatch, Outcome, SubmitError};
use statekeeper_protocol::ClientMessage;

use crate::output::Ticket;

/// What happens to an endpoint.
#[derive(Debug)]
pub enum Input {
    /// A whole message arrived.
    Message(ClientMessage),
    /// The answer of `Output::Submit`.
    Completed {
        /// Which.
        ticket: Ticket,
        /// Its outcome.
        result: Result<Outcome, SubmitError>,
    },
    /// The answer of `Output::Read`.
    Answered {
        /// Which.
        ticket: Ticket,
        /// Its answer.
        result: Result<Answer, SubmitError>,
    },
    /// Something happened in the cluster; given in log order, and before the answer of the command
    /// that caused it.
    Events(Arc<EventBatch>),
    /// The members or the partition owner changed; also given once before the first message.
    View(Arc<ClusterView>),
    /// The deadline has come.
    Timeout,
}
