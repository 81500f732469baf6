//! What an endpoint wants done.

use statekeeper_machine::{Command, Query};
use statekeeper_protocol::EncodedMessage;

use crate::client_info::ClientInfo;
use crate::close_reason::CloseReason;

/// A command or query on its way; unique within one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What an endpoint wants done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Write this to the client.
    Send(EncodedMessage),
    /// Have this applied; answer with `Input::Completed`.
    Submit {
        /// For the answer.
        ticket: Ticket,
        /// What.
        command: Command,
    },
    /// Have this answered, linearizably; answer with `Input::Answered`.
    Read {
        /// For the answer.
        ticket: Ticket,
        /// What.
        query: Query,
    },
    /// The client has shown who it is; larger messages are allowed from now on.
    Authenticated(ClientInfo),
    /// Write what is left, then end the connection.
    Close(CloseReason),
}
