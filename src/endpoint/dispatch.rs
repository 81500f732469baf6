//! From a request to the function of its service.
//!
//! Both this match and those of the services are complete: a message that is added to the table
//! does not compile until somebody says what it does.

use statekeeper_protocol::messages::Request;
use statekeeper_protocol::{ClientMessage, MessageType};

use crate::call::Call;
use crate::exception::Failure;
use crate::services::{client, cp_group, cp_session, fenced_lock, flake_id_generator, map, set};
use crate::step::Handled;

/// The two messages that ask for a map store, which real members without one answer by themselves.
const LOAD_CALLS: [MessageType; 2] = [MessageType(0x01_2000), MessageType(0x01_2100)];

/// Handles one message of a client.
pub(crate) fn dispatch(message: &ClientMessage, call: &mut Call<'_>) -> Handled {
    match Request::decode(message) {
        Ok(Some(request)) => handle(request, call),
        Ok(None) => Err(refusal(message.message_type())),
        Err(error) => Err(Failure::Unreadable(error)),
    }
}

fn handle(request: Request, call: &mut Call<'_>) -> Handled {
    match request {
        Request::Client(request) => client::handle(request, call),
        Request::Map(request) => map::handle(request, call),
        Request::Set(request) => set::handle(request, call),
        Request::FencedLock(request) => fenced_lock::handle(request, call),
        Request::FlakeIdGenerator(request) => flake_id_generator::handle(request, call),
        Request::CPGroup(request) => cp_group::handle(request, call),
        Request::CPSession(request) => cp_session::handle(request, call),
    }
}

/// Why a message outside the table is refused. spec: client-protocol 11, tier 3
fn refusal(message_type: MessageType) -> Failure {
    if LOAD_CALLS.contains(&message_type) {
        return Failure::NoMapStore;
    }
    match message_type.name() {
        // req: R-2
        Some(name) if message_type.0 & 0xff == 0 => Failure::unsupported(name),
        _ => Failure::unsupported(format!("message {:06x}", message_type.0)),
    }
}
