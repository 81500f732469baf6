//! Changes of a map's records.

use statekeeper_machine::{Command, Lifetime, MapChange, Outcome, PutMode, ThreadId};
use statekeeper_protocol::messages::map::{
    clear, delete, evict, evict_all, put, put_all, put_if_absent, put_if_absent_with_max_idle,
    put_transient, put_transient_with_max_idle, put_with_max_idle, remove, remove_all,
    remove_if_same, replace, replace_if_same, set, set_ttl, set_with_max_idle, try_put, try_remove,
};
use statekeeper_protocol::{Data, Message};

use crate::call::Call;
use crate::exception::Failure;
use crate::services::{done, flag_of, unexpected, value_of};
use crate::step::{Handled, Step};

/// A put as its many messages carry it.
struct Put {
    name: String,
    key: Data,
    value: Data,
    thread: i64,
    ttl: Lifetime,
    max_idle: Lifetime,
    mode: PutMode,
}

impl Put {
    fn command(self, call: &Call<'_>) -> Result<Command, Failure> {
        Ok(Command::Map {
            map: call.name(&self.name)?,
            caller: call.caller(self.thread),
            change: MapChange::Put {
                key: call.key(self.key)?,
                value: call.value(self.value)?,
                ttl: self.ttl,
                max_idle: self.max_idle,
                mode: self.mode,
            },
        })
    }
}

/// The put of a request: its own times where it has them, the map's where it has none.
macro_rules! put_of {
    ($request:ident, $mode:expr) => {
        put_of!($request, $mode, Lifetime::Default, Lifetime::Default)
    };
    ($request:ident, $mode:expr, ttl) => {
        put_of!($request, $mode, Lifetime::from_wire_ms($request.ttl), Lifetime::Default)
    };
    ($request:ident, $mode:expr, ttl, max_idle) => {
        put_of!(
            $request,
            $mode,
            Lifetime::from_wire_ms($request.ttl),
            Lifetime::from_wire_ms($request.max_idle)
        )
    };
    ($request:ident, $mode:expr, $ttl:expr, $max_idle:expr) => {
        Put {
            name: $request.name,
            key: $request.key,
            value: $request.value,
            thread: $request.thread_id,
            ttl: $ttl,
            max_idle: $max_idle,
            mode: $mode,
        }
    };
}

/// `Map.put`.
pub(super) fn put(request: put::Request, call: &Call<'_>) -> Handled {
    let command = put_of!(request, PutMode::Put, ttl).command(call)?;
    Step::submit(command, |outcome, call| {
        call.answer(&put::Response { response: value_of(outcome)? })
    })
}

/// `Map.putWithMaxIdle`.
pub(super) fn put_with_max_idle(request: put_with_max_idle::Request, call: &Call<'_>) -> Handled {
    let command = put_of!(request, PutMode::Put, ttl, max_idle).command(call)?;
    Step::submit(command, |outcome, call| {
        call.answer(&put_with_max_idle::Response { response: value_of(outcome)? })
    })
}

/// `Map.set`.
pub(super) fn set(request: set::Request, call: &Call<'_>) -> Handled {
    let command = put_of!(request, PutMode::Set, ttl).command(call)?;
    Step::submit(command, |outcome, call| {
        done(outcome)?;
        call.answer(&set::Response {})
    })
}

/// `Map.setWithMaxIdle`: its response has room for a value that is never given.
pub(super) fn set_with_max_idle(request: set_with_max_idle::Request, call: &Call<'_>) -> Handled {
    let command = put_of!(request, PutMode::Set, ttl, max_idle).command(call)?;
    Step::submit(command, |outcome, call| {
        done(outcome)?;
        call.answer(&set_with_max_idle::Response { response: None })
    })
}

/// `Map.putTransient`: without a map store it is a set.
pub(super) fn put_transient(request: put_transient::Request, call: &Call<'_>) -> Handled {
    let command = put_of!(request, PutMode::Set, ttl).command(call)?;
    Step::submit(command, |outcome, call| {
        done(outcome)?;
        call.answer(&put_transient::Response {})
    })
}

/// `Map.putTransientWithMaxIdle`.
pub(super) fn put_transient_with_max_idle(
    request: put_transient_with_max_idle::Request,
    call: &Call<'_>,
) -> Handled {
    let command = put_of!(request, PutMode::Set, ttl, max_idle).command(call)?;
    Step::submit(command, |outcome, call| {
        done(outcome)?;
        call.answer(&put_transient_with_max_idle::Response { response: None })
    })
}

/// `Map.putIfAbsent`.
pub(super) fn put_if_absent(request: put_if_absent::Request, call: &Call<'_>) -> Handled {
    let command = put_of!(request, PutMode::IfAbsent, ttl).command(call)?;
    Step::submit(command, |outcome, call| {
        call.answer(&put_if_absent::Response { response: value_of(outcome)? })
    })
}

/// `Map.putIfAbsentWithMaxIdle`.
pub(super) fn put_if_absent_with_max_idle(
    request: put_if_absent_with_max_idle::Request,
    call: &Call<'_>,
) -> Handled {
    let command = put_of!(request, PutMode::IfAbsent, ttl, max_idle).command(call)?;
    Step::submit(command, |outcome, call| {
        call.answer(&put_if_absent_with_max_idle::Response { response: value_of(outcome)? })
    })
}

/// `Map.replace`.
pub(super) fn replace(request: replace::Request, call: &Call<'_>) -> Handled {
    let command = put_of!(request, PutMode::IfPresent).command(call)?;
    Step::submit(command, |outcome, call| {
        call.answer(&replace::Response { response: value_of(outcome)? })
    })
}

/// `Map.tryPut`.
pub(super) fn try_put(request: try_put::Request, call: &Call<'_>) -> Handled {
    let mode = PutMode::Try { timeout_ms: try_ms(request.timeout) };
    let command = put_of!(request, mode).command(call)?;
    Step::submit(command, |outcome, call| {
        call.answer(&try_put::Response { response: flag_of(outcome)? })
    })
}

/// `Map.putAll`: one step for all that one message carries.
pub(super) fn put_all(request: put_all::Request, call: &Call<'_>) -> Handled {
    if request.entries.is_empty() {
        return call.answer(&put_all::Response {});
    }
    let entry = |(key, value): (Data, Data)| Ok((call.key(key)?, call.value(value)?));
    let entries = request.entries.into_iter().map(entry).collect::<Result<_, Failure>>()?;
    whole(&request.name, MapChange::PutAll { entries }, &put_all::Response {}, call)
}

/// `Map.replaceIfSame`.
pub(super) fn replace_if_same(request: replace_if_same::Request, call: &Call<'_>) -> Handled {
    let change = MapChange::ReplaceIfSame {
        key: call.key(request.key)?,
        expected: call.value(request.test_value)?,
        value: call.value(request.value)?,
    };
    let command = of_thread(&request.name, request.thread_id, change, call)?;
    Step::submit(command, |outcome, call| {
        call.answer(&replace_if_same::Response { response: flag_of(outcome)? })
    })
}

/// `Map.remove`.
pub(super) fn remove(request: remove::Request, call: &Call<'_>) -> Handled {
    let change = MapChange::Remove { key: call.key(request.key)? };
    let command = of_thread(&request.name, request.thread_id, change, call)?;
    Step::submit(command, |outcome, call| {
        call.answer(&remove::Response { response: value_of(outcome)? })
    })
}

/// `Map.delete`: a removal that tells only whether there was something.
pub(super) fn delete(request: delete::Request, call: &Call<'_>) -> Handled {
    let change = MapChange::Remove { key: call.key(request.key)? };
    let command = of_thread(&request.name, request.thread_id, change, call)?;
    Step::submit(command, |outcome, call| {
        let Outcome::Value(removed) = outcome else { return unexpected("a value") };
        call.answer(&delete::Response { response: Some(removed.is_some()) })
    })
}

/// `Map.tryRemove`.
pub(super) fn try_remove(request: try_remove::Request, call: &Call<'_>) -> Handled {
    let key = call.key(request.key)?;
    let change = MapChange::TryRemove { key, timeout_ms: try_ms(request.timeout) };
    let command = of_thread(&request.name, request.thread_id, change, call)?;
    Step::submit(command, |outcome, call| {
        call.answer(&try_remove::Response { response: flag_of(outcome)? })
    })
}

/// `Map.removeIfSame`.
pub(super) fn remove_if_same(request: remove_if_same::Request, call: &Call<'_>) -> Handled {
    let key = call.key(request.key)?;
    let change = MapChange::RemoveIfSame { key, expected: call.value(request.value)? };
    let command = of_thread(&request.name, request.thread_id, change, call)?;
    Step::submit(command, |outcome, call| {
        call.answer(&remove_if_same::Response { response: flag_of(outcome)? })
    })
}

/// `Map.evict`.
pub(super) fn evict(request: evict::Request, call: &Call<'_>) -> Handled {
    let change = MapChange::Evict { key: call.key(request.key)? };
    let command = of_thread(&request.name, request.thread_id, change, call)?;
    Step::submit(command, |outcome, call| {
        call.answer(&evict::Response { response: flag_of(outcome)? })
    })
}

/// `Map.setTtl`: of no thread in the protocol.
pub(super) fn set_ttl(request: set_ttl::Request, call: &Call<'_>) -> Handled {
    let ttl = Lifetime::from_wire_ms(request.ttl);
    let change = MapChange::SetTtl { key: call.key(request.key)?, ttl };
    let command = of_thread(&request.name, NO_THREAD, change, call)?;
    Step::submit(command, |outcome, call| {
        call.answer(&set_ttl::Response { response: flag_of(outcome)? })
    })
}

/// `Map.evictAll`.
pub(super) fn evict_all(request: &evict_all::Request, call: &Call<'_>) -> Handled {
    let command = of_thread(&request.name, NO_THREAD, MapChange::EvictAll, call)?;
    Step::submit(command, |outcome, call| {
        let Outcome::Count(_) = outcome else { return unexpected("a count") };
        call.answer(&evict_all::Response {})
    })
}

/// `Map.clear`.
pub(super) fn clear(request: &clear::Request, call: &Call<'_>) -> Handled {
    whole(&request.name, MapChange::Clear, &clear::Response {}, call)
}

/// `Map.removeAll`: with the predicates that need no value to be understood.
pub(super) fn remove_all(request: remove_all::Request, call: &Call<'_>) -> Handled {
    match Predicate::of(&request.predicate)? {
        Predicate::Never => call.answer(&remove_all::Response {}),
        Predicate::Always => {
            whole(&request.name, MapChange::RemoveAll, &remove_all::Response {}, call)
        }
    }
}

/// Calls that carry no thread may be of any: only another client's locks stand in their way.
const NO_THREAD: i64 = ThreadId::ANY.0;

/// A change by a thread of the client.
pub(super) fn of_thread(
    name: &str,
    thread: i64,
    change: MapChange,
    call: &Call<'_>,
) -> Result<Command, Failure> {
    Ok(Command::Map { map: call.name(name)?, caller: call.caller(thread), change })
}

/// A change of many records that answers nothing.
fn whole(name: &str, change: MapChange, response: &impl Message, call: &Call<'_>) -> Handled {
    let command = of_thread(name, NO_THREAD, change, call)?;
    let answer = call.answer(response)?;
    Step::submit(command, |outcome, _| {
        done(outcome)?;
        Ok(answer)
    })
}

/// How long a try waits for a locked key: negative is not at all.
fn try_ms(timeout: i64) -> u64 {
    u64::try_from(timeout).unwrap_or(0)
}

/// A predicate that needs no value to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Predicate {
    Always,
    Never,
}

impl Predicate {
    /// Reads a serialised predicate: type -2 (identified), factory -20, class. spec:
    /// client-protocol 10
    fn of(predicate: &Data) -> Result<Self, Failure> {
        const IDENTIFIED: i32 = -2;
        const FALSE: [u8; 9] = [1, 0xff, 0xff, 0xff, 0xec, 0, 0, 0, 13];
        const TRUE: [u8; 9] = [1, 0xff, 0xff, 0xff, 0xec, 0, 0, 0, 14];
        if predicate.is_null() {
            return Err(Failure::NullArgument { argument: "predicate" });
        }
        match (predicate.type_id(), predicate.payload()) {
            (IDENTIFIED, payload) if payload == TRUE => Ok(Self::Always),
            (IDENTIFIED, payload) if payload == FALSE => Ok(Self::Never),
            _ => Err(Failure::unsupported("Map.removeAll with this predicate")),
        }
    }
}
