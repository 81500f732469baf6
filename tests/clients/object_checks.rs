//! Sets, ids, distributed objects, members, near caches, classes and calls that are refused.

use crate::map_checks::MapOf;
use crate::support::cluster::Cluster;
use crate::support::driver::Driver;
use crate::support::wait_until;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const EVENT_TIMEOUT: Duration = Duration::from_secs(10);
const IDS_PER_NODE: usize = 500;

/// Every call of a set, and its listener.
// covers: Set.add Set.addAll Set.size Set.contains Set.containsAll Set.remove
// covers: Set.compareAndRemoveAll Set.compareAndRetainAll Set.getAll Set.isEmpty Set.clear
// covers: Set.addListener Set.removeListener Client.destroyProxy
pub(crate) fn sets(driver: &Driver, name: &str) {
    let ok = |call: &str, mut fields: Value| {
        fields["op"] = json!(format!("set.{call}"));
        fields["name"] = json!(name);
        driver.ok(fields)
    };
    ok("add_listener", json!({"listener": name}));
    assert_eq!(ok("add", json!({"value": "a"})), true);
    assert_eq!(ok("add", json!({"value": "a"})), false);
    assert_eq!(ok("add_all", json!({"values": ["a", "b", "c", "d"]})), true);
    assert_eq!(ok("add_all", json!({"values": ["b", "c"]})), false);
    assert_eq!(ok("size", json!({})), 4);
    assert_eq!(ok("contains", json!({"value": "b"})), true);
    assert_eq!(ok("contains", json!({"value": "none"})), false);
    assert_eq!(ok("contains_all", json!({"values": ["a", "b"]})), true);
    assert_eq!(ok("contains_all", json!({"values": ["a", "none"]})), false);
    assert_eq!(ok("remove", json!({"value": "a"})), true);
    assert_eq!(ok("remove", json!({"value": "a"})), false);
    assert_eq!(ok("remove_all", json!({"values": ["b", "none"]})), true);
    assert_eq!(ok("retain_all", json!({"values": ["d"]})), true);
    assert_eq!(ok("get_all", json!({})), json!(["d"]));
    assert_eq!(ok("is_empty", json!({})), false);
    ok("clear", json!({}));
    assert_eq!(ok("is_empty", json!({})), true);
    ok("add", json!({"value": "last"}));
    driver.wait_for(EVENT_TIMEOUT, |e| e["listener"] == name && e["value"] == "last");
    let of_a: Vec<Value> = driver
        .events_of(name)
        .into_iter()
        .filter(|event| event["value"] == "a")
        .map(|event| event["type"].clone())
        .collect();
    assert_eq!(of_a, ["ADDED", "REMOVED"]);
    ok("remove_listener", json!({"listener": name}));
    ok("destroy", json!({}));
    assert_eq!(ok("size", json!({})), 0, "a destroyed set is empty");
}

/// Ids asked of different nodes never meet.
// checks: R-16
// covers: FlakeIdGenerator.newIdBatch
pub(crate) fn flake_ids(driver: &Driver, cluster: &Cluster, name: &str) {
    let mut all = BTreeSet::new();
    for node in 0..3 {
        let client = format!("{name}-{node}");
        let mut options = cluster.options_for(&[node]);
        options["smart"] = json!(false);
        driver.start_client(&client, options);
        let ids = driver.ok(json!({
            "op": "flake_id.new_ids", "client": client, "name": name, "count": IDS_PER_NODE,
        }));
        for id in ids.as_array().unwrap() {
            let id: i64 = id.as_str().map_or_else(|| id.to_string(), String::from).parse().unwrap();
            assert!(id > 0, "{id}");
            assert!(all.insert(id), "{id} was given twice");
        }
        driver.ok(json!({"op": "shutdown", "client": client}));
    }
    assert_eq!(all.len(), 3 * IDS_PER_NODE);
}

/// Objects are listed, and their creation and end are told.
// covers: Client.createProxy Client.destroyProxy Client.getDistributedObjects
// covers: Client.addDistributedObjectListener Client.removeDistributedObjectListener
pub(crate) fn distributed_objects(driver: &Driver, name: &str) {
    let map = MapOf::new(driver, name).with("second", "main");
    driver.ok(json!({"op": "objects.add_listener", "listener": name}));
    map.put("a", "1");
    let told = |kind: &str| {
        let event = driver.wait_for(EVENT_TIMEOUT, |event| {
            event["listener"] == name && event["type"] == kind && event["name"] == name
        });
        assert_eq!(event["service"], "hz:impl:mapService");
    };
    told("CREATED");
    let listed = driver.ok(json!({"op": "objects.list"}));
    let path = json!(format!("hz:impl:mapService/{name}"));
    assert!(listed.as_array().unwrap().contains(&path), "{listed}");
    map.ok("destroy", json!({}));
    told("DESTROYED");
    assert_eq!(map.ok("size", json!({})), 0, "a destroyed map is empty");
    assert_eq!(driver.ok(json!({"op": "objects.remove_listener", "listener": name})), true);
}

/// A client that was told one address learns of every node.
// covers: Client.authentication Client.addClusterViewListener Client.localBackupListener
pub(crate) fn members(driver: &Driver, cluster: &Cluster) {
    let expected: BTreeSet<u64> = (0..3).map(|i| u64::from(cluster.client_port(i))).collect();
    wait_until("the member list", EVENT_TIMEOUT, || {
        let ports = driver.ok(json!({"op": "members"}));
        let ports = ports.as_array().unwrap().iter().filter_map(Value::as_u64);
        ports.collect::<BTreeSet<_>>() == expected
    });
}

/// What one client changes leaves the near cache of the other.
// covers: Map.addNearCacheInvalidationListener Map.fetchNearCacheInvalidationMetadata
pub(crate) fn near_cache(driver: &Driver, name: &str) {
    let near = MapOf::new(driver, name);
    let far = near.with("second", "main");
    let sees = |what: &str, key: &str, value: Value| {
        wait_until(what, EVENT_TIMEOUT, || near.get(key) == value);
    };
    far.put("a", "1");
    far.put("b", "1");
    sees("the first value", "a", json!("1"));
    sees("the first value", "b", json!("1"));
    if driver.kind.is_java() {
        let hits = || near.ok("near_cache_stats", json!({}))["hits"].as_u64().unwrap();
        // A record read while it changes is not cached: the second read is not always a hit.
        wait_until("a hit of the near cache", EVENT_TIMEOUT, || {
            let before = hits();
            near.get("a");
            hits() > before
        });
    }
    far.put("a", "2");
    sees("the put", "a", json!("2"));
    far.ok("remove", json!({"key": "b"}));
    sees("the removal", "b", Value::Null);
    far.ok("put_all", json!({"entries": {"a": "3", "b": "3"}}));
    sees("the batch", "a", json!("3"));
    sees("the batch", "b", json!("3"));
    far.ok("clear", json!({}));
    sees("the clear", "a", Value::Null);
    near.put("a", "4");
    assert_eq!(near.get("a"), "4", "own writes at once");
}

/// Java classes with and without a serializer, read by a client that has not seen the class.
// covers: Client.sendSchema Client.fetchSchema
pub(crate) fn java_classes(driver: &Driver, name: &str) {
    let writer = MapOf::new(driver, name);
    let reader = writer.with("second", "main");
    let store = |key: &str, value: Value| {
        writer.ok("set", json!({"key": key, "value": value}));
        assert_eq!(reader.get(key), value);
        let same = json!({"key": key, "old": value, "value": value});
        assert_eq!(reader.ok("replace_if_same", same), true, "compared by bytes");
    };
    store("serializable", json!({"$serializable": "first", "amount": 41}));
    if driver.kind.has_zero_config_compact() {
        store("plain", json!({"$plain": "second", "amount": 42}));
    }
}

/// Calls outside the tier fail at once, name themselves, and leave the connection usable.
// checks: R-2
// covers: Map.addIndex Map.keySetWithPredicate Map.executeOnKey Map.aggregate Queue.offer
// covers: Sql.execute
pub(crate) fn refused_calls(driver: &Driver, name: &str) {
    let map = MapOf::new(driver, name);
    map.put("a", "1");
    let mut refused = vec![
        json!({"op": "map.add_index"}),
        json!({"op": "map.key_set_where", "sql": "this = 1"}),
        json!({"op": "queue.offer", "value": "a"}),
        json!({"op": "sql", "sql": "SELECT 1"}),
    ];
    if driver.kind.is_java() {
        refused.push(json!({"op": "map.execute_on_key", "key": "a"}));
        refused.push(json!({"op": "map.aggregate_count"}));
    }
    for mut command in refused {
        command["name"] = json!(name);
        let op = command["op"].clone();
        let text = driver.fails(command).text();
        assert!(text.contains("not supported"), "{op}: {text}");
        assert!(text.contains("UnsupportedOperation") || op == "sql", "{op}: {text}");
    }
    assert_eq!(map.get("a"), "1");
}
