//! CPSession: what holds locks on behalf of a client.

use statekeeper_machine::{Command, CpCommand, Outcome, Rejection, SessionId, SubmitError};
use statekeeper_protocol::messages::cp_session::{
    Request, close_session, create_session, generate_thread_id, heartbeat_session,
};

use crate::call::Call;
use crate::exception::Failure;
use crate::services::{flag_of, unexpected};
use crate::step::{Handled, Step};

/// Handles one request.
pub(crate) fn handle(request: Request, call: &mut Call<'_>) -> Handled {
    match request {
        Request::CreateSession(request) => create(&request, call),
        Request::CloseSession(request) => close(&request, call),
        Request::HeartbeatSession(request) => heartbeat(&request, call),
        Request::GenerateThreadId(request) => thread_id(&request, call),
    }
}

fn create(request: &create_session::Request, call: &Call<'_>) -> Handled {
    let command = Command::Cp(CpCommand::CreateSession {
        group: call.name(&request.group_id.name)?,
        endpoint_name: call.name(&request.endpoint_name)?,
        client: call.client(),
    });
    Step::submit(command, |outcome, call| {
        let Outcome::Session { session, time_to_live_ms, heartbeat_interval_ms } = outcome else {
            return unexpected("a session");
        };
        call.answer(&create_session::Response {
            session_id: session.0,
            ttl_millis: i64::try_from(time_to_live_ms).unwrap_or(i64::MAX),
            heartbeat_millis: i64::try_from(heartbeat_interval_ms).unwrap_or(i64::MAX),
        })
    })
}

fn close(request: &close_session::Request, call: &Call<'_>) -> Handled {
    let group = call.name(&request.group_id.name)?;
    let session = SessionId(request.session_id);
    Step::submit(Command::Cp(CpCommand::CloseSession { group, session }), |outcome, call| {
        call.answer(&close_session::Response { response: flag_of(outcome)? })
    })
}

/// An unknown session is told so by the code that makes clients forget it.
fn heartbeat(request: &heartbeat_session::Request, call: &Call<'_>) -> Handled {
    let sessions = vec![(call.name(&request.group_id.name)?, SessionId(request.session_id))];
    Step::submit(Command::Cp(CpCommand::Heartbeat { sessions }), |outcome, call| {
        let Outcome::UnknownSessions(unknown) = outcome else {
            return unexpected("unknown sessions");
        };
        match unknown.first() {
            None => call.answer(&heartbeat_session::Response {}),
            Some((_, session)) => {
                let rejection = Rejection::SessionUnknown { session: *session };
                let source = SubmitError::Rejected(rejection);
                Err(Failure::Submit { source, repeats_safely: true })
            }
        }
    })
}

fn thread_id(request: &generate_thread_id::Request, call: &Call<'_>) -> Handled {
    let group = call.name(&request.group_id.name)?;
    Step::submit(Command::Cp(CpCommand::GenerateThreadId { group }), |outcome, call| {
        let Outcome::ThreadId(response) = outcome else { return unexpected("a thread id") };
        call.answer(&generate_thread_id::Response { response })
    })
}
