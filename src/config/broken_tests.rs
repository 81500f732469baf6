#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
//! Broken files, found in the wild or invented, and the words each is answered with. The snapshot
//! is what an operator reads: file, line, key, value, what is wrong, what to do.

use std::fmt::Write;

/// What makes a good configuration of each file; a case replaces one.
const STATE_STORE: &str = "state-store.type=hazelcast\nhazelcast.discovery.mode=tcp-ip\n";
const SEED_STORE: &str = "seed-store.filesystem.profile=remote\n";
const PROFILE: &str = "fs.client.type=hdfs\nhdfs.config.resources=@ETC/core-site.xml\n";
const CORE_SITE: &str = "<configuration>\n  <property><name>fs.defaultFS</name>\
    <value>hdfs://namenode:9000</value></property>\n</configuration>\n";
const KERBEROS: &str = "fs.client.type=hdfs\nhdfs.config.resources=@ETC/core-site.xml\n\
    hdfs.authentication.type=KERBEROS\n";
const KERBEROS_SITE: &str = "<configuration>\n  <property><name>fs.defaultFS</name>\
    <value>hdfs://namenode</value></property>\n  <property>\
    <name>hadoop.security.authentication</name><value>kerberos</value></property>\n\
    </configuration>\n";

/// One broken file in an otherwise good folder, or several.
type Case = (&'static str, &'static [(&'static str, &'static str)]);

const OURS: &str = "statekeeper.properties";
const STATE: &str = "state-store.properties";
const SEED: &str = "seed-store.properties";
const REMOTE: &str = "filesystem/remote.properties";
const CORE: &str = "core-site.xml";

const CASES: &[Case] = &[
    ("nothing is wrong", &[]),
    ("a misspelt key", &[(OURS, "raft.prot=5751\n")]),
    ("a key of nobody's", &[(OURS, "colour=blue\n")]),
    ("a misspelt secret is not shown", &[(OURS, "hazelcast.ssl.keystore.pasword=hush\n")]),
    ("one key twice", &[(OURS, "raft.port=5751\nraft.port=5752\n")]),
    ("a port that is none", &[(OURS, "raft.port=70000\n")]),
    ("a port in words", &[(OURS, "raft.port=five\n")]),
    ("two ports that are one", &[(OURS, "raft.port=5701\n")]),
    ("a duration without a unit", &[(OURS, "client.member-timeout=10\n")]),
    ("a size without sense", &[(OURS, "limits.request-bytes-max=1MB\n")]),
    ("an address that is none", &[(OURS, "node.bind=nowhere\n")]),
    ("a wildcard to advertise", &[(OURS, "node.advertise=0.0.0.0\n")]),
    ("a port behind the address to advertise", &[(OURS, "node.advertise=host:5701\n")]),
    ("authorities that are not there", &[(OURS, "coordinator.ca-file=/nowhere.pem\n")]),
    ("an admin port for all", &[(OURS, "admin.bind=0.0.0.0\n")]),
    ("a variable that is not set", &[(OURS, "node.advertise=${ENV:STATEKEEPER_NOT_SET}\n")]),
    ("a file that is not there", &[(OURS, "node.advertise=${FILE:/nowhere/secret}\n")]),
    ("a broken escape", &[(OURS, "node.advertise=\\u12\n")]),
    ("durability switched off", &[(OURS, "storage.sync=never\n")]),
    ("durability by chance", &[(OURS, "storage.sync=sometimes\n")]),
    ("port 0", &[(OURS, "raft.port=0\n")]),
    ("an admin port that is the clients'", &[(OURS, "admin.port=5701\n")]),
    ("a bare number of bytes", &[(OURS, "storage.disk-free-min=1\n")]),
    ("elections sooner than heartbeats allow", &[(OURS, "raft.election-timeout=500ms\n")]),
    ("sessions that end between two heartbeats", &[(OURS, "cp.session-time-to-live=10s\n")]),
    ("two voters", &[(OURS, "raft.bootstrap-expect=2\n")]),
    ("a way to evict that is none", &[(OURS, "map.a.eviction=fifo\n")]),
    ("a feature that is not there", &[(OURS, "tls.mode=on\n")]),
    ("passwords", &[(OURS, "client.auth=password\n")]),
    ("backups", &[(OURS, "backup.interval=1h\n")]),
    ("traces", &[(OURS, "trace.sample-ratio=0.5\n")]),
    ("a key of a feature that is not there", &[(OURS, "raft.tls.cert=a\n")]),
    ("a family of keys that is not there", &[(OURS, "admin.users=a\n")]),
    ("TLS of theirs", &[(STATE, "state-store.type=hazelcast\nhazelcast.ssl.enabled=true\n")]),
    (
        "Kerberos of theirs",
        &[(STATE, "state-store.type=hazelcast\nhazelcast.kerberos.enable=true\n")],
    ),
    (
        "seeds from YARN",
        &[(SEED, "seed-store.filesystem.profile=remote\nseed-store.on-yarn=true\n")],
    ),
    ("a key of ours in their file", &[(STATE, "state-store.type=hazelcast\nraft.port=1\n")]),
    ("no type of state store", &[(STATE, "hazelcast.discovery.mode=tcp-ip\n")]),
    ("another type of state store", &[(STATE, "state-store.type=redis\n")]),
    (
        "another mode of discovery",
        &[(STATE, "state-store.type=hazelcast\nhazelcast.discovery.mode=zookeeper\n")],
    ),
    (
        "a comment behind the mode",
        &[(STATE, "state-store.type=hazelcast\nhazelcast.discovery.mode=tcp-ip  #optional\n")],
    ),
    (
        "a port in words, in their file",
        &[(STATE, "state-store.type=hazelcast\nhazelcast.discovery.port=first\n")],
    ),
    (
        "a list with a hole",
        &[(
            STATE,
            "state-store.type=hazelcast\nhazelcast.discovery.mode=tcp-ip\n\
             hazelcast.discovery.tcp-ip.seeds=a:5701,b:x\n",
        )],
    ),
    (
        "an empty list",
        &[(
            STATE,
            "state-store.type=hazelcast\nhazelcast.discovery.mode=tcp-ip\n\
             hazelcast.discovery.tcp-ip.seeds=\n",
        )],
    ),
    (
        "a cluster's name with a slash",
        &[(STATE, "state-store.type=hazelcast\nstate-store.cluster=../other\n")],
    ),
    ("the stray dot of the published page", &[(SEED, "seed-store.filesystem.profile.=remote\n")]),
    ("a profile that has no file", &[(SEED, "seed-store.filesystem.profile=elsewhere\n")]),
    ("a profile that is a path", &[(SEED, "seed-store.filesystem.profile=../remote\n")]),
    (
        "a relative seed directory",
        &[(SEED, "seed-store.filesystem.profile=remote\nseed-store.filesystem.seed-dir=seeds\n")],
    ),
    (
        "a time-out below the heartbeat",
        &[(
            SEED,
            "seed-store.filesystem.profile=remote\nseed-store.seed.heartbeat=10000\n\
             seed-store.seed.heartbeat.timeout=9999\n",
        )],
    ),
    ("another file system", &[(REMOTE, "fs.client.type=s3\n")]),
    ("HDFS without its files", &[(REMOTE, "fs.client.type=hdfs\n")]),
    (
        "HDFS with a file that is not there",
        &[(REMOTE, "fs.client.type=hdfs\nhdfs.config.resources=@ETC/hdfs-site.xml\n")],
    ),
    ("XML that ends early", &[(CORE, "<configuration>\n  <property><name>fs.def")]),
    ("XML that is another's", &[(CORE, "<project>\n</project>\n")]),
    ("no XML", &[(CORE, "fs.defaultFS=hdfs://namenode:9000\n")]),
    ("an empty file", &[(CORE, "")]),
    (
        "a property without a value",
        &[(
            CORE,
            "<configuration>\n<property><name>fs.defaultFS</name></property>\n</configuration>\n",
        )],
    ),
    (
        "an include",
        &[(
            CORE,
            "<configuration xmlns:xi=\"http://www.w3.org/2001/XInclude\">\n\
             <xi:include href=\"a.xml\"/>\n</configuration>\n",
        )],
    ),
    ("entities that grow", &[(CORE, "<!DOCTYPE a [<!ENTITY b \"bb\">]>\n<configuration/>\n")]),
    ("no file system", &[(CORE, "<configuration/>\n")]),
    (
        "a local file system",
        &[(
            CORE,
            "<configuration>\n<property><name>fs.defaultFS</name>\
             <value>file:///</value></property>\n</configuration>\n",
        )],
    ),
    (
        "no NameNode",
        &[(
            CORE,
            "<configuration>\n<property><name>fs.defaultFS</name>\
             <value>hdfs:///</value></property>\n</configuration>\n",
        )],
    ),
    (
        "a name service without NameNodes",
        &[(
            CORE,
            "<configuration>\n<property><name>fs.defaultFS</name>\
             <value>hdfs://ns</value></property>\n<property><name>dfs.nameservices</name>\
             <value>ns</value></property>\n</configuration>\n",
        )],
    ),
    (
        "a NameNode without an address",
        &[(
            CORE,
            "<configuration>\n<property><name>fs.defaultFS</name>\
             <value>hdfs://ns</value></property>\n<property><name>dfs.ha.namenodes.ns</name>\
             <value>nn1, nn2</value></property>\n<property>\
             <name>dfs.namenode.rpc-address.ns.nn1</name><value>a:8020</value></property>\n\
             </configuration>\n",
        )],
    ),
    ("Kerberos there and not here", &[(CORE, KERBEROS_SITE)]),
    ("Kerberos here and not there", &[(REMOTE, KERBEROS)]),
    ("Kerberos without a principal", &[(REMOTE, KERBEROS), (CORE, KERBEROS_SITE)]),
    (
        "Kerberos with a key table that is not there, and a file the library does not read",
        &[
            (
                REMOTE,
                "fs.client.type=hdfs\nhdfs.config.resources=@ETC/core-site.xml\n\
                 hdfs.authentication.type=KERBEROS\nhdfs.krb5.principal=a@B\n\
                 hdfs.krb5.keytab.path=@ETC/a.keytab\nhdfs.krb5.conf.path=/opt/krb5.conf\n",
            ),
            (CORE, KERBEROS_SITE),
        ],
    ),
    (
        "an embedding neighbour",
        &[("config.properties", "hetu.embedded-state-store.enabled=true\n")],
    ),
    ("a key that openLooKeng refuses", &[("config.properties", "hetu.seed-store.enabled=true\n")]),
];

// checks
#[test]
fn every_broken_file_is_told_with_file_line_key_value_and_fix() {
    let mut told = String::new();
    for (what, files) in CASES {
        writeln!(told, "{what}\n{}\n", findings(files)).unwrap();
    }
    insta::assert_snapshot!(told);
}

fn findings(files: &[(&str, &str)]) -> String {
    let temp = tempfile::tempdir().unwrap();
    let etc = temp.path().to_str().unwrap();
    let good = [(STATE, STATE_STORE), (SEED, SEED_STORE), (REMOTE, PROFILE), (CORE, CORE_SITE)];
    for (name, text) in good.iter().chain(files) {
        let path = temp.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text.replace("@ETC", etc)).unwrap();
    }
    let options = super::LoadOptions { etc_dir: etc.into(), ..Default::default() };
    let lines: Vec<String> =
        super::check(&options).iter().map(|finding| format!("  {finding}")).collect();
    lines.join("\n").replace(etc, "etc")
}
