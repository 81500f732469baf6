import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import com.hazelcast.core.DistributedObject;
import com.hazelcast.core.DistributedObjectEvent;
import com.hazelcast.core.DistributedObjectListener;
import com.hazelcast.core.HazelcastInstance;
import com.hazelcast.flakeidgen.FlakeIdGenerator;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

/** Everything that is not a map, a set or a lock: ids, distributed objects, members, the rest. */
final class InstanceCalls {
    private final Map<String, UUID> listeners = new ConcurrentHashMap<>();

    JsonElement call(HazelcastInstance instance, String op, JsonObject command) {
        switch (op) {
            case "shutdown":
                instance.shutdown();
                return null;
            case "is_running":
                return Values.encode(instance.getLifecycleService().isRunning());
            case "flake_id.new_ids":
                return newIds(instance, command);
            case "objects.list":
                return objects(instance);
            case "objects.add_listener":
                UUID id =
                        instance.addDistributedObjectListener(
                                new Listener(command.get("listener").getAsString()));
                listeners.put(command.get("listener").getAsString(), id);
                return new JsonPrimitive(id.toString());
            case "objects.remove_listener":
                return Values.encode(
                        instance.removeDistributedObjectListener(
                                listeners.remove(command.get("listener").getAsString())));
            case "members":
                return members(instance);
            case "sql":
                instance.getSql().execute(command.get("sql").getAsString()).close();
                return null;
            case "queue.offer":
                return Values.encode(
                        instance.getQueue(command.get("name").getAsString())
                                .offer(Values.decode(command.get("value"))));
            default:
                throw new IllegalArgumentException("no call " + op);
        }
    }

    private static JsonElement newIds(HazelcastInstance instance, JsonObject command) {
        FlakeIdGenerator ids = instance.getFlakeIdGenerator(command.get("name").getAsString());
        JsonArray made = new JsonArray();
        for (long i = 0; i < Values.number(command, "count", 1); i++) {
            made.add(ids.newId());
        }
        return made;
    }

    private static JsonElement objects(HazelcastInstance instance) {
        JsonArray objects = new JsonArray();
        for (DistributedObject object : instance.getDistributedObjects()) {
            objects.add(object.getServiceName() + "/" + object.getName());
        }
        return objects;
    }

    private static JsonElement members(HazelcastInstance instance) {
        JsonArray members = new JsonArray();
        instance.getCluster()
                .getMembers()
                .forEach(member -> members.add(member.getAddress().getPort()));
        return members;
    }

    private static final class Listener implements DistributedObjectListener {
        private final String label;

        Listener(String label) {
            this.label = label;
        }

        @Override
        public void distributedObjectCreated(DistributedObjectEvent event) {
            report(event);
        }

        @Override
        public void distributedObjectDestroyed(DistributedObjectEvent event) {
            report(event);
        }

        private void report(DistributedObjectEvent event) {
            JsonObject fields = new JsonObject();
            fields.addProperty("type", event.getEventType().name());
            fields.addProperty("service", event.getServiceName());
            fields.addProperty("name", String.valueOf(event.getObjectName()));
            Driver.event("object", label, fields);
        }
    }
}
