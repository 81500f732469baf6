import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import com.hazelcast.aggregation.Aggregators;
import com.hazelcast.config.IndexType;
import com.hazelcast.core.EntryEvent;
import com.hazelcast.core.EntryListener;
import com.hazelcast.core.EntryView;
import com.hazelcast.core.HazelcastInstance;
import com.hazelcast.map.EntryProcessor;
import com.hazelcast.map.IMap;
import com.hazelcast.map.MapEvent;
import com.hazelcast.nearcache.NearCacheStats;
import com.hazelcast.query.Predicates;
import java.util.HashSet;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/** The calls of one map. */
final class MapCalls {
    private static final TimeUnit MS = TimeUnit.MILLISECONDS;
    private final Map<String, UUID> listeners = new ConcurrentHashMap<>();

    JsonElement call(HazelcastInstance instance, String call, JsonObject command) throws Exception {
        IMap<Object, Object> map = instance.getMap(command.get("name").getAsString());
        Object key = Values.decode(command.get("key"));
        switch (call) {
            case "put":
            case "set":
            case "put_if_absent":
            case "put_transient":
            case "try_put":
            case "set_ttl":
            case "replace":
            case "replace_if_same":
                return write(map, call, key, command);
            case "put_all":
                map.putAll(Values.entries(command, "entries"));
                return null;
            case "lock":
            case "try_lock":
            case "unlock":
            case "is_locked":
            case "force_unlock":
                return lock(map, call, key, command);
            case "add_listener":
            case "remove_listener":
                return listener(map, call, key, command);
            default:
                return key == null ? whole(map, call, command) : entry(map, call, key, command);
        }
    }

    private JsonElement write(
            IMap<Object, Object> map, String call, Object key, JsonObject command) {
        Object value = Values.decode(command.get("value"));
        boolean timed = command.has("ttl_ms");
        boolean idle = command.has("max_idle_ms");
        long ttl = Values.number(command, "ttl_ms", -1);
        long maxIdle = Values.number(command, "max_idle_ms", -1);
        switch (call) {
            case "put":
                return Values.encode(
                        idle ? map.put(key, value, ttl, MS, maxIdle, MS)
                                : timed ? map.put(key, value, ttl, MS) : map.put(key, value));
            case "set":
                if (idle) {
                    map.set(key, value, ttl, MS, maxIdle, MS);
                } else if (timed) {
                    map.set(key, value, ttl, MS);
                } else {
                    map.set(key, value);
                }
                return null;
            case "put_if_absent":
                return Values.encode(
                        idle ? map.putIfAbsent(key, value, ttl, MS, maxIdle, MS)
                                : timed ? map.putIfAbsent(key, value, ttl, MS)
                                        : map.putIfAbsent(key, value));
            case "put_transient":
                if (idle) {
                    map.putTransient(key, value, ttl, MS, maxIdle, MS);
                } else {
                    map.putTransient(key, value, ttl, MS);
                }
                return null;
            case "try_put":
                long timeout = Values.number(command, "timeout_ms", 0);
                return Values.encode(map.tryPut(key, value, timeout, MS));
            case "set_ttl":
                return Values.encode(map.setTtl(key, ttl, MS));
            case "replace":
                return Values.encode(map.replace(key, value));
            default:
                Object old = Values.decode(command.get("old"));
                return Values.encode(map.replace(key, old, value));
        }
    }

    private JsonElement entry(IMap<Object, Object> map, String call, Object key, JsonObject command)
            throws Exception {
        switch (call) {
            case "get":
                return Values.encode(map.get(key));
            case "remove":
                return Values.encode(map.remove(key));
            case "remove_if_same":
                return Values.encode(map.remove(key, Values.decode(command.get("value"))));
            case "delete":
                map.delete(key);
                return null;
            case "contains_key":
                return Values.encode(map.containsKey(key));
            case "try_remove":
                return Values.encode(
                        map.tryRemove(key, Values.number(command, "timeout_ms", 0), MS));
            case "evict":
                return Values.encode(map.evict(key));
            case "entry_view":
                return view(map.getEntryView(key));
            case "compute_if_absent":
                Object made = Values.decode(command.get("value"));
                return Values.encode(map.computeIfAbsent(key, absent -> made));
            case "compute_append":
                return Values.encode(
                        map.compute(key, (k, old) -> old + command.get("value").getAsString()));
            case "execute_on_key":
                return Values.encode(map.executeOnKey(key, new Touch()));
            default:
                throw new IllegalArgumentException("no map call " + call + " with a key");
        }
    }

    private JsonElement whole(IMap<Object, Object> map, String call, JsonObject command) {
        switch (call) {
            case "get_all":
                return Values.encodeEntries(
                        map.getAll(new HashSet<>(Values.list(command, "keys"))).entrySet());
            case "contains_value":
                return Values.encode(map.containsValue(Values.decode(command.get("value"))));
            case "size":
                return Values.encode(map.size());
            case "is_empty":
                return Values.encode(map.isEmpty());
            case "clear":
                map.clear();
                return null;
            case "evict_all":
                map.evictAll();
                return null;
            case "flush":
                map.flush();
                return null;
            case "key_set":
                return Values.encodeAll(map.keySet());
            case "values":
                return Values.encodeAll(map.values());
            case "entry_set":
                return Values.encodeEntries(map.entrySet());
            case "iterate":
                return iterate(map);
            case "remove_all":
                map.removeAll(Predicates.alwaysTrue());
                return null;
            case "near_cache_stats":
                return nearCache(map.getLocalMapStats().getNearCacheStats());
            case "destroy":
                map.destroy();
                return null;
            case "add_index":
                map.addIndex(IndexType.HASH, "name");
                return null;
            case "key_set_where":
                String sql = command.get("sql").getAsString();
                return Values.encodeAll(map.keySet(Predicates.sql(sql)));
            case "aggregate_count":
                return Values.encode(map.aggregate(Aggregators.count()));
            case "load_all":
                map.loadAll(true);
                return null;
            default:
                throw new IllegalArgumentException("no map call " + call + " without a key");
        }
    }

    private JsonElement lock(IMap<Object, Object> map, String call, Object key, JsonObject command)
            throws Exception {
        switch (call) {
            case "lock":
                if (command.has("lease_ms")) {
                    map.lock(key, command.get("lease_ms").getAsLong(), MS);
                } else {
                    map.lock(key);
                }
                return null;
            case "try_lock":
                long timeout = Values.number(command, "timeout_ms", 0);
                return Values.encode(
                        command.has("lease_ms")
                                ? map.tryLock(
                                        key, timeout, MS, command.get("lease_ms").getAsLong(), MS)
                                : command.has("timeout_ms")
                                        ? map.tryLock(key, timeout, MS)
                                        : map.tryLock(key));
            case "unlock":
                map.unlock(key);
                return null;
            case "force_unlock":
                map.forceUnlock(key);
                return null;
            default:
                return Values.encode(map.isLocked(key));
        }
    }

    private JsonElement listener(
            IMap<Object, Object> map, String call, Object key, JsonObject command) {
        String label = command.get("listener").getAsString();
        if (call.equals("remove_listener")) {
            return Values.encode(map.removeEntryListener(listeners.remove(label)));
        }
        boolean withValue = Values.flag(command, "include_value", true);
        Listener listener = new Listener(label);
        UUID id =
                key == null
                        ? map.addEntryListener(listener, withValue)
                        : map.addEntryListener(listener, key, withValue);
        listeners.put(label, id);
        return new JsonPrimitive(id.toString());
    }

    /** From 5.0 on a map can be walked by partition; 4.2 walks its entry set. */
    private static JsonArray iterate(IMap<Object, Object> map) {
        Object walked = map instanceof Iterable ? map : map.entrySet();
        JsonArray keys = new JsonArray();
        for (Object entry : (Iterable<?>) walked) {
            keys.add(Values.encode(((Map.Entry<?, ?>) entry).getKey()));
        }
        return keys;
    }

    private static JsonElement view(EntryView<Object, Object> view) {
        if (view == null) {
            return null;
        }
        JsonObject fields = new JsonObject();
        fields.add("key", Values.encode(view.getKey()));
        fields.add("value", Values.encode(view.getValue()));
        fields.addProperty("ttl_ms", view.getTtl());
        fields.addProperty("max_idle_ms", view.getMaxIdle());
        fields.addProperty("hits", view.getHits());
        fields.addProperty("version", view.getVersion());
        fields.addProperty("creation_time", view.getCreationTime());
        fields.addProperty("expiration_time", view.getExpirationTime());
        fields.addProperty("last_update_time", view.getLastUpdateTime());
        return fields;
    }

    private static JsonElement nearCache(NearCacheStats stats) {
        JsonObject fields = new JsonObject();
        fields.addProperty("owned", stats.getOwnedEntryCount());
        fields.addProperty("hits", stats.getHits());
        fields.addProperty("misses", stats.getMisses());
        fields.addProperty("invalidations", stats.getInvalidations());
        return fields;
    }

    /** Serializable, so that it reaches the server, which has no Java to run it. */
    private static final class Touch implements EntryProcessor<Object, Object, Object> {
        private static final long serialVersionUID = 1L;

        @Override
        public Object process(Map.Entry<Object, Object> entry) {
            return entry.getValue();
        }
    }

    private static final class Listener implements EntryListener<Object, Object> {
        private final String label;

        Listener(String label) {
            this.label = label;
        }

        @Override
        public void entryAdded(EntryEvent<Object, Object> event) {
            report(event);
        }

        @Override
        public void entryUpdated(EntryEvent<Object, Object> event) {
            report(event);
        }

        @Override
        public void entryRemoved(EntryEvent<Object, Object> event) {
            report(event);
        }

        @Override
        public void entryEvicted(EntryEvent<Object, Object> event) {
            report(event);
        }

        @Override
        public void entryExpired(EntryEvent<Object, Object> event) {
            report(event);
        }

        @Override
        public void mapCleared(MapEvent event) {
            report(event);
        }

        @Override
        public void mapEvicted(MapEvent event) {
            report(event);
        }

        private void report(EntryEvent<Object, Object> event) {
            JsonObject fields = new JsonObject();
            fields.addProperty("type", event.getEventType().name());
            fields.add("key", Values.encode(event.getKey()));
            fields.add("value", Values.encode(event.getValue()));
            fields.add("old", Values.encode(event.getOldValue()));
            // Applications dereference the member, so it must be there.
            fields.addProperty("member", event.getMember().getUuid().toString());
            Driver.event("entry", label, fields);
        }

        private void report(MapEvent event) {
            JsonObject fields = new JsonObject();
            fields.addProperty("type", event.getEventType().name());
            fields.addProperty("count", event.getNumberOfEntriesAffected());
            fields.addProperty("member", event.getMember().getUuid().toString());
            Driver.event("entry", label, fields);
        }
    }
}
