import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.hazelcast.core.HazelcastInstance;
import com.hazelcast.map.IMap;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Writes and reads until told to stop, and remembers what was acknowledged.
 *
 * <p>Every key has one writer, which writes growing numbers. So whatever happened to the nodes, a
 * read must see a number no smaller than the last acknowledged and no greater than the last tried.
 */
final class Load {
    private static final int LATENCIES_PER_WRITER_MAX = 1_000_000;
    private static final int SAMPLES_PER_WRITER_MAX = 20;
    private static final long STOP_TIMEOUT_MS = 8_000;

    private volatile boolean stopping;
    private volatile long lastAckNanos;
    private long maxGapNanos;
    private long acked;
    private final List<Writer> writers = new ArrayList<>();

    JsonElement call(HazelcastInstance instance, String call, JsonObject command) throws Exception {
        switch (call) {
            case "start":
                return start(instance, command);
            case "acked":
                synchronized (this) {
                    return Values.encode(acked);
                }
            case "stop":
                return stop();
            default:
                throw new IllegalArgumentException("no load call " + call);
        }
    }

    private JsonElement start(HazelcastInstance instance, JsonObject command) {
        IMap<String, Long> map = instance.getMap(command.get("name").getAsString());
        stopping = false;
        maxGapNanos = 0;
        acked = 0;
        lastAckNanos = System.nanoTime();
        writers.clear();
        for (int i = 0; i < Values.number(command, "threads", 4); i++) {
            Writer writer = new Writer(map, i, (int) Values.number(command, "keys", 16));
            writers.add(writer);
            writer.start();
        }
        return null;
    }

    private JsonElement stop() throws InterruptedException {
        stopping = true;
        long deadline = System.currentTimeMillis() + STOP_TIMEOUT_MS;
        int stuck = 0;
        for (Writer writer : writers) {
            writer.join(Math.max(1, deadline - System.currentTimeMillis()));
            stuck += writer.isAlive() ? 1 : 0;
        }
        Map<String, Long> errors = new TreeMap<>();
        JsonObject keys = new JsonObject();
        JsonArray samples = new JsonArray();
        JsonArray staleReads = new JsonArray();
        int total = writers.stream().mapToInt(writer -> writer.latencyCount).sum();
        long[] latencies = new long[total];
        int filled = 0;
        for (Writer writer : writers) {
            writer.report(keys, errors, samples, staleReads);
            System.arraycopy(writer.latencies, 0, latencies, filled, writer.latencyCount);
            filled += writer.latencyCount;
        }
        Arrays.sort(latencies);
        JsonObject result = new JsonObject();
        JsonObject errorCounts = new JsonObject();
        errors.forEach(errorCounts::addProperty);
        result.addProperty("acked", acked);
        result.addProperty("stuck_threads", stuck);
        result.addProperty("max_gap_ms", maxGapNanos / 1_000_000);
        result.addProperty("p50_us", percentile(latencies, 50));
        result.addProperty("p99_us", percentile(latencies, 99));
        result.add("errors", errorCounts);
        result.add("error_samples", samples);
        result.add("stale_reads", staleReads);
        result.add("keys", keys);
        return result;
    }

    private synchronized void acknowledged() {
        long now = System.nanoTime();
        maxGapNanos = Math.max(maxGapNanos, now - lastAckNanos);
        lastAckNanos = now;
        acked++;
    }

    private static long percentile(long[] sorted, int percent) {
        return sorted.length == 0 ? -1 : sorted[(sorted.length - 1) * percent / 100] / 1000;
    }

    private final class Writer extends Thread {
        private final IMap<String, Long> map;
        private final int number;
        private final long[] ackedValues;
        private final long[] triedValues;
        private final Map<String, Long> errors = new TreeMap<>();
        private final List<String> samples = new ArrayList<>();
        private final List<String> staleReads = new ArrayList<>();
        private long[] latencies = new long[1024];
        private int latencyCount;

        Writer(IMap<String, Long> map, int number, int keys) {
            super("load-" + number);
            setDaemon(true);
            this.map = map;
            this.number = number;
            this.ackedValues = new long[keys];
            this.triedValues = new long[keys];
        }

        @Override
        public void run() {
            for (long step = 1; !stopping; step++) {
                int slot = (int) (step % ackedValues.length);
                write(slot, step);
                if (step % 4 == 0) {
                    read(slot);
                }
            }
        }

        private void write(int slot, long value) {
            long begin = System.nanoTime();
            synchronized (this) {
                triedValues[slot] = value;
            }
            try {
                map.set(key(slot), value);
                synchronized (this) {
                    ackedValues[slot] = value;
                    keepLatency(System.nanoTime() - begin);
                }
                acknowledged();
            } catch (RuntimeException error) {
                failed("write", error);
            }
        }

        private void read(int slot) {
            try {
                Long seen = map.get(key(slot));
                long value = seen == null ? 0 : seen;
                synchronized (this) {
                    if ((value < ackedValues[slot] || value > triedValues[slot])
                            && staleReads.size() < SAMPLES_PER_WRITER_MAX) {
                        staleReads.add(
                                key(slot) + " read " + value + ", acknowledged "
                                        + ackedValues[slot] + ", tried " + triedValues[slot]);
                    }
                }
            } catch (RuntimeException error) {
                failed("read", error);
            }
        }

        private synchronized void failed(String what, RuntimeException error) {
            errors.merge(what + ":" + error.getClass().getName(), 1L, Long::sum);
            if (samples.size() < SAMPLES_PER_WRITER_MAX) {
                samples.add(what + ": " + error);
            }
        }

        private void keepLatency(long nanos) {
            if (latencyCount == latencies.length && latencyCount < LATENCIES_PER_WRITER_MAX) {
                latencies = Arrays.copyOf(latencies, latencyCount * 2);
            }
            if (latencyCount < latencies.length) {
                latencies[latencyCount++] = nanos;
            }
        }

        private String key(int slot) {
            return "w" + number + "-" + slot;
        }

        private synchronized void report(
                JsonObject keys, Map<String, Long> all, JsonArray sampled, JsonArray stale) {
            for (int slot = 0; slot < ackedValues.length; slot++) {
                JsonObject bounds = new JsonObject();
                bounds.addProperty("acked", ackedValues[slot]);
                bounds.addProperty("tried", triedValues[slot]);
                keys.add(key(slot), bounds);
            }
            errors.forEach((name, count) -> all.merge(name, count, Long::sum));
            samples.forEach(sampled::add);
            staleReads.forEach(stale::add);
        }
    }
}
