import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import com.hazelcast.collection.ISet;
import com.hazelcast.collection.ItemEvent;
import com.hazelcast.collection.ItemListener;
import com.hazelcast.core.HazelcastInstance;
import java.util.Arrays;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

/** The calls of one set. */
final class SetCalls {
    private final Map<String, UUID> listeners = new ConcurrentHashMap<>();

    JsonElement call(HazelcastInstance instance, String call, JsonObject command) {
        ISet<Object> set = instance.getSet(command.get("name").getAsString());
        Object value = Values.decode(command.get("value"));
        switch (call) {
            case "add":
                return Values.encode(set.add(value));
            case "contains":
                return Values.encode(set.contains(value));
            case "remove":
                return Values.encode(set.remove(value));
            case "add_all":
                return Values.encode(set.addAll(Values.list(command, "values")));
            case "contains_all":
                return Values.encode(set.containsAll(Values.list(command, "values")));
            case "remove_all":
                return Values.encode(set.removeAll(Values.list(command, "values")));
            case "retain_all":
                return Values.encode(set.retainAll(Values.list(command, "values")));
            case "get_all":
                return Values.encodeAll(Arrays.asList(set.toArray()));
            case "size":
                return Values.encode(set.size());
            case "is_empty":
                return Values.encode(set.isEmpty());
            case "clear":
                set.clear();
                return null;
            case "destroy":
                set.destroy();
                return null;
            case "add_listener":
                return addListener(set, command);
            case "remove_listener":
                UUID id = listeners.remove(command.get("listener").getAsString());
                return Values.encode(set.removeItemListener(id));
            default:
                throw new IllegalArgumentException("no set call " + call);
        }
    }

    private JsonElement addListener(ISet<Object> set, JsonObject command) {
        String label = command.get("listener").getAsString();
        UUID id =
                set.addItemListener(
                        new Listener(label), Values.flag(command, "include_value", true));
        listeners.put(label, id);
        return new JsonPrimitive(id.toString());
    }

    private static final class Listener implements ItemListener<Object> {
        private final String label;

        Listener(String label) {
            this.label = label;
        }

        @Override
        public void itemAdded(ItemEvent<Object> event) {
            report(event);
        }

        @Override
        public void itemRemoved(ItemEvent<Object> event) {
            report(event);
        }

        private void report(ItemEvent<Object> event) {
            JsonObject fields = new JsonObject();
            fields.addProperty("type", event.getEventType().name());
            fields.add("value", Values.encode(event.getItem()));
            fields.addProperty("member", event.getMember().getUuid().toString());
            Driver.event("item", label, fields);
        }
    }
}
