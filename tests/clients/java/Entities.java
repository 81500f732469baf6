import com.hazelcast.config.SerializationConfig;
import com.hazelcast.config.SerializerConfig;
import com.hazelcast.nio.ObjectDataInput;
import com.hazelcast.nio.ObjectDataOutput;
import com.hazelcast.nio.serialization.ByteArraySerializer;
import com.hazelcast.nio.serialization.StreamSerializer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.function.Function;

/** The values that openLooKeng writes with serialisers of its own, by their type ids. */
final class Entities {
    private Entities() {}

    static void register(SerializationConfig config) {
        // Hazelcast has an own serialiser for Optional; theirs has another type id.
        config.setAllowOverrideDefaultSerializers(true);
        add(config, Slice.class, new OfBytes<>(1, slice -> slice.bytes, Slice::new));
        add(config, Optional.class, new OfOptional());
        add(config, Database.class, OfBytes.json(3, Database::new));
        add(config, Table.class, OfBytes.json(4, Table::new));
        add(config, Catalog.class, OfBytes.json(5, Catalog::new));
    }

    private static void add(
            SerializationConfig config,
            Class<?> type,
            com.hazelcast.nio.serialization.Serializer serializer) {
        config.addSerializerConfig(
                new SerializerConfig().setTypeClass(type).setImplementation(serializer));
    }

    /** What a catalog, a database or a table is written as: its JSON. */
    abstract static class Entity {
        final String json;

        Entity(String json) {
            this.json = json;
        }
    }

    static final class Catalog extends Entity {
        Catalog(String json) {
            super(json);
        }
    }

    static final class Database extends Entity {
        Database(String json) {
            super(json);
        }
    }

    static final class Table extends Entity {
        Table(String json) {
            super(json);
        }
    }

    static final class Slice {
        final byte[] bytes;

        Slice(byte[] bytes) {
            this.bytes = bytes;
        }
    }

    private static final class OfBytes<T> implements ByteArraySerializer<T> {
        private final int typeId;
        private final Function<T, byte[]> write;
        private final Function<byte[], T> read;

        OfBytes(int typeId, Function<T, byte[]> write, Function<byte[], T> read) {
            this.typeId = typeId;
            this.write = write;
            this.read = read;
        }

        static <E extends Entity> OfBytes<E> json(int typeId, Function<String, E> read) {
            return new OfBytes<>(
                    typeId,
                    entity -> entity.json.getBytes(StandardCharsets.UTF_8),
                    bytes -> read.apply(new String(bytes, StandardCharsets.UTF_8)));
        }

        @Override
        public byte[] write(T object) {
            return write.apply(object);
        }

        @Override
        public T read(byte[] buffer) {
            return read.apply(buffer);
        }

        @Override
        public int getTypeId() {
            return typeId;
        }
    }

    private static final class OfOptional implements StreamSerializer<Optional<?>> {
        @Override
        public void write(ObjectDataOutput out, Optional<?> object) throws IOException {
            out.writeObject(object.orElse(null));
        }

        @Override
        public Optional<?> read(ObjectDataInput in) throws IOException {
            return Optional.ofNullable(in.readObject());
        }

        @Override
        public int getTypeId() {
            return 2;
        }
    }
}
