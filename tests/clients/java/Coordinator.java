import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.hazelcast.collection.ISet;
import com.hazelcast.core.EntryEvent;
import com.hazelcast.core.HazelcastInstance;
import com.hazelcast.cp.lock.FencedLock;
import com.hazelcast.map.IMap;
import com.hazelcast.map.listener.EntryAddedListener;
import com.hazelcast.map.listener.EntryRemovedListener;
import com.hazelcast.map.listener.EntryUpdatedListener;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * The state store's side of one openLooKeng coordinator: every call it makes, at its pace.
 *
 * <p>One thread writes the whole states of its queries each 100 ms, one fetches all states each 100
 * ms, one takes the locks, one lets queries begin and end. A call that fails is counted and made
 * again in the next round, as openLooKeng does, which logs it. What was acknowledged is checked
 * in every fetch: a state older than that is a stale read.
 */
final class Coordinator {
    private static final long PERIOD_MS = 100;
    private static final long LOCK_PERIOD_MS = 1_000;
    private static final long QUERY_PERIOD_MS = 2_000;
    private static final int QUERIES = 3;
    private static final int STATE_BYTES = 2_500;
    private static final int ERRORS_KEPT_MAX = 20;

    private final HazelcastInstance instance;
    private final String name;
    private final boolean encoded;
    private final long[] acknowledged = new long[QUERIES];
    private final List<Thread> threads = new ArrayList<>();
    private final JsonArray errors = new JsonArray();
    private volatile boolean stopping;
    private long updates;
    private long fetches;
    private long failures;
    private long stale;
    private long locked;
    private long finished;
    private long events;
    private long longestGapMs;
    private long lastUpdate = System.nanoTime();
    private UUID listener;

    Coordinator(HazelcastInstance instance, JsonObject command) {
        this.instance = instance;
        this.name = command.get("name").getAsString();
        this.encoded = Values.flag(command, "base64", false);
    }

    void start() {
        IMap<String, Object> filters = instance.getMap("merged-dynamic-filters");
        // With value and without a key, as every worker registers.
        listener = filters.addEntryListener(new Filters(), true);
        run("update", PERIOD_MS, this::update);
        run("fetch", PERIOD_MS, this::fetch);
        run("locks", LOCK_PERIOD_MS, this::locks);
        run("queries", QUERY_PERIOD_MS, this::query);
    }

    JsonElement stop() throws InterruptedException {
        stopping = true;
        for (Thread thread : threads) {
            thread.join();
        }
        // What was acknowledged last is what everybody reads now.
        fetch();
        instance.getMap("merged-dynamic-filters").removeEntryListener(listener);
        JsonObject told = new JsonObject();
        synchronized (this) {
            told.addProperty("updates", updates);
            told.addProperty("fetches", fetches);
            told.addProperty("failures", failures);
            told.addProperty("stale", stale);
            told.addProperty("locked", locked);
            told.addProperty("finished", finished);
            told.addProperty("events", events);
            told.addProperty("longest_gap_ms", longestGapMs);
            told.add("errors", errors);
        }
        return told;
    }

    private void run(String what, long periodMs, Round round) {
        Thread thread =
                new Thread(
                        () -> {
                            while (!stopping) {
                                attempt(what, round);
                                pause(periodMs);
                            }
                        },
                        name + "-" + what);
        thread.setDaemon(true);
        threads.add(thread);
        thread.start();
    }

    private void attempt(String what, Round round) {
        try {
            round.run();
        } catch (Exception e) {
            synchronized (this) {
                failures++;
                if (errors.size() < ERRORS_KEPT_MAX) {
                    errors.add(what + ": " + e);
                }
            }
        }
    }

    /** The state of each running query, whole, and the counters of the resource group. */
    private void update() {
        IMap<String, String> queries = instance.getMap("query");
        for (int i = 0; i < QUERIES; i++) {
            long next = acknowledged[i] + 1;
            queries.put(key(i), state(next));
            synchronized (this) {
                acknowledged[i] = next;
                updates++;
                long now = System.nanoTime();
                longestGapMs = Math.max(longestGapMs, (now - lastUpdate) / 1_000_000);
                lastUpdate = now;
            }
        }
        IMap<String, String> groups = instance.getMap(name + ":8080-resourceaggrstats");
        // The store's replace is a look and a put.
        if (groups.containsKey("global")) {
            groups.get("global");
        }
        groups.put("global", "{\"runningQueries\":3,\"queuedQueries\":0}");
    }

    private void fetch() {
        long[] before;
        synchronized (this) {
            before = acknowledged.clone();
        }
        Map<String, String> seen = new java.util.HashMap<>();
        for (Map.Entry<String, String> entry :
                instance.<String, String>getMap("query").entrySet()) {
            seen.put(entry.getKey(), entry.getValue());
        }
        for (String map : new String[] {"finished-query", "oom-query", "cpu-usage"}) {
            instance.getMap(map).entrySet();
        }
        instance.getMap("discovery-service").entrySet();
        synchronized (this) {
            fetches++;
            for (int i = 0; i < QUERIES; i++) {
                String state = seen.get(key(i));
                if (before[i] > 0 && (state == null || number(state) < before[i])) {
                    stale++;
                    errors.add("stale: " + key(i) + " at " + before[i] + " was " + state);
                }
            }
        }
    }

    private void locks() {
        take("handle-oom-query-lock", 1_000);
        take("handle-expired-query-lock", 1_000);
        take("global", 0);
        take("discovery-service-lock", 3_000);
    }

    private void take(String lockName, long timeoutMs) {
        FencedLock lock = instance.getCPSubsystem().getLock(lockName);
        boolean held =
                timeoutMs == 0 ? lock.tryLock() : lock.tryLock(timeoutMs, TimeUnit.MILLISECONDS);
        if (held) {
            lock.unlock();
            synchronized (this) {
                locked++;
            }
        }
    }

    /** One query from its begin to its end. */
    private void query() {
        String id = name + "-" + UUID.randomUUID();
        IMap<String, String> transactions = instance.getMap("transaction");
        IMap<String, String> queries = instance.getMap("query");
        IMap<String, String> done = instance.getMap("finished-query");
        transactions.put(id, id);
        queries.put(id, state(1));
        filters(id);
        metastore();
        done.put(id, state(2));
        queries.remove(id);
        transactions.remove(id);
        // The tracker lets it expire.
        done.remove(id);
        synchronized (this) {
            finished++;
        }
    }

    private void filters(String id) {
        ISet<Object> tasks = instance.getSet("tasks-1-" + id);
        ISet<Object> parts = instance.getSet("partial-1-" + id);
        tasks.add(id + ".1");
        parts.add(new byte[] {1, 2, 3});
        parts.add(new HashSet<>(List.of("a", "b")));
        if (tasks.size() == tasks.toArray().length) {
            IMap<String, Object> merged = instance.getMap("merged-dynamic-filters");
            merged.put("filter-1-" + id, new byte[512]);
            merged.put("filter-2-" + id, new HashSet<>(List.of("a", "b")));
            instance.<String, Object>getMap("cross-region-dynamic-filters")
                    .put(id, new java.util.HashMap<>(Map.of("column", new byte[16])));
            merged.remove("filter-1-" + id);
            merged.remove("filter-2-" + id);
            instance.getMap("cross-region-dynamic-filters").remove(id);
        }
        tasks.destroy();
        parts.destroy();
    }

    private void metastore() {
        String web = "hive.web-" + name;
        IMap<String, Object> catalogs = instance.getMap("catalogCache");
        IMap<String, Object> tables = instance.getMap("tableCache");
        catalogs.computeIfAbsent("hive", key -> new Entities.Catalog("{\"name\":\"hive\"}"));
        instance.<String, Object>getMap("databaseCache")
                .put(web, new Entities.Database("{\"name\":\"web\"}"));
        tables.put(web + ".clicks", Optional.of(new Entities.Table("{\"name\":\"clicks\"}")));
        Object table = tables.get(web + ".clicks");
        if (!(table instanceof Optional)
                || !(((Optional<?>) table).orElse(null) instanceof Entities.Table)) {
            throw new IllegalStateException("a cached table came back as " + table);
        }
        tables.remove(web + ".clicks");
        instance.getMap("tablesCache").clear();
        instance.<String, Object>getMap("split-cache-metadata-map")
                .put("clicks", new Entities.Slice(new byte[] {4, 5}));
        if (instance.getMap("split-cache-metadata-map").size() == 0
                || !instance.getMap("split-cache-metadata-map").keySet().contains("clicks")) {
            throw new IllegalStateException("a split's record is missing");
        }
        instance.getFlakeIdGenerator("openlookeng").newId();
    }

    private String key(int query) {
        return name + "-q" + query;
    }

    private String state(long number) {
        StringBuilder text = new StringBuilder("{\"seq\":").append(number).append(",\"state\":\"");
        while (text.length() < STATE_BYTES) {
            text.append("RUNNING-");
        }
        byte[] json = text.append("\"}").toString().getBytes(StandardCharsets.UTF_8);
        return encoded
                ? Base64.getEncoder().encodeToString(json)
                : new String(json, StandardCharsets.UTF_8);
    }

    private long number(String state) {
        String json =
                encoded
                        ? new String(Base64.getDecoder().decode(state), StandardCharsets.UTF_8)
                        : state;
        return Long.parseLong(json.substring("{\"seq\":".length(), json.indexOf(',')));
    }

    private static void pause(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private interface Round {
        void run() throws Exception;
    }

    private final class Filters
            implements EntryAddedListener<String, Object>,
                    EntryUpdatedListener<String, Object>,
                    EntryRemovedListener<String, Object> {
        private final HashSet<String> added = new HashSet<>();

        @Override
        public void entryAdded(EntryEvent<String, Object> event) {
            synchronized (Coordinator.this) {
                events++;
                if (event.getValue() == null || !added.add(event.getKey())) {
                    errors.add("event: " + event.getKey() + " added twice or without value");
                }
            }
        }

        @Override
        public void entryUpdated(EntryEvent<String, Object> event) {
            synchronized (Coordinator.this) {
                // A put whose answer was lost is made again by no round: each key is put once.
                errors.add("event: " + event.getKey() + " updated");
            }
        }

        @Override
        public void entryRemoved(EntryEvent<String, Object> event) {
            synchronized (Coordinator.this) {
                events++;
            }
        }
    }
}
