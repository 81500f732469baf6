import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.hazelcast.core.HazelcastInstance;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Drives unmodified Java clients by lines of JSON: one command a line on standard input, one answer
 * a line on standard output, events as lines between them. The protocol is described in the README
 * of the folder above.
 *
 * <p>Each command runs on the thread it names, since locks belong to threads; commands of one
 * thread run in order, and a blocking call holds up its own thread only.
 */
public final class Driver {
    private static final PrintStream OUT =
            new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private final Map<String, HazelcastInstance> clients = new ConcurrentHashMap<>();
    private final Map<String, Coordinator> coordinators = new ConcurrentHashMap<>();
    private final Map<String, ExecutorService> threads = new ConcurrentHashMap<>();
    private final MapCalls maps = new MapCalls();
    private final SetCalls sets = new SetCalls();
    private final LockCalls locks = new LockCalls();
    private final InstanceCalls instances = new InstanceCalls();
    private final Load load = new Load();

    public static void main(String[] args) throws Exception {
        // Hazelcast's logging may take System.out; answers keep the stream captured above.
        System.setOut(System.err);
        new Driver().run();
        // Client threads are not all daemons, and the test has closed our input.
        Runtime.getRuntime().halt(0);
    }

    static void event(String kind, String listener, JsonObject fields) {
        fields.addProperty("event", kind);
        fields.addProperty("listener", listener);
        write(fields);
    }

    private static void write(JsonObject line) {
        synchronized (OUT) {
            OUT.println(line);
        }
    }

    private void run() throws Exception {
        BufferedReader in =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonObject command = JsonParser.parseString(line).getAsJsonObject();
            threads.computeIfAbsent(Values.text(command, "thread", "main"), this::startThread)
                    .execute(() -> answer(command));
        }
    }

    private ExecutorService startThread(String name) {
        return Executors.newSingleThreadExecutor(
                task -> {
                    Thread thread = new Thread(task, "driver-" + name);
                    thread.setDaemon(true);
                    return thread;
                });
    }

    private void answer(JsonObject command) {
        JsonObject answer = new JsonObject();
        answer.add("id", command.get("id"));
        try {
            JsonElement value = dispatch(command);
            answer.add("ok", value == null ? JsonNull.INSTANCE : value);
        } catch (Throwable error) {
            Values.putError(answer, error);
        }
        write(answer);
    }

    private JsonElement dispatch(JsonObject command) throws Exception {
        String op = command.get("op").getAsString();
        String client = Values.text(command, "client", "default");
        if (op.equals("start")) {
            clients.put(client, Clients.start(client, command));
            return null;
        }
        if (op.equals("openlookeng.start")) {
            clients.put(client, OpenLooKeng.start(client, command));
            return null;
        }
        if (op.equals("openlookeng.seeds")) {
            return OpenLooKeng.list(command);
        }
        HazelcastInstance instance = clients.get(client);
        if (instance == null) {
            throw new IllegalArgumentException("no client named " + client + " was started");
        }
        if (op.equals("openlookeng.live")) {
            Coordinator coordinator = new Coordinator(instance, command);
            coordinators.put(client, coordinator);
            coordinator.start();
            return null;
        }
        if (op.equals("openlookeng.leave")) {
            return coordinators.remove(client).stop();
        }
        int dot = op.indexOf('.');
        String family = op.substring(0, Math.max(dot, 0));
        String call = op.substring(dot + 1);
        switch (family) {
            case "map":
                return maps.call(instance, call, command);
            case "set":
                return sets.call(instance, call, command);
            case "lock":
                return locks.call(instance, call, command);
            case "load":
                return load.call(instance, call, command);
            default:
                return instances.call(instance, op, command);
        }
    }
}
