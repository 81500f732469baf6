//! A map as one raw client sees it.

use super::client::{CallError, RawClient};
use super::values::{number, number_of, text};
use statekeeper_protocol::messages::map;
use statekeeper_protocol::{CorrelationId, Data};

/// Java's thread id; map locks alone care.
const THREAD: i64 = 1;
/// The map's own setting.
const DEFAULT_TTL: i64 = -1;
const ADDED_UPDATED_REMOVED_EXPIRED: i32 = 1 | 2 | 4 | 16;

/// A map; keys are strings and values whole numbers, unless said otherwise.
#[derive(Clone, Copy)]
pub(crate) struct RawMap<'a> {
    client: &'a RawClient,
    name: &'a str,
}

impl RawClient {
    /// A map of this name.
    pub(crate) fn map<'a>(&'a self, name: &'a str) -> RawMap<'a> {
        RawMap { client: self, name }
    }
}

impl RawMap<'_> {
    /// Puts a value and gives back the one before.
    pub(crate) fn put(&self, key: &str, value: u64) -> Result<Option<u64>, CallError> {
        let request = map::put::Request {
            name: self.name.to_owned(),
            key: text(key),
            value: number(value),
            thread_id: THREAD,
            ttl: DEFAULT_TTL,
        };
        Ok(self.client.call(&request)?.response.as_ref().map(number_of))
    }

    /// Puts any value for a limited time, milliseconds; negative is the map's own.
    pub(crate) fn set_data(&self, key: &str, value: Data, ttl: i64) -> Result<(), CallError> {
        let name = self.name.to_owned();
        let request = map::set::Request { name, key: text(key), value, thread_id: THREAD, ttl };
        self.client.call(&request).map(drop)
    }

    /// Puts a value.
    pub(crate) fn set(&self, key: &str, value: u64) -> Result<(), CallError> {
        self.set_data(key, number(value), DEFAULT_TTL)
    }

    /// The value under a key.
    pub(crate) fn get(&self, key: &str) -> Result<Option<u64>, CallError> {
        Ok(self.get_data(key)?.as_ref().map(number_of))
    }

    /// Any value under a key.
    pub(crate) fn get_data(&self, key: &str) -> Result<Option<Data>, CallError> {
        let name = self.name.to_owned();
        let request = map::get::Request { name, key: text(key), thread_id: THREAD };
        Ok(self.client.call(&request)?.response)
    }

    /// Puts a value where there is none; gives back the one that is there.
    pub(crate) fn put_if_absent(&self, key: &str, value: u64) -> Result<Option<u64>, CallError> {
        let request = map::put_if_absent::Request {
            name: self.name.to_owned(),
            key: text(key),
            value: number(value),
            thread_id: THREAD,
            ttl: DEFAULT_TTL,
        };
        Ok(self.client.call(&request)?.response.as_ref().map(number_of))
    }

    /// Replaces a value by another if it is the one expected.
    pub(crate) fn replace_if_same(
        &self,
        key: &str,
        expected: u64,
        value: u64,
    ) -> Result<bool, CallError> {
        let request = map::replace_if_same::Request {
            name: self.name.to_owned(),
            key: text(key),
            test_value: number(expected),
            value: number(value),
            thread_id: THREAD,
        };
        Ok(self.client.call(&request)?.response)
    }

    /// Removes a key and gives back what was there.
    pub(crate) fn remove(&self, key: &str) -> Result<Option<u64>, CallError> {
        let name = self.name.to_owned();
        let request = map::remove::Request { name, key: text(key), thread_id: THREAD };
        Ok(self.client.call(&request)?.response.as_ref().map(number_of))
    }

    /// How many records it has.
    pub(crate) fn size(&self) -> Result<i32, CallError> {
        Ok(self.client.call(&map::size::Request { name: self.name.to_owned() })?.response)
    }

    /// All keys and values.
    pub(crate) fn entries(&self) -> Result<Vec<(Data, Data)>, CallError> {
        let request = map::entry_set::Request { name: self.name.to_owned() };
        Ok(self.client.call(&request)?.response.0)
    }

    /// Listens to every record; a smart client does so on each connection, with `local_only`.
    pub(crate) fn listen(&self, local_only: bool) -> Result<CorrelationId, CallError> {
        self.client.listen(&map::add_entry_listener::Request {
            name: self.name.to_owned(),
            include_value: true,
            listener_flags: ADDED_UPDATED_REMOVED_EXPIRED,
            local_only,
        })
    }
}
