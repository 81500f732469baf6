import java.io.File;
import java.net.ServerSocket;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.hadoop.shaded.org.apache.kerby.kerberos.kerb.server.SimpleKdcServer;

/**
 * A key distribution centre on loopback, and a Hadoop that trusts it. Leaves {@code krb5.conf} and
 * {@code client.keytab}, for the principal {@code statekeeper@SEEDS.TEST}, in the folder.
 */
final class Kerberos {
    static final String SERVER = "hdfs/localhost@SEEDS.TEST";
    private static final String CLIENT = "statekeeper@SEEDS.TEST";

    private Kerberos() {}

    static void secure(Configuration configuration, File folder) throws Exception {
        SimpleKdcServer centre = new SimpleKdcServer();
        centre.setWorkDir(folder);
        centre.setKdcHost("localhost");
        centre.setKdcRealm("SEEDS.TEST");
        centre.setKdcTcpPort(freePort());
        centre.setAllowUdp(false);
        centre.init();
        centre.start();
        File serverKeys = new File(folder, "server.keytab");
        for (String principal : new String[] {SERVER, CLIENT}) {
            centre.createPrincipal(principal);
        }
        centre.exportPrincipal(SERVER, serverKeys);
        centre.exportPrincipal(CLIENT, new File(folder, "client.keytab"));
        System.setProperty("java.security.krb5.conf", new File(folder, "krb5.conf").getPath());

        configuration.set("hadoop.security.authentication", "kerberos");
        configuration.set("hadoop.security.authorization", "true");
        for (String role : new String[] {"namenode", "datanode"}) {
            configuration.set("dfs." + role + ".kerberos.principal", SERVER);
            configuration.set("dfs." + role + ".keytab.file", serverKeys.getPath());
        }
        configuration.set("dfs.block.access.token.enable", "true");
        configuration.set("dfs.data.transfer.protection", "authentication");
        configuration.set("ignore.secure.ports.for.testing", "true");
        UserGroupInformation.setConfiguration(configuration);
        UserGroupInformation.loginUserFromKeytab(SERVER, serverKeys.getPath());
    }

    private static int freePort() throws Exception {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }
}
