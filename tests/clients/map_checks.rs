//! Maps: every call of the tier, life times, listeners, locks, batches and large values.

use crate::support::driver::{Answer, Driver, Pending};
use crate::support::wait_until;
use serde_json::{Map, Value, json};
use std::cell::Cell;
use std::time::{Duration, Instant};

const EVENT_TIMEOUT: Duration = Duration::from_secs(10);
/// Expired records are noticed by a background task; a real member's takes its time.
const EXPIRY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a second copy of an event is looked for.
const SILENCE: Duration = Duration::from_millis(700);
const BATCH_ENTRIES: usize = 10_000;
const LARGE_VALUE_BYTES: u32 = 8 * 1024 * 1024;
/// CRC-32 of the drivers' byte pattern of that length with seed 7.
const LARGE_VALUE_CRC32: u32 = 44_177_942;

/// A map as one thread of one client sees it.
#[derive(Clone, Copy)]
pub(crate) struct MapOf<'a> {
    pub(crate) driver: &'a Driver,
    pub(crate) client: &'a str,
    pub(crate) thread: &'a str,
    pub(crate) name: &'a str,
}

impl<'a> MapOf<'a> {
    pub(crate) fn new(driver: &'a Driver, name: &'a str) -> MapOf<'a> {
        MapOf { driver, client: "default", thread: "main", name }
    }

    pub(crate) fn with(self, client: &'a str, thread: &'a str) -> MapOf<'a> {
        MapOf { client, thread, ..self }
    }

    fn command(&self, call: &str, mut fields: Value) -> Value {
        fields["op"] = json!(format!("map.{call}"));
        fields["client"] = json!(self.client);
        fields["thread"] = json!(self.thread);
        fields["name"] = json!(self.name);
        fields
    }

    pub(crate) fn ok(&self, call: &str, fields: Value) -> Value {
        self.driver.ok(self.command(call, fields))
    }

    pub(crate) fn call(&self, call: &str, fields: Value) -> Answer {
        self.driver.call(self.command(call, fields))
    }

    pub(crate) fn begin(&self, call: &str, fields: Value) -> Pending {
        self.driver.call_async(self.command(call, fields))
    }

    pub(crate) fn put(&self, key: &str, value: &str) -> Value {
        self.ok("put", json!({"key": key, "value": value}))
    }

    pub(crate) fn get(&self, key: &str) -> Value {
        self.ok("get", json!({"key": key}))
    }
}

/// Puts, gets and removals, and what each of them answers.
// covers: Map.put Map.get Map.set Map.containsKey Map.containsValue Map.putIfAbsent Map.replace
// covers: Map.replaceIfSame Map.removeIfSame Map.remove Map.delete Map.isEmpty
// covers: Map.tryPut Map.tryRemove Map.evict
pub(crate) fn single_records(driver: &Driver, name: &str) {
    let map = MapOf::new(driver, name);
    assert_eq!(map.put("a", "1"), Value::Null);
    assert_eq!(map.put("a", "2"), "1");
    assert_eq!(map.get("a"), "2");
    assert_eq!(map.get("none"), Value::Null);
    map.ok("set", json!({"key": "b", "value": "3"}));
    assert_eq!(map.get("b"), "3");
    assert_eq!(map.ok("contains_key", json!({"key": "a"})), true);
    assert_eq!(map.ok("contains_key", json!({"key": "none"})), false);
    assert_eq!(map.ok("contains_value", json!({"value": "3"})), true);
    assert_eq!(map.ok("contains_value", json!({"value": "none"})), false);
    assert_eq!(map.ok("put_if_absent", json!({"key": "a", "value": "9"})), "2");
    assert_eq!(map.ok("put_if_absent", json!({"key": "c", "value": "4"})), Value::Null);
    assert_eq!(map.ok("replace", json!({"key": "c", "value": "5"})), "4");
    assert_eq!(map.ok("replace", json!({"key": "none", "value": "5"})), Value::Null);
    let same = |old: &str| json!({"key": "c", "old": old, "value": "6"});
    assert_eq!(map.ok("replace_if_same", same("4")), false);
    assert_eq!(map.ok("replace_if_same", same("5")), true);
    assert_eq!(map.ok("remove_if_same", json!({"key": "c", "value": "5"})), false);
    assert_eq!(map.ok("remove_if_same", json!({"key": "c", "value": "6"})), true);
    assert_eq!(map.ok("remove", json!({"key": "a"})), "2");
    assert_eq!(map.ok("remove", json!({"key": "a"})), Value::Null);
    map.ok("delete", json!({"key": "b"}));
    assert_eq!(map.ok("is_empty", json!({})), true);
    assert_eq!(map.ok("try_put", json!({"key": "d", "value": "7", "timeout_ms": 1000})), true);
    assert_eq!(map.ok("try_remove", json!({"key": "d", "timeout_ms": 1000})), true);
    map.put("e", "8");
    assert_eq!(map.ok("evict", json!({"key": "e"})), true);
    assert_eq!(map.get("e"), Value::Null);
}

/// Calls on the whole map.
// covers: Map.putAll Map.getAll Map.size Map.isEmpty Map.keySet Map.values Map.entrySet Map.flush
// covers: Map.fetchKeys Map.fetchEntries Map.clear Map.evictAll Map.removeAll
pub(crate) fn whole_map(driver: &Driver, name: &str) {
    let map = MapOf::new(driver, name);
    map.ok("put_all", json!({"entries": {"a": "1", "b": "2", "c": "3"}}));
    assert_eq!(map.ok("size", json!({})), 3);
    assert_eq!(map.ok("is_empty", json!({})), false);
    let some = map.ok("get_all", json!({"keys": ["a", "c", "none"]}));
    assert_eq!(some, json!({"a": "1", "c": "3"}));
    assert_eq!(sorted(map.ok("key_set", json!({}))), json!(["a", "b", "c"]));
    assert_eq!(sorted(map.ok("values", json!({}))), json!(["1", "2", "3"]));
    assert_eq!(map.ok("entry_set", json!({})), json!({"a": "1", "b": "2", "c": "3"}));
    map.ok("flush", json!({}));
    if driver.kind.is_java() {
        assert_eq!(sorted(map.ok("iterate", json!({}))), json!(["a", "b", "c"]));
        assert_eq!(map.ok("compute_if_absent", json!({"key": "d", "value": "4"})), "4");
        assert_eq!(map.ok("compute_append", json!({"key": "d", "value": "5"})), "45");
    }
    map.ok("clear", json!({}));
    assert_eq!(map.ok("size", json!({})), 0);
    map.put("a", "1");
    map.ok("evict_all", json!({}));
    assert_eq!(map.ok("size", json!({})), 0);
    map.put("a", "1");
    map.ok("remove_all", json!({}));
    assert_eq!(map.ok("size", json!({})), 0);
}

/// Time to live and idle time, given with each kind of write.
// checks: R-17
// covers: Map.putTransient Map.setTtl Map.putWithMaxIdle Map.setWithMaxIdle
// covers: Map.putIfAbsentWithMaxIdle Map.putTransientWithMaxIdle
pub(crate) fn life_times(driver: &Driver, name: &str) {
    let map = MapOf::new(driver, name);
    map.ok("add_listener", json!({"listener": name}));
    let begin = Instant::now();
    map.ok("put", json!({"key": "put", "value": "1", "ttl_ms": 2000}));
    map.ok("set", json!({"key": "set", "value": "1", "ttl_ms": 2000}));
    map.ok("put_if_absent", json!({"key": "absent", "value": "1", "ttl_ms": 2000}));
    map.ok("put_transient", json!({"key": "transient", "value": "1", "ttl_ms": 2000}));
    let idle = |key: &str| json!({"key": key, "value": "1", "ttl_ms": 0, "max_idle_ms": 2000});
    map.ok("put", idle("idle-put"));
    map.ok("set", idle("idle-set"));
    map.ok("put_if_absent", idle("idle-absent"));
    map.ok("put_transient", idle("idle-transient"));
    map.put("later", "1");
    map.ok("set_ttl", json!({"key": "later", "ttl_ms": 2000}));
    map.ok("put", json!({"key": "long", "value": "1", "ttl_ms": 600_000}));
    map.put("kept", "1");
    assert_eq!(map.get("put"), "1");
    // A record that is read does not idle.
    while begin.elapsed() < Duration::from_millis(3500) {
        assert_eq!(map.get("idle-put"), "1", "read every 100 ms, so never idle for 2 s");
        std::thread::sleep(Duration::from_millis(100));
    }
    for key in ["put", "set", "absent", "transient", "later"] {
        wait_until(key, EXPIRY_TIMEOUT, || map.get(key).is_null());
    }
    for key in ["put", "set", "absent", "later", "idle-put", "idle-set", "idle-absent"] {
        let event = driver.wait_for(EXPIRY_TIMEOUT, |e| e["listener"] == name && is_end(e, key));
        assert_eq!(event["type"], "EXPIRED", "{event}");
    }
    assert_eq!(map.get("long"), "1");
    assert_eq!(map.get("kept"), "1");
}

/// What `getEntryView` tells.
// covers: Map.getEntryView
pub(crate) fn entry_view(driver: &Driver, name: &str) {
    let map = MapOf::new(driver, name);
    map.ok("put", json!({"key": "timed", "value": "1", "ttl_ms": 600_000}));
    let view = map.ok("entry_view", json!({"key": "timed"}));
    assert_eq!(view["key"], "timed");
    assert_eq!(view["value"], "1");
    assert_eq!(plain(&view["ttl_ms"]), "600000");
    map.put("plain", "1");
    let view = map.ok("entry_view", json!({"key": "plain"}));
    assert_eq!(plain(&view["ttl_ms"]), i64::MAX.to_string(), "no time to live");
    assert_eq!(plain(&view["max_idle_ms"]), i64::MAX.to_string(), "no idle time");
    assert_eq!(map.ok("entry_view", json!({"key": "none"})), Value::Null);
}

/// Listeners with values, without, and for one key: each event once, with what it should carry.
// covers: Map.addEntryListener Map.addEntryListenerToKey Map.removeEntryListener
pub(crate) fn listeners(driver: &Driver, client: &str, name: &str) {
    let map = MapOf::new(driver, name).with(client, "main");
    let [full, bare, keyed] = ["full", "bare", "keyed"].map(|l| format!("{client}-{name}-{l}"));
    map.ok("add_listener", json!({"listener": full, "include_value": true}));
    map.ok("add_listener", json!({"listener": bare, "include_value": false}));
    map.ok("add_listener", json!({"listener": keyed, "key": "b"}));
    map.put("a", "1");
    map.put("a", "2");
    map.ok("remove", json!({"key": "a"}));
    map.put("b", "3");
    map.ok("evict", json!({"key": "b"}));
    map.put("c", "4");
    map.ok("clear", json!({}));
    map.put("last", "5");
    for listener in [&full, &bare] {
        driver.wait_for(EVENT_TIMEOUT, |e| e["listener"] == **listener && e["key"] == "last");
        driver.wait_for(EVENT_TIMEOUT, |e| e["listener"] == **listener && e["type"] == "CLEAR_ALL");
    }
    driver.wait_for(EVENT_TIMEOUT, |e| e["listener"] == keyed && e["type"] == "EVICTED");
    let second = |e: &Value| e["listener"] == full && e["key"] == "last";
    no_second(driver, second);
    let of_a = |listener: &str| -> Vec<Value> {
        let events = driver.events_of(listener).into_iter();
        let values = |e: Value| json!([e["type"], e["value"], e["old"]]);
        events.filter(|e| e["key"] == "a").map(values).collect()
    };
    let added = json!(["ADDED", "1", null]);
    let updated = json!(["UPDATED", "2", "1"]);
    assert_eq!(of_a(&full), [added, updated, json!(["REMOVED", null, "2"])]);
    let without = |kind: &str| json!([kind, null, null]);
    assert_eq!(of_a(&bare), [without("ADDED"), without("UPDATED"), without("REMOVED")]);
    let count = |listener: &str| driver.events_of(listener).len();
    assert_eq!((count(&full), count(&bare)), (8, 8), "{:#?}", driver.events_of(&full));
    let keyed_types: Vec<Value> =
        driver.events_of(&keyed).iter().map(|event| event["type"].clone()).collect();
    assert!(keyed_types.starts_with(&[json!("ADDED"), json!("EVICTED")]), "{keyed_types:?}");
    assert_eq!(map.ok("remove_listener", json!({"listener": full})), true);
    map.put("after", "6");
    driver.wait_for(EVENT_TIMEOUT, |e| e["listener"] == bare && e["key"] == "after");
    assert_eq!(count(&full), 8, "a removed listener hears nothing");
    for listener in [bare, keyed] {
        map.ok("remove_listener", json!({"listener": listener}));
    }
}

/// A batch far above what one message usually carries.
// covers: Map.putAll Map.getAll Map.entrySet
pub(crate) fn large_batch(driver: &Driver, name: &str) {
    let map = MapOf::new(driver, name);
    let entries: Map<String, Value> =
        (0..BATCH_ENTRIES).map(|i| (format!("key-{i}"), json!(format!("value-{i}")))).collect();
    let keys: Vec<&String> = entries.keys().collect();
    map.ok("put_all", json!({"entries": entries}));
    assert_eq!(map.ok("size", json!({})), BATCH_ENTRIES);
    let found = map.ok("get_all", json!({"keys": keys}));
    assert!(found == json!(entries), "getAll must return what putAll wrote");
    assert!(map.ok("entry_set", json!({})) == json!(entries), "so must the entry set");
    map.ok("destroy", json!({}));
}

/// A value of several MiB, and the same through another client.
pub(crate) fn large_value(driver: &Driver, name: &str) {
    let map = MapOf::new(driver, name);
    map.ok("set", json!({"key": "blob", "value": {"$blob": LARGE_VALUE_BYTES, "seed": 7}}));
    let expected = json!({"$blob": LARGE_VALUE_BYTES, "crc32": LARGE_VALUE_CRC32});
    assert_eq!(map.get("blob"), expected);
    assert_eq!(map.with("second", "main").get("blob"), expected);
    map.ok("destroy", json!({}));
}

/// Locks of a key: who waits, who is refused, and what passes.
// covers: Map.lock Map.tryLock Map.unlock Map.isLocked Map.forceUnlock Map.tryPut Map.tryRemove
pub(crate) fn key_locks(driver: &Driver, name: &str) {
    let owner = MapOf::new(driver, name).with("default", "owner");
    let other = MapOf::new(driver, name).with("second", "other");
    let key = json!({"key": "k"});
    owner.put("k", "1");
    owner.ok("lock", key.clone());
    owner.ok("lock", key.clone());
    assert_eq!(other.ok("is_locked", key.clone()), true);
    assert_eq!(other.get("k"), "1", "reads pass");
    assert_eq!(other.ok("try_lock", key.clone()), false);
    let begin = Instant::now();
    assert_eq!(other.ok("try_lock", json!({"key": "k", "timeout_ms": 1000})), false);
    assert!(begin.elapsed() >= Duration::from_millis(900), "waited {:?}", begin.elapsed());
    assert_eq!(other.ok("try_put", json!({"key": "k", "value": "2", "timeout_ms": 100})), false);
    assert_eq!(other.ok("try_remove", json!({"key": "k", "timeout_ms": 100})), false);
    let refused = other.call("unlock", key.clone()).expect_err("only the owner may unlock");
    // By the message: Node gives this error no class of its own.
    assert!(refused.text().contains("not owner of the lock"), "{}", refused.text());
    owner.put("k", "3");
    let waiting = other.begin("put", json!({"key": "k", "value": "4"}));
    waiting.keeps_waiting(Duration::from_millis(300));
    owner.ok("unlock", key.clone());
    waiting.keeps_waiting(Duration::from_millis(300));
    owner.ok("unlock", key.clone());
    assert_eq!(waiting.wait(EVENT_TIMEOUT).unwrap(), "3", "the waiting put sees the last value");
    assert_eq!(owner.ok("is_locked", key.clone()), false);
    owner.ok("lock", json!({"key": "k", "lease_ms": 1500}));
    assert_eq!(other.ok("try_lock", key.clone()), false);
    assert_eq!(other.ok("try_lock", json!({"key": "k", "timeout_ms": 15_000})), true);
    owner.ok("force_unlock", key.clone());
    assert_eq!(owner.ok("is_locked", key), false);
}

/// The end of a record by itself, as an event.
fn is_end(event: &Value, key: &str) -> bool {
    event["key"] == key && (event["type"] == "EXPIRED" || event["type"] == "EVICTED")
}

/// Fails when an event that has come once comes again.
fn no_second(driver: &Driver, matches: impl Fn(&Value) -> bool) {
    let seen = Cell::new(0);
    let second = driver.find_event(SILENCE, |event| {
        seen.set(seen.get() + usize::from(matches(event)));
        seen.get() > 1
    });
    assert!(second.is_none(), "an event came twice: {second:?}");
}

fn sorted(values: Value) -> Value {
    let Value::Array(mut values) = values else { panic!("not a list: {values}") };
    values.sort_by_key(Value::to_string);
    Value::Array(values)
}

/// Node answers 64-bit numbers as text.
fn plain(number: &Value) -> String {
    number.as_str().map_or_else(|| number.to_string(), ToString::to_string)
}
