import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.hazelcast.client.HazelcastClient;
import com.hazelcast.client.config.ClientConfig;
import com.hazelcast.client.config.ClientConnectionStrategyConfig.ReconnectMode;
import com.hazelcast.cluster.MembershipEvent;
import com.hazelcast.cluster.MembershipListener;
import com.hazelcast.config.InMemoryFormat;
import com.hazelcast.config.ListenerConfig;
import com.hazelcast.config.NearCacheConfig;
import com.hazelcast.core.HazelcastInstance;
import com.hazelcast.core.LifecycleListener;

/** Starts clients from the options of a {@code start} command; what is absent stays default. */
final class Clients {
    private Clients() {}

    static HazelcastInstance start(String client, JsonObject options) {
        ClientConfig config = new ClientConfig();
        config.setClusterName(Values.text(options, "cluster", "dev"));
        for (JsonElement address : options.getAsJsonArray("addresses")) {
            config.getNetworkConfig().addAddress(address.getAsString());
        }
        config.getNetworkConfig().setSmartRouting(Values.flag(options, "smart", true));
        ReconnectMode mode =
                ReconnectMode.valueOf(Values.text(options, "reconnect", "ON").toUpperCase());
        config.getConnectionStrategyConfig().setReconnectMode(mode);
        config.getConnectionStrategyConfig()
                .getConnectionRetryConfig()
                .setClusterConnectTimeoutMillis(
                        Values.number(options, "connect_timeout_ms", 60_000));
        property(config, options, "heartbeat_interval_ms", "hazelcast.client.heartbeat.interval");
        property(config, options, "heartbeat_timeout_ms", "hazelcast.client.heartbeat.timeout");
        property(config, options, "statistics", "hazelcast.client.statistics.enabled");
        if (options.has("near_cache")) {
            for (JsonElement map : options.getAsJsonArray("near_cache")) {
                config.addNearCacheConfig(
                        new NearCacheConfig(map.getAsString())
                                .setInMemoryFormat(InMemoryFormat.OBJECT)
                                .setInvalidateOnChange(true));
            }
        }
        // Both listeners are there before the first connection, so that no event is missed.
        config.addListenerConfig(new ListenerConfig(lifecycle(client)));
        config.addListenerConfig(new ListenerConfig(new Membership(client)));
        return HazelcastClient.newHazelcastClient(config);
    }

    private static void property(ClientConfig config, JsonObject options, String key, String name) {
        if (options.has(key)) {
            config.setProperty(name, options.get(key).getAsString());
        }
    }

    static LifecycleListener lifecycle(String client) {
        return event -> {
            JsonObject fields = new JsonObject();
            fields.addProperty("type", event.getState().name());
            Driver.event("lifecycle", client, fields);
        };
    }

    private static final class Membership implements MembershipListener {
        private final String client;

        Membership(String client) {
            this.client = client;
        }

        @Override
        public void memberAdded(MembershipEvent event) {
            report("ADDED", event);
        }

        @Override
        public void memberRemoved(MembershipEvent event) {
            report("REMOVED", event);
        }

        private void report(String type, MembershipEvent event) {
            JsonObject fields = new JsonObject();
            fields.addProperty("type", type);
            fields.addProperty("member", event.getMember().getUuid().toString());
            fields.addProperty("port", event.getMember().getAddress().getPort());
            Driver.event("member", client, fields);
        }
    }
}
