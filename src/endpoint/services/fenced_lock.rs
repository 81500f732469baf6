//! FencedLock: the lock of the CP subsystem. A lock that is taken waits in the state, not here: its
//! command stays in flight until the state has an answer.

use statekeeper_machine::{
    Answer, Command, CpCommand, InvocationUid, LockEndpoint, Outcome, Query, SessionId, ThreadId,
};
use statekeeper_protocol::ProtocolUuid;
use statekeeper_protocol::custom::RaftGroupId;
use statekeeper_protocol::messages::fenced_lock::{
    Request, get_lock_ownership, lock, try_lock, unlock,
};

use crate::call::Call;
use crate::exception::Failure;
use crate::services::{flag_of, unexpected, wait_ms};
use crate::step::{Handled, Step};

/// Handles one request.
pub(crate) fn handle(request: Request, call: &mut Call<'_>) -> Handled {
    match request {
        Request::Lock(request) => lock(&request, call),
        Request::TryLock(request) => try_lock(&request, call),
        Request::Unlock(request) => unlock(&request, call),
        Request::GetLockOwnership(request) => ownership(&request, call),
    }
}

fn lock(request: &lock::Request, call: &Call<'_>) -> Handled {
    let endpoint = endpoint(request.session_id, request.thread_id);
    let place = (&request.group_id, &*request.name);
    let command = lock_command(call, place, endpoint, request.invocation_uid, None)?;
    Step::submit(command, |outcome, call| {
        call.answer(&lock::Response { response: fence_of(outcome)? })
    })
}

fn try_lock(request: &try_lock::Request, call: &Call<'_>) -> Handled {
    let endpoint = endpoint(request.session_id, request.thread_id);
    let (place, timeout_ms) = ((&request.group_id, &*request.name), wait_ms(request.timeout_ms));
    let command = lock_command(call, place, endpoint, request.invocation_uid, timeout_ms)?;
    Step::submit(command, |outcome, call| {
        call.answer(&try_lock::Response { response: fence_of(outcome)? })
    })
}

/// Waits for the lock, without end when no time is given.
fn lock_command(
    call: &Call<'_>,
    (group, name): (&RaftGroupId, &str),
    endpoint: LockEndpoint,
    invocation: ProtocolUuid,
    timeout_ms: Option<u64>,
) -> Result<Command, Failure> {
    let (group, name) = (call.name(&group.name)?, call.name(name)?);
    Ok(Command::Cp(CpCommand::Lock { group, name, endpoint, uid: uid(invocation), timeout_ms }))
}

/// Answers true while the caller still holds the lock.
fn unlock(request: &unlock::Request, call: &Call<'_>) -> Handled {
    let command = Command::Cp(CpCommand::Unlock {
        group: call.name(&request.group_id.name)?,
        name: call.name(&request.name)?,
        endpoint: endpoint(request.session_id, request.thread_id),
        uid: uid(request.invocation_uid),
    });
    Step::submit(command, |outcome, call| {
        call.answer(&unlock::Response { response: flag_of(outcome)? })
    })
}

fn ownership(request: &get_lock_ownership::Request, call: &Call<'_>) -> Handled {
    let query = Query::LockOwnership {
        group: call.name(&request.group_id.name)?,
        name: call.name(&request.name)?,
    };
    Step::read(query, |answer, call| {
        let Answer::Ownership(ownership) = answer else { return unexpected("an ownership") };
        call.answer(&get_lock_ownership::Response {
            fence: ownership.fence.0,
            lock_count: i32::try_from(ownership.count).unwrap_or(i32::MAX),
            session_id: ownership.endpoint.session.0,
            thread_id: ownership.endpoint.thread.0,
        })
    })
}

fn endpoint(session: i64, thread: i64) -> LockEndpoint {
    LockEndpoint { session: SessionId(session), thread: ThreadId(thread) }
}

fn uid(uid: ProtocolUuid) -> InvocationUid {
    InvocationUid(uid.as_u128())
}

fn fence_of(outcome: Outcome) -> Result<i64, Failure> {
    let Outcome::Fence(fence) = outcome else { return unexpected("a fence") };
    Ok(fence.0)
}
