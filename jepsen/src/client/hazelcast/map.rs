//! The operations of a map, one request each.

use serde_json::{Map, Value, json};
use statekeeper_protocol::messages::map;
use statekeeper_protocol::{Data, Entries};
use tokio::time::Instant;

use super::connection::{Connection, EventSink};
use super::value::{decode, decode_option, encode};
use crate::client::listener::{Sink, channel};
use crate::client::{Failure, Listen, Listener, ListenerEvent, Op, Outcome, answer};

/// Java's thread id; map locks alone care.
const THREAD: i64 = 1;
/// The map's own setting.
const DEFAULT_TTL: i64 = -1;
/// Each kind of event with its flag and its word in a history.
const EVENTS: [(i32, &str); 7] = [
    (1, "added"),
    (2, "removed"),
    (4, "updated"),
    (8, "evicted"),
    (16, "expired"),
    (32, "evict-all"),
    (64, "clear-all"),
];

/// Performs one operation.
pub(super) async fn call(
    connection: &Connection,
    op: &Op,
    deadline: Instant,
) -> Result<Outcome, Failure> {
    let name = op.name.clone();
    let key = || encode(answer::key(op));
    let value = || encode(answer::value(op));
    let ttl = op.ttl.map_or(DEFAULT_TTL, |ms| i64::try_from(ms).unwrap_or(i64::MAX));
    let thread_id = THREAD;
    let told = match op.f.as_str() {
        "get" | "read" => {
            let request = map::get::Request { name, key: key()?, thread_id };
            old(&connection.call(&request, deadline).await?.response)?
        }
        "put" => {
            let request = map::put::Request { name, key: key()?, value: value()?, thread_id, ttl };
            old(&connection.call(&request, deadline).await?.response)?
        }
        "set" | "write" => {
            let request = map::set::Request { name, key: key()?, value: value()?, thread_id, ttl };
            connection.call(&request, deadline).await?;
            Value::Null
        }
        "put-if-absent" => old(&put_if_absent(connection, op, value()?, deadline).await?)?,
        "replace" => {
            let request = map::replace::Request { name, key: key()?, value: value()?, thread_id };
            old(&connection.call(&request, deadline).await?.response)?
        }
        "replace-if" | "cas" => json!(compare_and_set(connection, op, deadline).await?),
        "remove" => {
            let request = map::remove::Request { name, key: key()?, thread_id };
            old(&connection.call(&request, deadline).await?.response)?
        }
        "remove-if" => json!(remove_if(connection, op, value()?, deadline).await?),
        "delete" => {
            let request = map::delete::Request { name, key: key()?, thread_id };
            connection.call(&request, deadline).await?;
            Value::Null
        }
        "contains" => {
            let request = map::contains_key::Request { name, key: key()?, thread_id };
            json!(connection.call(&request, deadline).await?.response)
        }
        "put-all" => {
            let Some(Value::Object(pairs)) = &op.value else {
                return Err(Failure::NotSent("the value must be an object".to_owned()));
            };
            let pairs = pairs.iter().map(|(key, value)| Ok((encode(&json!(key))?, encode(value)?)));
            let entries = Entries(pairs.collect::<Result<_, Failure>>()?);
            let request = map::put_all::Request { name, entries, trigger_map_loader: Some(true) };
            connection.call(&request, deadline).await?;
            Value::Null
        }
        "clear" => {
            connection.call(&map::clear::Request { name }, deadline).await?;
            Value::Null
        }
        _ => whole(connection, op, deadline).await?,
    };
    Ok(answer::ok(op, told))
}

/// Reads of several keys at one moment.
async fn whole(connection: &Connection, op: &Op, deadline: Instant) -> Result<Value, Failure> {
    let name = op.name.clone();
    match op.f.as_str() {
        "size" => {
            Ok(json!(connection.call(&map::size::Request { name }, deadline).await?.response))
        }
        "is-empty" => {
            Ok(json!(connection.call(&map::is_empty::Request { name }, deadline).await?.response))
        }
        "keys" => {
            let keys = connection.call(&map::key_set::Request { name }, deadline).await?.response;
            keys.iter().map(decode).collect()
        }
        "entries" => {
            let request = map::entry_set::Request { name };
            entries(&connection.call(&request, deadline).await?.response.0)
        }
        "get-all" => {
            let Some(Value::Array(keys)) = &op.value else {
                return Err(Failure::NotSent("the value must be a list of keys".to_owned()));
            };
            let keys = keys.iter().map(encode).collect::<Result<_, Failure>>()?;
            let request = map::get_all::Request { name, keys };
            entries(&connection.call(&request, deadline).await?.response.0)
        }
        other => Err(Failure::NotSent(format!("a map has no operation {other}"))),
    }
}

/// Compares and sets, also from and to the absent value.
async fn compare_and_set(
    connection: &Connection,
    op: &Op,
    deadline: Instant,
) -> Result<bool, Failure> {
    let Some((old, new)) = answer::pair(op) else {
        return Err(Failure::NotSent("the value must be two values".to_owned()));
    };
    match (old, new) {
        (Value::Null, new) => {
            Ok(put_if_absent(connection, op, encode(new)?, deadline).await?.is_none())
        }
        (old, Value::Null) => remove_if(connection, op, encode(old)?, deadline).await,
        (old, new) => {
            let request = map::replace_if_same::Request {
                name: op.name.clone(),
                key: encode(answer::key(op))?,
                test_value: encode(old)?,
                value: encode(new)?,
                thread_id: THREAD,
            };
            Ok(connection.call(&request, deadline).await?.response)
        }
    }
}

async fn put_if_absent(
    connection: &Connection,
    op: &Op,
    value: Data,
    deadline: Instant,
) -> Result<Option<Data>, Failure> {
    let request = map::put_if_absent::Request {
        name: op.name.clone(),
        key: encode(answer::key(op))?,
        value,
        thread_id: THREAD,
        ttl: op.ttl.map_or(DEFAULT_TTL, |ms| i64::try_from(ms).unwrap_or(i64::MAX)),
    };
    Ok(connection.call(&request, deadline).await?.response)
}

async fn remove_if(
    connection: &Connection,
    op: &Op,
    value: Data,
    deadline: Instant,
) -> Result<bool, Failure> {
    let request = map::remove_if_same::Request {
        name: op.name.clone(),
        key: encode(answer::key(op))?,
        value,
        thread_id: THREAD,
    };
    Ok(connection.call(&request, deadline).await?.response)
}

/// Registers a listener with values, told of every kind of event by the node we are connected to.
pub(super) async fn listen(
    connection: &Connection,
    wanted: &Listen,
    deadline: Instant,
) -> Result<Listener, Failure> {
    let (sink, listener) = channel();
    let listener_flags = EVENTS.iter().map(|(flag, _)| flag).sum();
    let name = wanted.map.clone();
    match &wanted.key {
        None => {
            let request = map::add_entry_listener::Request {
                name,
                include_value: true,
                listener_flags,
                local_only: false,
            };
            let sink = sink_of_map(wanted.listener.clone(), sink);
            connection.listen(&request, sink, deadline).await?;
        }
        Some(key) => {
            let request = map::add_entry_listener_to_key::Request {
                name,
                key: encode(key)?,
                include_value: true,
                listener_flags,
                local_only: false,
            };
            let sink = sink_of_key(wanted.listener.clone(), sink);
            connection.listen(&request, sink, deadline).await?;
        }
    }
    Ok(listener)
}

macro_rules! sink {
    ($name:ident, $module:ident) => {
        fn $name(listener: String, sink: Sink) -> EventSink {
            Box::new(move |message| {
                let event =
                    <map::$module::EntryEvent as statekeeper_protocol::Message>::decode(message)
                        .map_err(|error| Failure::OutsideProtocol(format!("an event: {error}")))?;
                let kind = EVENTS.iter().find(|(flag, _)| *flag == event.event_type);
                let Some((_, f)) = kind else {
                    let what = format!("an event of type {}", event.event_type);
                    return Err(Failure::OutsideProtocol(what));
                };
                let given = |data: &Option<Data>| match decode_option(data.as_ref())? {
                    Value::Null => Ok(None),
                    value => Ok(Some(value)),
                };
                Ok(sink.send(ListenerEvent {
                    listener: listener.clone(),
                    f: (*f).to_owned(),
                    key: decode_option(event.key.as_ref())?,
                    value: given(&event.value)?,
                    old: given(&event.old_value)?,
                }))
            })
        }
    };
}

sink!(sink_of_map, add_entry_listener);
sink!(sink_of_key, add_entry_listener_to_key);

fn old(data: &Option<Data>) -> Result<Value, Failure> {
    decode_option(data.as_ref())
}

fn entries(pairs: &[(Data, Data)]) -> Result<Value, Failure> {
    let mut object = Map::new();
    for (key, value) in pairs {
        let key = answer::key_text(&decode(key)?);
        if object.insert(key.clone(), decode(value)?).is_some() {
            return Err(Failure::OutsideProtocol(format!("the key {key} twice in one answer")));
        }
    }
    Ok(Value::Object(object))
}
