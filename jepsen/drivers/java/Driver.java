import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.hazelcast.client.HazelcastClient;
import com.hazelcast.client.config.ClientConfig;
import com.hazelcast.client.config.ClientConnectionStrategyConfig.ReconnectMode;
import com.hazelcast.client.impl.clientside.HazelcastClientProxy;
import com.hazelcast.cluster.MembershipAdapter;
import com.hazelcast.cluster.MembershipEvent;
import com.hazelcast.collection.ISet;
import com.hazelcast.config.ListenerConfig;
import com.hazelcast.core.EntryEvent;
import com.hazelcast.core.HazelcastInstance;
import com.hazelcast.core.LifecycleEvent.LifecycleState;
import com.hazelcast.core.LifecycleListener;
import com.hazelcast.cp.lock.FencedLock;
import com.hazelcast.flakeidgen.FlakeIdGenerator;
import com.hazelcast.map.IMap;
import com.hazelcast.map.MapEvent;
import com.hazelcast.map.listener.EntryAddedListener;
import com.hazelcast.map.listener.EntryEvictedListener;
import com.hazelcast.map.listener.EntryExpiredListener;
import com.hazelcast.map.listener.EntryRemovedListener;
import com.hazelcast.map.listener.EntryUpdatedListener;
import com.hazelcast.map.listener.MapClearedListener;
import com.hazelcast.map.listener.MapEvictedListener;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/**
 * Performs the operations of a history on unmodified Java clients, by lines of JSON. The lines are
 * described in the README of the folder above.
 */
public final class Driver {
    private static final PrintStream OUT =
            new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private final Map<Long, Worker> processes = new HashMap<>();
    /** Workers without a process, by the options they were opened with. */
    private final Map<String, Queue<Worker>> idle = new ConcurrentHashMap<>();

    public static void main(String[] args) throws Exception {
        // The client's logging may take System.out; answers keep the stream captured above.
        System.setOut(System.err);
        new Driver().run();
        // The clients' threads are not all daemons, and the harness has closed our input.
        Runtime.getRuntime().halt(0);
    }

    static void write(JsonObject line) {
        synchronized (OUT) {
            OUT.println(line);
        }
    }

    private void run() throws Exception {
        BufferedReader in =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonObject command = JsonParser.parseString(line).getAsJsonObject();
            long number = command.get("process").getAsLong();
            String order = command.has("do") ? command.get("do").getAsString() : "perform";
            if (order.equals("close")) {
                Worker worker = processes.remove(number);
                if (worker != null) {
                    worker.leave();
                }
                continue;
            }
            if (order.equals("open")) {
                processes.put(number, worker(command));
            }
            Worker worker = processes.get(number);
            if (worker == null) {
                Worker.answer(command, () -> refuse("the process has no client"));
            } else {
                worker.take(command);
            }
        }
    }

    private Worker worker(JsonObject options) {
        JsonObject kept = options.deepCopy();
        List.of("id", "process", "within").forEach(kept::remove);
        Queue<Worker> workers =
                idle.computeIfAbsent(kept.toString(), key -> new ConcurrentLinkedQueue<>());
        Worker worker = workers.poll();
        return worker == null ? new Worker(workers) : worker;
    }

    private static JsonElement refuse(String why) {
        throw new NotStarted(why);
    }
}

/** A call that was never given to the client. */
final class NotStarted extends RuntimeException {
    NotStarted(String why) {
        super(why);
    }
}

/** One client and the one thread that uses it, for one process after the other. */
final class Worker {
    private static final AtomicLong NUMBERS = new AtomicLong();

    private final long number = NUMBERS.incrementAndGet();
    private final Queue<Worker> idle;
    private final ExecutorService thread;
    private final Set<String> listeners = ConcurrentHashMap.newKeySet();
    private final Semaphore connected = new Semaphore(0);
    private volatile HazelcastInstance client;
    /** A session or a listener stays behind: only the end of the client ends it. */
    private boolean marked;

    /** Calls that were given to the thread, and those that have returned. */
    private long taken;

    private final AtomicLong done = new AtomicLong();

    Worker(Queue<Worker> idle) {
        this.idle = idle;
        this.thread =
                Executors.newSingleThreadExecutor(
                        task -> {
                            Thread thread = new Thread(task, "worker-" + number);
                            thread.setDaemon(true);
                            return thread;
                        });
    }

    void take(JsonObject command) {
        marked |= is(command, "object", "lock") || is(command, "f", "listen");
        long due = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(within(command));
        taken++;
        thread.execute(() -> answer(command, () -> obey(command, due)));
    }

    private JsonElement obey(JsonObject command, long due) throws InterruptedException {
        try {
            if (System.nanoTime() > due) {
                throw new NotStarted("an earlier call took all the time");
            }
            return command.has("do") ? open(command) : perform(command);
        } finally {
            done.incrementAndGet();
        }
    }

    /** Its process is gone: the next one gets it once the last call has returned. */
    void leave() {
        if (!marked) {
            if (taken == done.get()) {
                idle.add(this);
            } else {
                thread.execute(() -> idle.add(this));
            }
            return;
        }
        thread.shutdownNow();
        HazelcastInstance ended = client;
        // As a crash: even `terminate` closes the session, which would end earlier than it may.
        Runnable crash =
                () -> {
                    ((HazelcastClientProxy) ended).client.doShutdown();
                    // Nothing can be sent any more; this takes it off the list of clients.
                    ended.getLifecycleService().terminate();
                };
        Thread ending = new Thread(crash);
        ending.setDaemon(true);
        ending.start();
    }

    private static boolean is(JsonObject command, String field, String value) {
        return command.has(field) && command.get(field).getAsString().equals(value);
    }

    private static long within(JsonObject command) {
        return command.has("within") ? command.get("within").getAsLong() : 5_000;
    }

    static void answer(JsonObject command, Callable<JsonElement> call) {
        JsonObject answer = new JsonObject();
        answer.add("id", command.get("id"));
        try {
            JsonElement told = call.call();
            answer.add("ok", told == null ? JsonNull.INSTANCE : told);
        } catch (Throwable error) {
            Throwable cause = error instanceof CompletionException ? error.getCause() : error;
            boolean own = cause instanceof NotStarted;
            answer.addProperty("error", own ? "NotStarted" : cause.getClass().getName());
            answer.addProperty("message", describe(cause));
        }
        Driver.write(answer);
    }

    private static String describe(Throwable error) {
        StringBuilder text = new StringBuilder(String.valueOf(error.getMessage()));
        Throwable cause = error.getCause();
        // A cause may name itself.
        for (int depth = 0; cause != null && depth < 4; depth++, cause = cause.getCause()) {
            text.append("; caused by ").append(cause);
        }
        return text.substring(0, Math.min(text.length(), 500));
    }

    private JsonElement open(JsonObject options) throws InterruptedException {
        if (client == null) {
            client = HazelcastClient.newHazelcastClient(config(options));
        }
        if (!connected.tryAcquire(within(options), TimeUnit.MILLISECONDS)) {
            throw new NotStarted("no connection in time");
        }
        connected.release();
        return null;
    }

    private ClientConfig config(JsonObject options) {
        ClientConfig config = new ClientConfig();
        config.setInstanceName("worker-" + number);
        config.setClusterName(options.get("cluster").getAsString());
        for (JsonElement address : options.getAsJsonArray("addresses")) {
            config.getNetworkConfig().addAddress(address.getAsString());
        }
        boolean smart = options.has("smart") && options.get("smart").getAsBoolean();
        config.getNetworkConfig()
                .setSmartRouting(smart)
                .setRedoOperation(false)
                .setConnectionTimeout((int) within(options));
        // While there is no connection, calls are refused at once instead of waiting for one.
        config.getConnectionStrategyConfig()
                .setAsyncStart(true)
                .setReconnectMode(ReconnectMode.ASYNC)
                .getConnectionRetryConfig()
                .setInitialBackoffMillis(50)
                .setMaxBackoffMillis(500)
                .setClusterConnectTimeoutMillis(-1);
        property(config, options, "invocation_timeout_s", "invocation.timeout.seconds");
        property(config, options, "heartbeat_interval_ms", "heartbeat.interval");
        property(config, options, "heartbeat_timeout_ms", "heartbeat.timeout");
        config.setProperty("hazelcast.client.invocation.retry.pause.millis", "100");
        config.setProperty("hazelcast.client.statistics.enabled", "false");
        // One thread hands all events over, so that their lines keep their order.
        config.setProperty("hazelcast.client.event.thread.count", "1");
        config.addListenerConfig(new ListenerConfig(lifecycle()));
        config.addListenerConfig(new ListenerConfig(new Losses()));
        return config;
    }

    private static void property(
            ClientConfig config, JsonObject options, String key, String property) {
        if (options.has(key)) {
            config.setProperty("hazelcast.client." + property, options.get(key).getAsString());
        }
    }

    private LifecycleListener lifecycle() {
        return event -> {
            if (event.getState() == LifecycleState.CLIENT_CONNECTED) {
                connected.drainPermits();
                connected.release();
            } else if (event.getState() == LifecycleState.CLIENT_DISCONNECTED) {
                connected.drainPermits();
                lose();
            }
        };
    }

    /** The client registers again by itself; what happened meanwhile it never tells. */
    private void lose() {
        for (String listener : listeners) {
            listeners.remove(listener);
            JsonObject line = new JsonObject();
            line.addProperty("listener", listener);
            line.addProperty("f", "lost");
            Driver.write(line);
        }
    }

    private final class Losses extends MembershipAdapter {
        @Override
        public void memberRemoved(MembershipEvent event) {
            lose();
        }
    }

    private JsonElement perform(JsonObject op) {
        String name = op.get("name").getAsString();
        String f = op.get("f").getAsString();
        switch (op.get("object").getAsString()) {
            case "map":
                return onMap(ready(() -> client.<Object, Object>getMap(name)), f, op);
            case "set":
                return onSet(ready(() -> client.<Object>getSet(name)), f, op);
            case "lock":
                return onLock(ready(() -> client.getCPSubsystem().getLock(name)), f, op);
            case "flake":
                return newIds(ready(() -> client.getFlakeIdGenerator(name)), f, op);
            default:
                throw new NotStarted("no such kind of object");
        }
    }

    /** What fails while the object is looked up was not asked of the object. */
    private static <T> T ready(Supplier<T> object) {
        try {
            return object.get();
        } catch (RuntimeException error) {
            throw new NotStarted(String.valueOf(error));
        }
    }

    private JsonElement onMap(IMap<Object, Object> map, String f, JsonObject op) {
        Object key = Json.read(op.get("key"));
        JsonElement argument = op.get("value");
        Object value = argument == null || !argument.isJsonPrimitive() ? null : Json.read(argument);
        long ttl = op.has("ttl") ? op.get("ttl").getAsLong() : -1;
        switch (f) {
            case "get":
            case "read":
                return Json.write(map.get(key));
            case "put":
                return Json.write(map.put(key, value, ttl, TimeUnit.MILLISECONDS));
            case "set":
            case "write":
                map.set(key, value, ttl, TimeUnit.MILLISECONDS);
                return null;
            case "put-if-absent":
                return Json.write(map.putIfAbsent(key, value, ttl, TimeUnit.MILLISECONDS));
            case "replace":
                return Json.write(map.replace(key, value));
            case "replace-if":
            case "cas":
                return Json.write(compareAndSet(map, key, argument.getAsJsonArray()));
            case "remove":
                return Json.write(map.remove(key));
            case "remove-if":
                return Json.write(map.remove(key, value));
            case "delete":
                map.delete(key);
                return null;
            case "contains":
                return Json.write(map.containsKey(key));
            case "size":
                return Json.write(map.size());
            case "is-empty":
                return Json.write(map.isEmpty());
            case "keys":
                return Json.writeAll(map.keySet());
            case "entries":
                return Json.writeEntries(map.entrySet());
            case "get-all":
                Set<Object> keys = new HashSet<>();
                argument.getAsJsonArray().forEach(one -> keys.add(Json.read(one)));
                return Json.writeEntries(map.getAll(keys).entrySet());
            case "put-all":
                Map<Object, Object> entries = new HashMap<>();
                argument.getAsJsonObject()
                        .entrySet()
                        .forEach(one -> entries.put(one.getKey(), Json.read(one.getValue())));
                map.putAll(entries);
                return null;
            case "clear":
                map.clear();
                return null;
            case "listen":
                String label = op.get("listener").getAsString();
                listeners.add(label);
                if (key == null) {
                    map.addEntryListener(new Reporter(label), true);
                } else {
                    map.addEntryListener(new Reporter(label), key, true);
                }
                return null;
            default:
                throw new NotStarted("a map has no operation " + f);
        }
    }

    private static boolean compareAndSet(IMap<Object, Object> map, Object key, JsonArray values) {
        Object old = Json.read(values.get(0));
        Object value = Json.read(values.get(1));
        if (old == null) {
            return map.putIfAbsent(key, value) == null;
        }
        return value == null ? map.remove(key, old) : map.replace(key, old, value);
    }

    private static JsonElement onSet(ISet<Object> set, String f, JsonObject op) {
        Object value = Json.read(op.get("value"));
        switch (f) {
            case "add":
                return Json.write(set.add(value));
            case "remove":
                return Json.write(set.remove(value));
            case "contains":
                return Json.write(set.contains(value));
            case "read":
                JsonArray items = new JsonArray();
                set.forEach(item -> items.add(Json.write(item)));
                return items;
            case "size":
                return Json.write(set.size());
            case "is-empty":
                return Json.write(set.isEmpty());
            case "clear":
                set.clear();
                return null;
            default:
                throw new NotStarted("a set has no operation " + f);
        }
    }

    private static JsonElement onLock(FencedLock lock, String f, JsonObject op) {
        switch (f) {
            case "acquire":
                return Json.write(lock.lockAndGetFence());
            case "try-acquire":
                long patience = op.has("value") ? op.get("value").getAsLong() : 0;
                return Json.write(lock.tryLockAndGetFence(patience, TimeUnit.MILLISECONDS));
            case "release":
                lock.unlock();
                return null;
            case "is-locked":
                return Json.write(lock.isLocked());
            case "lock-count":
                return Json.write(lock.getLockCount());
            case "get-fence":
                return Json.write(lock.getFence());
            default:
                throw new NotStarted("a lock has no operation " + f);
        }
    }

    private static JsonElement newIds(FlakeIdGenerator ids, String f, JsonObject op) {
        if (!f.equals("generate")) {
            throw new NotStarted("ids have no operation " + f);
        }
        long count = op.has("value") ? op.get("value").getAsLong() : 1;
        JsonArray batch = new JsonArray();
        for (long i = 0; i < count; i++) {
            batch.add(ids.newId());
        }
        return batch;
    }

    /** Writes the events of one listener. */
    private final class Reporter
            implements EntryAddedListener<Object, Object>,
                    EntryUpdatedListener<Object, Object>,
                    EntryRemovedListener<Object, Object>,
                    EntryEvictedListener<Object, Object>,
                    EntryExpiredListener<Object, Object>,
                    MapClearedListener,
                    MapEvictedListener {
        private final String label;

        Reporter(String label) {
            this.label = label;
        }

        @Override
        public void entryAdded(EntryEvent<Object, Object> event) {
            report("added", event);
        }

        @Override
        public void entryUpdated(EntryEvent<Object, Object> event) {
            report("updated", event);
        }

        @Override
        public void entryRemoved(EntryEvent<Object, Object> event) {
            report("removed", event);
        }

        @Override
        public void entryEvicted(EntryEvent<Object, Object> event) {
            report("evicted", event);
        }

        @Override
        public void entryExpired(EntryEvent<Object, Object> event) {
            report("expired", event);
        }

        @Override
        public void mapCleared(MapEvent event) {
            Driver.write(line("clear-all"));
        }

        @Override
        public void mapEvicted(MapEvent event) {
            Driver.write(line("evict-all"));
        }

        private JsonObject line(String f) {
            JsonObject line = new JsonObject();
            line.addProperty("listener", label);
            line.addProperty("f", f);
            return line;
        }

        private void report(String f, EntryEvent<Object, Object> event) {
            JsonObject line = line(f);
            line.add("key", Json.write(event.getKey()));
            line.add("value", Json.write(event.getValue()));
            line.add("old", Json.write(event.getOldValue()));
            Driver.write(line);
        }
    }
}

/** JSON to Java values and back: a string is a String, an integer a Long, null the absent value. */
final class Json {
    private Json() {}

    static Object read(JsonElement value) {
        if (value == null || value.isJsonNull()) {
            return null;
        }
        JsonPrimitive primitive = value.getAsJsonPrimitive();
        return primitive.isNumber() ? (Object) primitive.getAsLong() : primitive.getAsString();
    }

    static JsonElement write(Object value) {
        if (value == null) {
            return JsonNull.INSTANCE;
        }
        if (value instanceof Number) {
            return new JsonPrimitive((Number) value);
        }
        if (value instanceof Boolean) {
            return new JsonPrimitive((Boolean) value);
        }
        return new JsonPrimitive(Objects.toString(value));
    }

    static JsonArray writeAll(Collection<?> values) {
        JsonArray array = new JsonArray();
        values.forEach(value -> array.add(write(value)));
        return array;
    }

    static JsonObject writeEntries(Collection<? extends Map.Entry<?, ?>> entries) {
        JsonObject object = new JsonObject();
        entries.forEach(
                entry -> object.add(Objects.toString(entry.getKey()), write(entry.getValue())));
        return object;
    }
}
