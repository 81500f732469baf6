import java.io.BufferedReader;
import java.io.File;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.hdfs.MiniDFSNNTopology;

/**
 * One or two real NameNodes and a DataNode in this process, on loopback.
 *
 * <p>Arguments: base folder, number of NameNodes, and {@code kerberos} for a cluster that lets
 * nobody in without a ticket; its key distribution centre then runs here too. Prints {@code
 * ready} once the client configuration lies in {@code core-site.xml} of the folder, then obeys one
 * command a line and answers each with one line. Ends with its input.
 */
public final class MiniHdfs {
    private static final String NAME_SERVICE = "seeds";

    private final MiniDFSCluster cluster;
    private final boolean twoNameNodes;
    private final PrintStream answers;

    private MiniHdfs(MiniDFSCluster cluster, boolean twoNameNodes, PrintStream answers) {
        this.cluster = cluster;
        this.twoNameNodes = twoNameNodes;
        this.answers = answers;
    }

    public static void main(String[] arguments) throws Exception {
        // Hadoop writes to the standard output too: answers keep a way of their own.
        PrintStream answers = System.out;
        System.setOut(System.err);
        File base = new File(arguments[0]);
        boolean two = arguments[1].equals("2");
        boolean kerberos = arguments.length > 2;
        base.mkdirs();
        Configuration configuration = new HdfsConfiguration();
        if (kerberos) {
            Kerberos.secure(configuration, base);
        }
        configuration.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, base.getAbsolutePath());
        configuration.set("dfs.permissions.enabled", "true");
        configuration.set("dfs.ha.tail-edits.period", "1");
        MiniDFSCluster.Builder builder = new MiniDFSCluster.Builder(configuration).numDataNodes(1);
        if (two) {
            builder.nnTopology(topology());
        }
        MiniDFSCluster cluster = builder.build();
        try {
            if (two) {
                cluster.transitionToActive(0);
            }
            cluster.waitActive();
            writeClientFile(cluster, two, kerberos, new File(base, "core-site.xml"));
            answers.println("ready");
            answers.flush();
            new MiniHdfs(cluster, two, answers).serve();
        } finally {
            cluster.shutdown(true);
        }
    }

    private static MiniDFSNNTopology topology() {
        return new MiniDFSNNTopology()
                .addNameservice(
                        new MiniDFSNNTopology.NSConf(NAME_SERVICE)
                                .addNN(new MiniDFSNNTopology.NNConf("nn1"))
                                .addNN(new MiniDFSNNTopology.NNConf("nn2")));
    }

    /** What an operator would hand to clients: no more than they need. */
    private static void writeClientFile(
            MiniDFSCluster cluster, boolean two, boolean kerberos, File file) throws Exception {
        Configuration client = new Configuration(false);
        if (kerberos) {
            client.set("hadoop.security.authentication", "kerberos");
            client.set("dfs.namenode.kerberos.principal", Kerberos.SERVER);
            client.set("dfs.data.transfer.protection", "authentication");
        }
        if (two) {
            client.set("fs.defaultFS", "hdfs://" + NAME_SERVICE);
            client.set("dfs.nameservices", NAME_SERVICE);
            client.set("dfs.ha.namenodes." + NAME_SERVICE, "nn1,nn2");
            for (int i = 0; i < 2; i++) {
                String address = "127.0.0.1:" + cluster.getNameNodePort(i);
                client.set("dfs.namenode.rpc-address." + NAME_SERVICE + ".nn" + (i + 1), address);
            }
            client.set(
                    "dfs.client.failover.proxy.provider." + NAME_SERVICE,
                    "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider");
        } else {
            client.set("fs.defaultFS", "hdfs://127.0.0.1:" + cluster.getNameNodePort());
        }
        try (FileOutputStream out = new FileOutputStream(file)) {
            client.writeXml(out);
        }
    }

    private void serve() throws Exception {
        BufferedReader lines =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String answer;
            try {
                answer = "ok " + obey(line.split(" "));
            } catch (Exception e) {
                answer = "failed " + e.toString().replace('\n', ' ');
            }
            answers.println(answer);
            answers.flush();
        }
    }

    private String obey(String[] words) throws Exception {
        int active = twoNameNodes && cluster.getNameNode(0) == null ? 1 : activeIndex();
        FileSystem files = cluster.getFileSystem(active);
        switch (words[0]) {
            case "failover":
                cluster.transitionToStandby(active);
                cluster.transitionToActive(1 - active);
                return "";
            case "kill-active":
                cluster.shutdownNameNode(active);
                cluster.transitionToActive(1 - active);
                return "";
            case "safe-mode":
                cluster.getNameNodeRpc(active)
                        .setSafeMode(
                                org.apache.hadoop.hdfs.protocol.HdfsConstants.SafeModeAction
                                        .valueOf("SAFEMODE_" + words[1]),
                                false);
                return "";
            case "status":
                FileStatus status = files.getFileStatus(new Path(words[1]));
                return status.getOwner()
                        + ":"
                        + status.getGroup()
                        + " "
                        + Integer.toOctalString(status.getPermission().toShort());
            case "chmod":
                files.setPermission(
                        new Path(words[2]), new FsPermission(Short.parseShort(words[1], 8)));
                return "";
            case "chown":
                files.setOwner(new Path(words[3]), words[1], words[2]);
                return "";
            case "mkdir":
                files.mkdirs(new Path(words[1]));
                files.setPermission(new Path(words[1]), new FsPermission((short) 0777));
                return "";
            case "write":
                try (java.io.OutputStream out = files.create(new Path(words[1]), true)) {
                    if (words.length > 2) {
                        out.write(words[2].getBytes(StandardCharsets.UTF_8));
                    }
                }
                return "";
            case "age":
                long time = files.getFileStatus(new Path(words[2])).getModificationTime();
                files.setTimes(new Path(words[2]), time - Long.parseLong(words[1]), -1);
                return "";
            case "delete":
                return Boolean.toString(files.delete(new Path(words[1]), true));
            case "list":
                StringBuilder names = new StringBuilder();
                for (FileStatus entry : files.listStatus(new Path(words[1]))) {
                    names.append(entry.getPath().getName()).append(' ');
                }
                return names.toString().trim();
            default:
                throw new IllegalArgumentException("no command " + words[0]);
        }
    }

    private int activeIndex() {
        if (!twoNameNodes) {
            return 0;
        }
        return cluster.getNameNode(0).isActiveState() ? 0 : 1;
    }
}
