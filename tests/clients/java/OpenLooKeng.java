import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.hazelcast.client.HazelcastClient;
import com.hazelcast.client.config.ClientConfig;
import com.hazelcast.client.config.ClientConnectionStrategyConfig.ReconnectMode;
import com.hazelcast.config.DiscoveryStrategyConfig;
import com.hazelcast.config.ListenerConfig;
import com.hazelcast.core.HazelcastInstance;
import io.hetu.core.seedstore.filebased.FileBasedSeed;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/**
 * Connects as an openLooKeng node does: addresses from the seed file, which it reads up to eleven
 * times, or from multicast; no reconnection; retries for ever until the first connection.
 */
final class OpenLooKeng {
    private static final int READ_ATTEMPTS = 11;
    private static final long READ_PAUSE_STEP_MS = 500;
    private static final String MULTICAST =
            "com.hazelcast.spi.discovery.multicast.MulticastDiscoveryStrategy";

    private OpenLooKeng() {}

    static HazelcastInstance start(String client, JsonObject options) throws Exception {
        ClientConfig config = new ClientConfig();
        config.setClusterName(Values.text(options, "cluster", "hetu-state-store"));
        Entities.register(config.getSerializationConfig());
        config.getConnectionStrategyConfig().setReconnectMode(ReconnectMode.OFF);
        if (options.has("seed_file")) {
            Path seeds = Path.of(options.get("seed_file").getAsString());
            for (FileBasedSeed seed : waitForSeeds(seeds)) {
                config.getNetworkConfig().addAddress(seed.location());
            }
        } else if (options.has("seeds")) {
            // A list in the file is split and not trimmed.
            config.getNetworkConfig().addAddress(options.get("seeds").getAsString().split(","));
        } else {
            config.setProperty("hazelcast.discovery.enabled", "true");
            config.getNetworkConfig()
                    .getDiscoveryConfig()
                    .addDiscoveryStrategyConfig(new DiscoveryStrategyConfig(MULTICAST));
        }
        config.addListenerConfig(new ListenerConfig(Clients.lifecycle(client)));
        return HazelcastClient.newHazelcastClient(config);
    }

    /** Locations and times in a seed file, by Java's own deserialisation. */
    static JsonArray list(JsonObject command) throws Exception {
        JsonArray seeds = new JsonArray();
        for (FileBasedSeed seed : read(Path.of(command.get("seed_file").getAsString()))) {
            JsonObject fields = new JsonObject();
            fields.addProperty("location", seed.location());
            fields.addProperty("timestamp", seed.timestamp());
            seeds.add(fields);
        }
        return seeds;
    }

    private static List<FileBasedSeed> waitForSeeds(Path file) throws Exception {
        for (int attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
            Thread.sleep(attempt * READ_PAUSE_STEP_MS);
            List<FileBasedSeed> seeds = read(file);
            if (!seeds.isEmpty()) {
                return seeds;
            }
        }
        throw new IllegalStateException("Using TCP-IP discovery but can not find seeds");
    }

    private static List<FileBasedSeed> read(Path file) throws IOException, ClassNotFoundException {
        List<FileBasedSeed> seeds = new ArrayList<>();
        String text;
        try {
            text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
        } catch (NoSuchFileException absent) {
            return seeds;
        }
        for (String item : text.replace("\n", "").replace("\r", "").split(",")) {
            if (!item.isEmpty()) {
                byte[] bytes = Base64.getDecoder().decode(item);
                try (ObjectInputStream in =
                        new ObjectInputStream(new ByteArrayInputStream(bytes))) {
                    seeds.add((FileBasedSeed) in.readObject());
                }
            }
        }
        return seeds;
    }
}
