//! `InFlight`: requests the cluster has not answered yet.
//!
//! Invariant: a ticket is given once and stands here until its answer comes, so that every request
//! is answered exactly once. Correlation ids are no keys: clients use one again.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use statekeeper_machine::{Answer, Outcome};
use statekeeper_protocol::{CorrelationId, MessageType};

use crate::exception::Failure;
use crate::output::Ticket;
use crate::step::Then;

/// What follows the answer of the cluster.
pub(crate) enum Follow {
    /// A command was submitted.
    Outcome(Then<Outcome>),
    /// A query was asked.
    Answer(Then<Answer>),
}

/// A request of the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) correlation: CorrelationId,
    pub(crate) message_type: MessageType,
    /// When it came.
    pub(crate) at: Instant,
}

/// A request whose step the cluster has not answered.
pub(crate) struct Pending {
    /// The request.
    pub(crate) request: Request,
    /// Doing the step again does no harm.
    pub(crate) repeats_safely: bool,
    /// The step may wait for a lock.
    pub(crate) waits: bool,
    /// What follows.
    pub(crate) follow: Follow,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("request", &self.request)
            .field("waits", &self.waits)
            .finish_non_exhaustive()
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    next: u64,
    pending: BTreeMap<Ticket, Pending>,
    waiting: usize,
}

impl InFlight {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Refuses one more of this kind when there are `max`. Waits are counted apart: a client whose
    /// threads all wait for a lock must still be able to unlock it.
    pub(crate) fn admit(&self, waits: bool, max: usize) -> Result<(), Failure> {
        let others = if waits { self.waiting } else { self.pending.len() - self.waiting };
        if others >= max { Err(Failure::InFlight { max }) } else { Ok(()) }
    }

    /// Keeps a request until its ticket is answered.
    pub(crate) fn insert(&mut self, pending: Pending) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting += usize::from(pending.waits);
        self.pending.insert(ticket, pending);
        ticket
    }

    /// Gives back the request of a ticket, once.
    pub(crate) fn take(&mut self, ticket: Ticket) -> Option<Pending> {
        let pending = self.pending.remove(&ticket)?;
        self.waiting -= usize::from(pending.waits);
        Some(pending)
    }
}
