//! Set: the distributed set.

use statekeeper_machine::{Answer, Command, Name, Query, SetChange};
use statekeeper_protocol::messages::set::{
    Request, add, add_all, add_listener, clear, compare_and_remove_all, compare_and_retain_all,
    contains, contains_all, get_all, is_empty, remove, remove_listener, size,
};

use crate::call::{Call, data};
use crate::listeners::Subscriber;
use crate::services::{count_of, done, flag_of, is_true, unexpected};
use crate::step::{Handled, Step};

/// A change whose flag is the response.
macro_rules! change {
    ($module:ident, $set:expr, $change:expr) => {
        Step::submit(Command::Set { set: $set, change: $change }, |outcome, call| {
            call.answer(&$module::Response { response: flag_of(outcome)? })
        })
    };
}

/// Handles one request.
pub(crate) fn handle(request: Request, call: &mut Call<'_>) -> Handled {
    match request {
        Request::Size(request) => {
            Step::read(Query::SetSize { set: call.name(&request.name)? }, |answer, call| {
                call.answer(&size::Response { response: count_of(answer)? })
            })
        }
        Request::IsEmpty(request) => {
            Step::read(Query::SetSize { set: call.name(&request.name)? }, |answer, call| {
                call.answer(&is_empty::Response { response: count_of(answer)? == 0 })
            })
        }
        Request::Contains(request) => {
            let set = call.name(&request.name)?;
            let items = vec![call.value(request.value)?];
            Step::read(Query::SetContainsAll { set, items }, |answer, call| {
                call.answer(&contains::Response { response: is_true(answer)? })
            })
        }
        Request::ContainsAll(request) => {
            let (set, items) = (call.name(&request.name)?, call.values(request.items)?);
            Step::read(Query::SetContainsAll { set, items }, |answer, call| {
                call.answer(&contains_all::Response { response: is_true(answer)? })
            })
        }
        Request::Add(request) => {
            let (set, item) = (call.name(&request.name)?, call.value(request.value)?);
            change!(add, set, SetChange::AddAll(vec![item]))
        }
        Request::AddAll(request) => {
            let (set, items) = (call.name(&request.name)?, call.values(request.value_list)?);
            change!(add_all, set, SetChange::AddAll(items))
        }
        Request::Remove(request) => {
            let (set, item) = (call.name(&request.name)?, call.value(request.value)?);
            change!(remove, set, SetChange::RemoveAll(vec![item]))
        }
        Request::CompareAndRemoveAll(request) => {
            let (set, items) = (call.name(&request.name)?, call.values(request.values)?);
            change!(compare_and_remove_all, set, SetChange::RemoveAll(items))
        }
        Request::CompareAndRetainAll(request) => {
            let (set, items) = (call.name(&request.name)?, call.values(request.values)?);
            change!(compare_and_retain_all, set, SetChange::RetainAll(items))
        }
        Request::Clear(request) => clear(call.name(&request.name)?),
        Request::GetAll(request) => get_all(call.name(&request.name)?),
        Request::AddListener(request) => add_listener(&request, call),
        Request::RemoveListener(request) => {
            let response = call.listeners.remove_of_set(&request.name, request.registration_id);
            call.answer(&remove_listener::Response { response })
        }
    }
}

fn clear(set: Name) -> Handled {
    Step::submit(Command::Set { set, change: SetChange::Clear }, |outcome, call| {
        done(outcome)?;
        call.answer(&clear::Response {})
    })
}

fn get_all(set: Name) -> Handled {
    Step::read(Query::SetItems { set }, |answer, call| {
        let Answer::Values(items) = answer else { return unexpected("values") };
        call.answer(&get_all::Response { response: items.iter().map(data).collect() })
    })
}

fn add_listener(request: &add_listener::Request, call: &mut Call<'_>) -> Handled {
    let subscriber = Subscriber {
        client: call.client(),
        correlation: call.correlation,
        local_only: request.local_only,
    };
    let set = call.name(&request.name)?;
    let response = call.listeners.add_items(subscriber, set, request.include_value)?;
    call.answer(&add_listener::Response { response })
}
