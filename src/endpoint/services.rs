//! What each request of the table does: one file per protocol service.
//!
//! A function here checks what the client sent, and makes a command, a query or an answer of it.
//! What happens is decided in the replicated state; what it is called on the wire, in the protocol.

pub(crate) mod client;
pub(crate) mod cp_group;
pub(crate) mod cp_session;
pub(crate) mod fenced_lock;
pub(crate) mod flake_id_generator;
pub(crate) mod map;
pub(crate) mod set;

use statekeeper_machine::{Answer, Blob, Outcome};
use statekeeper_protocol::Data;

use crate::call::data;
use crate::exception::Failure;
use crate::limits;

/// A time to wait as calls carry it, milliseconds: negative is not at all, huge is without end.
pub(crate) fn wait_ms(timeout: i64) -> Option<u64> {
    if timeout >= limits::ENDLESS_MS {
        return None;
    }
    Some(u64::try_from(timeout).unwrap_or(0))
}

/// The cluster has answered something else: a mistake of this server.
fn unexpected<T>(expected: &'static str) -> Result<T, Failure> {
    Err(Failure::UnexpectedAnswer { expected })
}

pub(crate) fn flag_of(outcome: Outcome) -> Result<bool, Failure> {
    let Outcome::Flag(flag) = outcome else { return unexpected("a flag") };
    Ok(flag)
}

pub(crate) fn value_of(outcome: Outcome) -> Result<Option<Data>, Failure> {
    let Outcome::Value(value) = outcome else { return unexpected("a value") };
    Ok(value.as_ref().map(data))
}

pub(crate) fn done(outcome: Outcome) -> Result<(), Failure> {
    let Outcome::Done = outcome else { return unexpected("no value") };
    Ok(())
}

pub(crate) fn is_true(answer: Answer) -> Result<bool, Failure> {
    let Answer::Flag(flag) = answer else { return unexpected("a flag") };
    Ok(flag)
}

/// A count as the protocol carries it.
pub(crate) fn count_of(answer: Answer) -> Result<i32, Failure> {
    let Answer::Count(count) = answer else { return unexpected("a count") };
    Ok(i32::try_from(count).unwrap_or(i32::MAX))
}

pub(crate) fn entries_of(answer: Answer) -> Result<Vec<(Blob, Blob)>, Failure> {
    let Answer::Entries(entries) = answer else { return unexpected("entries") };
    Ok(entries)
}
