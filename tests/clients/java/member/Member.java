import com.hazelcast.config.Config;
import com.hazelcast.config.JoinConfig;
import com.hazelcast.core.Hazelcast;
import com.hazelcast.core.HazelcastInstance;
import java.util.concurrent.TimeUnit;

/**
 * A real Hazelcast member, to prove the tests themselves against the product they describe.
 *
 * <p>Arguments: cluster name, own port, number of members, the ports of all members. Prints
 * {@code ready} once the cluster and its CP subsystem are whole; ends with its standard input.
 */
public final class Member {
    public static void main(String[] args) throws Exception {
        int size = Integer.parseInt(args[2]);
        Config config = new Config();
        config.setClusterName(args[0]);
        config.setProperty("hazelcast.phone.home.enabled", "false");
        config.setProperty("hazelcast.initial.min.cluster.size", args[2]);
        config.setProperty("hazelcast.socket.bind.any", "false");
        // Near-cache invalidations at once, not gathered for ten seconds.
        config.setProperty("hazelcast.map.invalidation.batch.enabled", "false");
        config.getNetworkConfig().setPort(Integer.parseInt(args[1])).setPortAutoIncrement(false);
        config.getNetworkConfig().getInterfaces().setEnabled(true).addInterface("127.0.0.1");
        JoinConfig join = config.getNetworkConfig().getJoin();
        join.getMulticastConfig().setEnabled(false);
        join.getAutoDetectionConfig().setEnabled(false);
        join.getTcpIpConfig().setEnabled(true);
        for (int i = 3; i < args.length; i++) {
            join.getTcpIpConfig().addMember("127.0.0.1:" + args[i]);
        }
        if (size >= 3) {
            config.getCPSubsystemConfig()
                    .setCPMemberCount(size)
                    .setSessionTimeToLiveSeconds(6)
                    .setSessionHeartbeatIntervalSeconds(2)
                    .setMissingCPMemberAutoRemovalSeconds(60);
        }
        HazelcastInstance member = Hazelcast.newHazelcastInstance(config);
        if (size >= 3) {
            member.getCPSubsystem()
                    .getCPSubsystemManagementService()
                    .awaitUntilDiscoveryCompleted(60, TimeUnit.SECONDS);
        }
        System.out.println("ready");
        while (System.in.read() >= 0) {
            continue;
        }
        Runtime.getRuntime().halt(0);
    }
}
