//! Locks of keys. The call's reference id is its identity: the same in every retry.

use statekeeper_machine::{MapChange, Query};
use statekeeper_protocol::messages::map::{force_unlock, is_locked, lock, try_lock, unlock};

use super::write::of_thread;
use crate::call::Call;
use crate::limits;
use crate::services::{done, flag_of, is_true, wait_ms};
use crate::step::{Handled, Step};

/// `Map.lock`: waits without end.
pub(super) fn lock(request: lock::Request, call: &Call<'_>) -> Handled {
    let (lease_ms, reference) = (lease_ms(request.ttl), reference(request.reference_id, call));
    let change =
        MapChange::Lock { key: call.key(request.key)?, lease_ms, timeout_ms: None, reference };
    let command = of_thread(&request.name, request.thread_id, change, call)?;
    Step::submit(command, |outcome, call| {
        flag_of(outcome)?;
        call.answer(&lock::Response {})
    })
}

/// `Map.tryLock`.
pub(super) fn try_lock(request: try_lock::Request, call: &Call<'_>) -> Handled {
    let (lease_ms, timeout_ms) = (lease_ms(request.lease), wait_ms(request.timeout));
    let reference = reference(request.reference_id, call);
    let change = MapChange::Lock { key: call.key(request.key)?, lease_ms, timeout_ms, reference };
    let command = of_thread(&request.name, request.thread_id, change, call)?;
    Step::submit(command, |outcome, call| {
        call.answer(&try_lock::Response { response: flag_of(outcome)? })
    })
}

/// `Map.isLocked`.
pub(super) fn is_locked(request: is_locked::Request, call: &Call<'_>) -> Handled {
    let query = Query::MapIsLocked { map: call.name(&request.name)?, key: call.key(request.key)? };
    Step::read(query, |answer, call| {
        call.answer(&is_locked::Response { response: is_true(answer)? })
    })
}

/// `Map.unlock`.
pub(super) fn unlock(request: unlock::Request, call: &Call<'_>) -> Handled {
    let reference = reference(request.reference_id, call);
    let change = MapChange::Unlock { key: call.key(request.key)?, reference };
    Step::submit(of_thread(&request.name, request.thread_id, change, call)?, |outcome, call| {
        done(outcome)?;
        call.answer(&unlock::Response {})
    })
}

/// `Map.forceUnlock`: of no thread.
pub(super) fn force_unlock(request: force_unlock::Request, call: &Call<'_>) -> Handled {
    let reference = reference(request.reference_id, call);
    let change = MapChange::ForceUnlock { key: call.key(request.key)?, reference };
    Step::submit(of_thread(&request.name, 0, change, call)?, |outcome, call| {
        done(outcome)?;
        call.answer(&force_unlock::Response {})
    })
}

/// The identity of a call. Node clients send 0 with every one of them, which tells none from any
/// other: such a call is itself under its correlation id, and its repetition after a lost
/// connection is a new one. Real ids count up from 1.
fn reference(reference_id: i64, call: &Call<'_>) -> i64 {
    if reference_id == 0 { call.correlation.0.wrapping_neg() } else { reference_id }
}

/// How long a lock lasts by itself: clients say "without end" by -1 or by the greatest number.
fn lease_ms(lease: i64) -> Option<u64> {
    u64::try_from(lease).ok().filter(|_| (1..limits::ENDLESS_MS).contains(&lease))
}
