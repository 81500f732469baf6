//! Reads of a map. Values are shared with the state, not copied.

use statekeeper_machine::{Answer, Blob, Query, RecordView};
use statekeeper_protocol::custom::SimpleEntryView;
use statekeeper_protocol::messages::map::{
    contains_key, contains_value, entry_set, fetch_entries, fetch_keys, get, get_all,
    get_entry_view, is_empty, key_set, size, values,
};
use statekeeper_protocol::{Data, Entries};

use crate::call::{Call, data};
use crate::services::{count_of, entries_of, is_true, unexpected};
use crate::step::{Handled, Step};

/// Times that are not known. spec: client-protocol 10
const UNKNOWN: i64 = -1;
/// Times without end.
const ENDLESS: i64 = i64::MAX;

/// `Map.get`.
pub(super) fn get(request: get::Request, call: &Call<'_>) -> Handled {
    let query = Query::MapGet { map: call.name(&request.name)?, key: call.key(request.key)? };
    Step::read(query, |answer, call| {
        let Answer::Value(value) = answer else { return unexpected("a value") };
        call.answer(&get::Response { response: value.as_ref().map(data) })
    })
}

/// `Map.containsKey`.
pub(super) fn contains_key(request: contains_key::Request, call: &Call<'_>) -> Handled {
    let map = call.name(&request.name)?;
    let query = Query::MapContainsKey { map, key: call.key(request.key)? };
    Step::read(query, |answer, call| {
        call.answer(&contains_key::Response { response: is_true(answer)? })
    })
}

/// `Map.containsValue`.
pub(super) fn contains_value(request: contains_value::Request, call: &Call<'_>) -> Handled {
    let map = call.name(&request.name)?;
    let query = Query::MapContainsValue { map, value: call.value(request.value)? };
    Step::read(query, |answer, call| {
        call.answer(&contains_value::Response { response: is_true(answer)? })
    })
}

/// `Map.getAll`: keys without a record are left out.
pub(super) fn get_all(request: get_all::Request, call: &Call<'_>) -> Handled {
    if request.keys.is_empty() {
        return call.answer(&get_all::Response { response: Entries::default() });
    }
    let query = Query::MapGetAll { map: call.name(&request.name)?, keys: call.keys(request.keys)? };
    Step::read(query, |answer, call| {
        call.answer(&get_all::Response { response: pairs(&entries_of(answer)?) })
    })
}

/// `Map.keySet`.
pub(super) fn key_set(request: &key_set::Request, call: &Call<'_>) -> Handled {
    Step::read(Query::MapEntries { map: call.name(&request.name)? }, |answer, call| {
        call.answer(&key_set::Response { response: keys(&entries_of(answer)?) })
    })
}

/// `Map.values`.
pub(super) fn values(request: &values::Request, call: &Call<'_>) -> Handled {
    Step::read(Query::MapEntries { map: call.name(&request.name)? }, |answer, call| {
        let response = entries_of(answer)?.iter().map(|(_, value)| data(value)).collect();
        call.answer(&values::Response { response })
    })
}

/// `Map.entrySet`.
pub(super) fn entry_set(request: &entry_set::Request, call: &Call<'_>) -> Handled {
    Step::read(Query::MapEntries { map: call.name(&request.name)? }, |answer, call| {
        call.answer(&entry_set::Response { response: pairs(&entries_of(answer)?) })
    })
}

/// `Map.size`.
pub(super) fn size(request: &size::Request, call: &Call<'_>) -> Handled {
    Step::read(Query::MapSize { map: call.name(&request.name)? }, |answer, call| {
        call.answer(&size::Response { response: count_of(answer)? })
    })
}

/// `Map.isEmpty`.
pub(super) fn is_empty(request: &is_empty::Request, call: &Call<'_>) -> Handled {
    Step::read(Query::MapSize { map: call.name(&request.name)? }, |answer, call| {
        call.answer(&is_empty::Response { response: count_of(answer)? == 0 })
    })
}

/// `Map.fetchKeys`: everything in the first page.
pub(super) fn fetch_keys(request: fetch_keys::Request, call: &Call<'_>) -> Handled {
    if is_fetched(&request.iteration_pointers) {
        let iteration_pointers = request.iteration_pointers;
        return call.answer(&fetch_keys::Response { iteration_pointers, keys: Vec::new() });
    }
    Step::read(Query::MapEntries { map: call.name(&request.name)? }, |answer, call| {
        let entries = entries_of(answer)?;
        let (iteration_pointers, keys) = (last_page(&entries), keys(&entries));
        call.answer(&fetch_keys::Response { iteration_pointers, keys })
    })
}

/// `Map.fetchEntries`: everything in the first page.
pub(super) fn fetch_entries(request: fetch_entries::Request, call: &Call<'_>) -> Handled {
    if is_fetched(&request.iteration_pointers) {
        let iteration_pointers = request.iteration_pointers;
        let entries = Entries::default();
        return call.answer(&fetch_entries::Response { iteration_pointers, entries });
    }
    Step::read(Query::MapEntries { map: call.name(&request.name)? }, |answer, call| {
        let entries = entries_of(answer)?;
        let (iteration_pointers, entries) = (last_page(&entries), pairs(&entries));
        call.answer(&fetch_entries::Response { iteration_pointers, entries })
    })
}

/// `Map.getEntryView`.
pub(super) fn entry_view(request: get_entry_view::Request, call: &Call<'_>) -> Handled {
    let query = Query::MapRecord { map: call.name(&request.name)?, key: call.key(request.key)? };
    Step::read(query, |answer, call| {
        let Answer::Record(record) = answer else { return unexpected("a record") };
        let response = record.as_ref().map(view_of);
        let max_idle = response.as_ref().map_or(ENDLESS, |view| view.max_idle);
        call.answer(&get_entry_view::Response { response, max_idle })
    })
}

fn view_of(record: &RecordView) -> SimpleEntryView {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    SimpleEntryView {
        key: data(&record.key),
        value: data(&record.value),
        cost: number(record.cost_bytes),
        creation_time: number(record.created_at.0),
        expiration_time: record.expires_at.map_or(ENDLESS, |at| number(at.0)),
        hits: number(record.hits),
        last_access_time: record.accessed_at.map_or(UNKNOWN, |at| number(at.0)),
        // There is no map store.
        last_stored_time: UNKNOWN,
        last_update_time: number(record.updated_at.0),
        version: number(record.version),
        ttl: record.time_to_live_ms.map_or(ENDLESS, number),
        max_idle: record.max_idle_ms.map_or(ENDLESS, number),
    }
}

/// Whether a client asks on after the last page.
fn is_fetched(pointers: &Entries<i32, i32>) -> bool {
    pointers.last().is_some_and(|(index, _)| *index < 0)
}

/// Pointers that say: there is no more. spec: client-protocol 10
fn last_page(entries: &[(Blob, Blob)]) -> Entries<i32, i32> {
    Entries(vec![(-1, i32::try_from(entries.len()).unwrap_or(i32::MAX))])
}

fn keys(entries: &[(Blob, Blob)]) -> Vec<Data> {
    entries.iter().map(|(key, _)| data(key)).collect()
}

fn pairs(entries: &[(Blob, Blob)]) -> Entries<Data, Data> {
    entries.iter().map(|(key, value)| (data(key), data(value))).collect()
}
