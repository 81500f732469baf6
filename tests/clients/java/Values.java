import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;

/**
 * JSON to Java values and back. A string is a String, an integer a Long. Objects with one marked
 * field stand for the rest: {@code {"$blob": bytes, "seed": n}} a byte array made from a seed,
 * {@code {"$plain": name, "amount": n}} an instance of a class without any serializer, and
 * {@code {"$serializable": name, "amount": n}} one that is java.io.Serializable.
 */
final class Values {
    private Values() {}

    static Object decode(JsonElement value) {
        if (value == null || value.isJsonNull()) {
            return null;
        }
        if (value.isJsonPrimitive()) {
            JsonPrimitive primitive = value.getAsJsonPrimitive();
            if (primitive.isBoolean()) {
                return primitive.getAsBoolean();
            }
            return primitive.isNumber() ? (Object) primitive.getAsLong() : primitive.getAsString();
        }
        JsonObject object = value.getAsJsonObject();
        if (object.has("$blob")) {
            return blob(object.get("$blob").getAsInt(), object.get("seed").getAsInt());
        }
        if (object.has("$plain")) {
            return new PlainOrder(
                    object.get("$plain").getAsString(), object.get("amount").getAsLong());
        }
        return new SerializableOrder(
                object.get("$serializable").getAsString(), object.get("amount").getAsLong());
    }

    static JsonElement encode(Object value) {
        if (value == null) {
            return JsonNull.INSTANCE;
        }
        JsonObject object = new JsonObject();
        if (value instanceof String) {
            return new JsonPrimitive((String) value);
        } else if (value instanceof Number) {
            return new JsonPrimitive((Number) value);
        } else if (value instanceof Boolean) {
            return new JsonPrimitive((Boolean) value);
        } else if (value instanceof byte[]) {
            CRC32 sum = new CRC32();
            sum.update((byte[]) value);
            object.addProperty("$blob", ((byte[]) value).length);
            object.addProperty("crc32", sum.getValue());
        } else if (value instanceof PlainOrder) {
            object.addProperty("$plain", ((PlainOrder) value).name);
            object.addProperty("amount", ((PlainOrder) value).amount);
        } else if (value instanceof SerializableOrder) {
            object.addProperty("$serializable", ((SerializableOrder) value).name);
            object.addProperty("amount", ((SerializableOrder) value).amount);
        } else {
            object.addProperty("$other", value.getClass().getName());
        }
        return object;
    }

    static JsonArray encodeAll(Collection<?> values) {
        JsonArray array = new JsonArray();
        values.forEach(value -> array.add(encode(value)));
        return array;
    }

    /** Entries as an object: keys of maps that are listed are strings. */
    static JsonObject encodeEntries(Collection<? extends Map.Entry<?, ?>> entries) {
        JsonObject object = new JsonObject();
        entries.forEach(entry -> object.add(entry.getKey().toString(), encode(entry.getValue())));
        return object;
    }

    static List<Object> list(JsonObject command, String field) {
        List<Object> values = new ArrayList<>();
        command.getAsJsonArray(field).forEach(value -> values.add(decode(value)));
        return values;
    }

    static Map<Object, Object> entries(JsonObject command, String field) {
        Map<Object, Object> entries = new LinkedHashMap<>();
        command.getAsJsonObject(field)
                .entrySet()
                .forEach(entry -> entries.put(entry.getKey(), decode(entry.getValue())));
        return entries;
    }

    static String text(JsonObject command, String field, String absent) {
        return command.has(field) ? command.get(field).getAsString() : absent;
    }

    static long number(JsonObject command, String field, long absent) {
        return command.has(field) ? command.get(field).getAsLong() : absent;
    }

    static boolean flag(JsonObject command, String field, boolean absent) {
        return command.has(field) ? command.get(field).getAsBoolean() : absent;
    }

    static void putError(JsonObject answer, Throwable error) {
        answer.addProperty("error", error.getClass().getName());
        answer.addProperty("message", String.valueOf(error.getMessage()));
        JsonArray causes = new JsonArray();
        Throwable cause = error.getCause();
        // A cause may name itself; eight levels are more than any client nests.
        for (int depth = 0; cause != null && depth < 8; depth++, cause = cause.getCause()) {
            causes.add(cause.toString());
        }
        answer.add("causes", causes);
    }

    private static byte[] blob(int length, int seed) {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = (byte) (seed + i * 31);
        }
        return bytes;
    }
}
