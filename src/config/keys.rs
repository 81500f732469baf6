//! Every property this program knows, in one table: the parser, the generated page
//! `docs/configuration.md` and the suggestions for misspelt keys all come from it.

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number within bounds.
    Int(u64, u64),
    /// A duration of at least so many milliseconds; the second part is the unit in
    /// milliseconds of a bare number, 0 where a unit must be written.
    Duration(u64, u64),
    /// A duration or the word `off`.
    DurationOrOff,
    /// A size in bytes of at least so many, `512kB` and the like, binary.
    Size(u64),
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Free text.
    Text,
    /// Letters, digits, `_` and `-`.
    Name,
    /// Text never shown.
    Secret,
    /// A path.
    Path,
    /// Items between commas.
    List,
    /// A number from 0 to 1.
    Ratio,
    /// `<files> x <size>`.
    Keep,
}

/// The file a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// `etc/state-store.properties`, shared with openLooKeng.
    StateStore,
    /// `etc/seed-store.properties`, shared with openLooKeng.
    SeedStore,
    /// `etc/filesystem/<profile>.properties`, shared with openLooKeng.
    Filesystem,
    /// `etc/statekeeper.properties`.
    Ours,
}

impl Source {
    /// The file as the documentation names it.
    pub fn file(self) -> &'static str {
        match self {
            Self::StateStore => "etc/state-store.properties",
            Self::SeedStore => "etc/seed-store.properties",
            Self::Filesystem => "etc/filesystem/<profile>.properties",
            Self::Ours => "etc/statekeeper.properties",
        }
    }
}

/// Whether this build can do what the key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// Yes.
    Full,
    /// Only these values; the key with any other value stops the start.
    Only(&'static [&'static str]),
    /// Only these values; any other is a warning.
    WarnUnless(&'static [&'static str]),
    /// Not at all: the key stops the start.
    Absent,
    /// Means something only with a feature that another key switches on and that stops the start.
    Dormant,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct KeySpec {
    /// Its name.
    pub name: &'static str,
    /// Its type and range.
    pub kind: Kind,
    /// The default as text; empty: none, or worked out (then `doc` says how).
    pub default: &'static str,
    /// Whether a running node takes a new value.
    pub reloadable: bool,
    /// Where it is written.
    pub source: Source,
    /// Whether this build can do it.
    pub support: Support,
    /// What it is for.
    pub doc: &'static str,
}

use Kind::{
    Bool, Choice, Duration, DurationOrOff, Int, Keep, List, Name, Path, Ratio, Secret, Size, Text,
};
use Source::{Filesystem, Ours, SeedStore, StateStore};
use Support::{Absent, Dormant, Full, Only, WarnUnless};

const fn key(
    source: Source,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
) -> KeySpec {
    KeySpec { name, kind, default, reloadable: false, source, support: Full, doc }
}

impl KeySpec {
    const fn reloadable(mut self) -> Self {
        self.reloadable = true;
        self
    }

    const fn support(mut self, support: Support) -> Self {
        self.support = support;
        self
    }
}

const PORT: Kind = Int(1, 65_535);
const SWITCH: Kind = Bool;

/// The table, in the order of the documentation.
#[rustfmt::skip]
pub const KEYS: &[KeySpec] = &[
    key(StateStore, "state-store.type", Choice(&["hazelcast"]), "", "Required in the file; always `hazelcast`."),
    key(StateStore, "state-store.name", Text, "default-state-store", "Shown only."),
    key(StateStore, "state-store.cluster", Name, "", "Cluster name, equal to the clients'; also the folder in the seed directory. `hetu-state-store`, or `dev` without any openLooKeng file."),
    key(StateStore, "state-store.encryption-type", Choice(&["none", "base64encoding"]), "none", "How openLooKeng wraps values; the console decodes through it."),
    key(StateStore, "hazelcast.discovery.mode", Choice(&["multicast", "tcp-ip"]), "", "`multicast`, or no discovery without any openLooKeng file."),
    key(StateStore, "hazelcast.discovery.port", PORT, "5701", "The client port. No other is tried when it is busy, unless `port.probe=true`."),
    key(StateStore, "hazelcast.discovery.tcp-ip.seeds", List, "", "`host:port` list, port optional; wins over the profile."),
    key(StateStore, "hazelcast.discovery.tcp-ip.profile", Name, "", "File system profile of the seed directory; `seed-store.filesystem.profile`."),
    key(StateStore, "hazelcast.cp-system.member-count", Int(0, 7), "0", "0 or at least 3. Changes nothing here: locks are always CP."),
    key(StateStore, "hazelcast.heartbeat.interval.seconds", Duration(1000, 1000), "5", "Clients' heartbeat interval, in seconds."),
    key(StateStore, "hazelcast.heartbeat.timeout.seconds", Duration(1000, 1000), "60", "The clients' own time-out, in seconds; a warning below three intervals."),
    key(StateStore, "hazelcast.max.no.heartbeat.seconds", Duration(1000, 1000), "60", "A client silent for so many seconds is closed; longer than the interval."),
    key(StateStore, "hazelcast.ssl.enabled", SWITCH, "false", "TLS from the first byte.").support(Only(&["false"])),
    key(StateStore, "hazelcast.ssl.keystore.path", Path, "", "Key store.").support(Dormant),
    key(StateStore, "hazelcast.ssl.keystore.password", Secret, "", "Its password.").support(Dormant),
    key(StateStore, "hazelcast.ssl.truststore.path", Path, "", "Trust store; the key store.").support(Dormant),
    key(StateStore, "hazelcast.ssl.truststore.password", Secret, "", "Its password.").support(Dormant),
    key(StateStore, "hazelcast.ssl.cipher.suites", List, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "Java names of cipher suites.").support(Dormant),
    key(StateStore, "hazelcast.ssl.protocols", List, "TLSv1.2", "`TLSv1.2`, `TLSv1.3`.").support(Dormant),
    key(StateStore, "hazelcast.kerberos.enable", SWITCH, "false", "Kerberos authentication of clients.").support(Only(&["false"])),
    key(StateStore, "hazelcast.kerberos.login.context.name", Text, "", "Entry of the JAAS file.").support(Dormant),
    key(StateStore, "hazelcast.kerberos.service.principal", Text, "", "Principal of the service.").support(Dormant),
    key(StateStore, "hazelcast.kerberos.krb5.conf", Path, "", "Kerberos configuration.").support(Dormant),
    key(StateStore, "hazelcast.kerberos.auth.login.config", Path, "", "JAAS file.").support(Dormant),
    key(SeedStore, "seed-store.type", Choice(&["filebased"]), "filebased", "Always `filebased`."),
    key(SeedStore, "seed-store.cluster", Text, "", "Not used here; a warning when it differs from `state-store.cluster`."),
    key(SeedStore, "seed-store.seed.heartbeat", Duration(1, 1), "10000", "How often a seed is refreshed, in milliseconds."),
    key(SeedStore, "seed-store.seed.heartbeat.timeout", Duration(1, 1), "60000", "When a seed is stale, in milliseconds; not below the heartbeat."),
    key(SeedStore, "seed-store.filesystem.seed-dir", Path, "/opt/hetu/seedstore", "Absolute; created if absent."),
    key(SeedStore, "seed-store.filesystem.profile", Name, "hdfs-config-default", "Names `etc/filesystem/<profile>.properties`."),
    key(SeedStore, "seed-store.on-yarn", SWITCH, "false", "Seeds from YARN.").support(WarnUnless(&["false"])),
    key(Filesystem, "fs.client.type", Choice(&["local", "hdfs"]), "local", "File system that holds the seed directory."),
    key(Filesystem, "hdfs.config.resources", List, "", "Hadoop's `core-site.xml` and `hdfs-site.xml`; later ones win. Required with `hdfs`."),
    key(Filesystem, "hdfs.authentication.type", Choice(&["NONE", "KERBEROS"]), "NONE", "How to log in to HDFS; `KERBEROS` needs the library `libgssapi_krb5.so.2`."),
    key(Filesystem, "hdfs.krb5.conf.path", Path, "", "Kerberos configuration; `KRB5_CONFIG` in the environment must name the same file, unless it is `/etc/krb5.conf`."),
    key(Filesystem, "hdfs.krb5.keytab.path", Path, "", "Key table. Required with `KERBEROS`."),
    key(Filesystem, "hdfs.krb5.principal", Text, "", "Principal. Required with `KERBEROS`."),
    key(Filesystem, "fs.hdfs.impl.disable.cache", SWITCH, "false", "A switch of Hadoop's own client; means nothing here."),
    key(Ours, "node.id", Int(1, u64::MAX), "", "Made at the first start and kept in the data directory; a different one is refused."),
    key(Ours, "node.bind", Text, "0.0.0.0", "Address to listen on, for clients and for Raft."),
    key(Ours, "node.advertise", Text, "", "Address others reach this node at, never a wildcard. The first address that is not loopback."),
    key(Ours, "client.advertise", Text, "", "`host:port` in member list, seeds and datagrams. `node.advertise` with `hazelcast.discovery.port`."),
    key(Ours, "client.member-timeout", Duration(100, 0), "10s", "When a silent node leaves the clients' member list.").reloadable(),
    key(Ours, "client.operation-timeout", Duration(100, 0), "10s", "When a waiting request is answered with an error.").reloadable(),
    key(Ours, "client.close-when-isolated", DurationOrOff, "off", "Close clients of a node without a leader after this time.").reloadable(),
    key(Ours, "client.auth", Choice(&["none", "password", "kerberos"]), "none", "`none`: the cluster name only.").support(Only(&["none"])),
    key(Ours, "port.probe", SWITCH, "false", "Try the next ports when the client port is busy."),
    key(Ours, "discovery.multicast.group", Text, "224.2.2.3", "openLooKeng's clients know only the default."),
    key(Ours, "discovery.multicast.port", PORT, "54327", "openLooKeng's clients know only the default."),
    key(Ours, "discovery.multicast.ttl", Int(0, 255), "255", "Time to live of a datagram."),
    key(Ours, "discovery.multicast.interface", Text, "", "Address of the interface; that of `client.advertise` if this machine has it, else that of `node.advertise`."),
    key(Ours, "storage.data-dir", Path, "data", "Owned by this node: mode 0700, one process."),
    key(Ours, "storage.sync", Choice(&["always", "never"]), "always", "An acknowledged write is on the disk.").support(Only(&["always"])),
    key(Ours, "storage.disk-free-min", Size(0), "1GB", "Below it only deletes, sessions and membership are taken; above it by a tenth: all again.").reloadable(),
    key(Ours, "raft.port", PORT, "5751", "Port between nodes."),
    key(Ours, "raft.heartbeat-interval", Duration(10, 0), "100ms", "Interval of the leader's sign of life."),
    key(Ours, "raft.election-timeout", Duration(100, 0), "1s", "From a leader's last sign to the latest first campaign; at least ten heartbeats."),
    key(Ours, "raft.reads", Choice(&["read-index", "lease"]), "read-index", "`lease` is faster and trusts monotonic clocks."),
    key(Ours, "raft.snapshot-log-bytes", Size(1 << 20), "256MB", "A snapshot is made after so many bytes of log.").reloadable(),
    key(Ours, "raft.bootstrap-expect", Int(1, 64), "", "Voters before the first election: entries of `hazelcast.discovery.tcp-ip.seeds`, else 3; 1 without any openLooKeng file."),
    key(Ours, "raft.disk-stall-step-down", Duration(100, 0), "5s", "A leader whose flush hangs so long hands over.").reloadable(),
    key(Ours, "cp.session-time-to-live", Duration(1000, 0), "30s", "A client silent for so long loses its locks; at least three intervals."),
    key(Ours, "cp.session-heartbeat-interval", Duration(100, 0), "5s", "Interval of session heartbeats."),
    key(Ours, "limits.value-bytes-max", Size(1024), "32MB", "Largest value.").reloadable(),
    key(Ours, "limits.request-bytes-max", Size(1024), "64MB", "Largest request.").reloadable(),
    key(Ours, "limits.key-bytes-max", Size(64), "64kB", "Largest key.").reloadable(),
    key(Ours, "limits.name-bytes-max", Size(16), "512B", "Longest name of an object.").reloadable(),
    key(Ours, "limits.state-bytes-max", Size(1 << 20), "", "Accounted bytes of the whole state; half of the memory.").reloadable(),
    key(Ours, "limits.clients-max", Int(1, 1_000_000), "2000", "Clients of one node.").reloadable(),
    key(Ours, "limits.client-in-flight-max", Int(1, 1_000_000), "1024", "Unanswered requests of one client.").reloadable(),
    key(Ours, "limits.client-send-buffer-max", Size(65_536), "64MB", "Unsent bytes of one client before it is closed.").reloadable(),
    key(Ours, "limits.listeners-per-client-max", Int(1, 1_000_000), "1024", "Listeners of one client.").reloadable(),
    key(Ours, "limits.objects-max", Int(1, 10_000_000), "10000", "Distributed objects.").reloadable(),
    key(Ours, "tls.mode", Choice(&["off", "on", "optional"]), "off", "TLS for clients.").support(Only(&["off"])),
    key(Ours, "tls.client-cert", Choice(&["none", "request", "require"]), "none", "Certificates of clients.").support(Only(&["none"])),
    key(Ours, "admin.bind", Text, "127.0.0.1", "Address of the HTTP API; any but loopback needs `admin.insecure=true`."),
    key(Ours, "admin.port", PORT, "5780", "Port of the HTTP API."),
    key(Ours, "admin.insecure", SWITCH, "false", "Allows an open HTTP API without users and TLS."),
    key(Ours, "admin.session-lifetime", Duration(60_000, 0), "8h", "Console login.").reloadable(),
    key(Ours, "coordinator.uri", Text, "", "Of the coordinator beside this node; from `node.internal-address` and the HTTP port in openLooKeng's files with `coordinator=true` and `hetu.multiple-coordinator.enabled=true`, or the HTTPS port with `internal-communication.https.required=true` or without HTTP. Empty: this node registers none."),
    key(Ours, "coordinator.ca-file", Path, "", "PEM file of the authority that must have signed an HTTPS coordinator's certificate, which must then also carry its host. Without it the certificate is not checked: coordinators usually sign their own, nothing secret is sent, and nothing but the status is believed."),
    key(Ours, "coordinator.check-interval", Duration(100, 0), "2s", "Interval of `GET /v1/info`.").reloadable(),
    key(Ours, "coordinator.check-timeout", Duration(100, 0), "10s", "Silence after which a coordinator is down.").reloadable(),
    key(Ours, "backup.dir", Path, "", "Where backups go.").support(Absent),
    key(Ours, "backup.interval", DurationOrOff, "0s", "How often; `0s` is off.").reloadable().support(Only(&["0s", "off"])),
    key(Ours, "backup.keep", Int(1, 10_000), "24", "Backups kept.").reloadable().support(Dormant),
    key(Ours, "log.format", Choice(&["text", "json"]), "text", "`json`: one object a line.").reloadable(),
    key(Ours, "log.level", Choice(&["error", "warn", "info", "debug", "trace"]), "info", "Least serious level written.").reloadable(),
    key(Ours, "log.file", Path, "", "Standard output when empty.").reloadable(),
    key(Ours, "log.keep", Keep, "10 x 100MB", "Files kept and their size.").reloadable(),
    key(Ours, "log.slow-request", Duration(1, 0), "500ms", "A slower request is logged.").reloadable(),
    key(Ours, "log.slow-apply", Duration(1, 0), "100ms", "A slower apply is logged.").reloadable(),
    key(Ours, "log.slow-flush", Duration(1, 0), "100ms", "A slower flush is logged.").reloadable(),
    key(Ours, "audit.file", Path, "", "`audit.log` in the data directory.").reloadable(),
    key(Ours, "trace.otlp-endpoint", Text, "", "Collector of traces.").reloadable().support(Absent),
    key(Ours, "trace.sample-ratio", Ratio, "0.01", "Share of traces kept.").reloadable().support(Absent),
];

/// The settings of one map: `map.<name>.<setting>`.
#[rustfmt::skip]
pub(super) const MAP_KEYS: &[KeySpec] = &[
    key(Ours, "time-to-live", Duration(0, 0), "", "Life of a record without one of its own; whole milliseconds."),
    key(Ours, "max-idle", Duration(0, 0), "", "Life of a record nobody touches."),
    key(Ours, "max-entries", Int(1, u64::MAX), "", "Records in the whole cluster."),
    key(Ours, "eviction", Choice(&["none", "lru", "lfu"]), "", "What goes when the map is full."),
];

/// Prefixes that name features this build lacks as a whole.
pub(super) const ABSENT_PREFIXES: &[&str] = &["raft.tls.", "admin.users", "trace.", "backup."];

/// Prefixes of other parts of openLooKeng, silently passed over in its files.
pub(super) const NEIGHBOUR_PREFIXES: &[&str] = &[
    "hetu.",
    "http-server.",
    "query.",
    "discovery.",
    "discovery-server.",
    "internal-communication.",
    "task.",
    "memory.",
    "exchange.",
    "node-scheduler.",
    "coordinator",
    "catalog.",
    "plugin.",
];

/// Finds a key by its exact name.
pub(super) fn find(name: &str) -> Option<&'static KeySpec> {
    KEYS.iter().find(|spec| spec.name == name)
}

/// Splits `map.<name>.<setting>`; a map's name may hold dots.
pub(super) fn find_map_key(name: &str) -> Option<(&str, &'static KeySpec)> {
    let (map, setting) = name.strip_prefix("map.")?.rsplit_once('.')?;
    let spec = MAP_KEYS.iter().find(|spec| spec.name == setting)?;
    (!map.is_empty()).then_some((map, spec))
}

/// The known key nearest to a misspelt one, when one is near enough to be meant.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    // Longer input is no misspelling, and the distance costs its length squared.
    const NAME_BYTES_MAX: usize = 128;
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    KEYS.iter()
        .map(|spec| (distance(name, spec.name), spec.name))
        .min()
        .filter(|(steps, _)| *steps <= name.len().div_ceil(3))
        .map(|(_, known)| known)
}

fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, to) in right.iter().enumerate() {
            let swap = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = swap.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
