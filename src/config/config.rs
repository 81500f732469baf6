//! The configuration as plain typed values: what the rest of the program sees.

use super::report::Place;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

/// Everything a node is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Names and addresses.
    pub node: NodeConfig,
    /// Clients.
    pub client: ClientConfig,
    /// How nodes and clients find this cluster.
    pub discovery: Discovery,
    /// The data directory.
    pub storage: StorageConfig,
    /// Replication.
    pub raft: RaftConfig,
    /// Sessions of locks.
    pub cp: CpConfig,
    /// Settings of maps by name, applied once at bootstrap.
    pub maps: BTreeMap<String, MapConfig>,
    /// Limits.
    pub limits: LimitsConfig,
    /// HTTP API.
    pub admin: AdminConfig,
    /// The coordinator beside this node, when there is one to register.
    pub coordinator: Option<CoordinatorConfig>,
    /// `coordinator.check-timeout`, by which a leader judges the coordinators of other nodes too.
    pub coordinator_check_timeout: Duration,
    /// Logs.
    pub log: LogConfig,
}

/// Names and addresses of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// `node.id`, when given.
    pub id: Option<u64>,
    /// `state-store.cluster`.
    pub cluster_name: String,
    /// `state-store.name`, shown only.
    pub store_name: String,
    /// `state-store.encryption-type` is `base64encoding`.
    pub base64_values: bool,
    /// `node.bind`.
    pub bind: IpAddr,
    /// `node.advertise`: a host name or an address.
    pub advertise: String,
}

/// The client port and time-outs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// `hazelcast.discovery.port`.
    pub port: u16,
    /// `port.probe`.
    pub port_probe: bool,
    /// Host of `client.advertise`.
    pub advertise_host: String,
    /// Port of `client.advertise`.
    pub advertise_port: u16,
    /// `client.member-timeout`.
    pub member_timeout: Duration,
    /// `client.operation-timeout`.
    pub operation_timeout: Duration,
    /// `client.close-when-isolated`.
    pub close_when_isolated: Option<Duration>,
    /// `hazelcast.heartbeat.interval.seconds`.
    pub heartbeat_interval: Duration,
    /// `hazelcast.max.no.heartbeat.seconds`.
    pub silence_max: Duration,
}

/// How nodes find each other and clients find them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discovery {
    /// Nobody is looked for.
    None,
    /// A fixed list.
    StaticSeeds(Vec<String>),
    /// A shared directory.
    SeedDirectory(SeedDirectoryConfig),
    /// Datagrams.
    Multicast(MulticastConfig),
}

/// openLooKeng's seed store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedDirectoryConfig {
    /// `fs.client.type`.
    pub filesystem: Filesystem,
    /// `seed-store.filesystem.seed-dir`, without the cluster's folder.
    pub seed_dir: PathBuf,
    /// `seed-store.seed.heartbeat`.
    pub heartbeat: Duration,
    /// `seed-store.seed.heartbeat.timeout`.
    pub heartbeat_timeout: Duration,
}

/// Where a seed directory is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filesystem {
    /// On a file system that this machine mounts.
    Local,
    /// In HDFS.
    Hdfs(HdfsConfig),
}

/// How to reach HDFS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HdfsConfig {
    /// All properties of the files in `hdfs.config.resources`.
    pub properties: BTreeMap<String, String>,
    /// `hdfs.authentication.type=KERBEROS`.
    pub kerberos: Option<KerberosLogin>,
}

/// How to log in to HDFS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KerberosLogin {
    /// `hdfs.krb5.principal`.
    pub principal: String,
    /// `hdfs.krb5.keytab.path`.
    pub keytab: PathBuf,
}

/// Group and socket options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MulticastConfig {
    /// The group.
    pub group: Ipv4Addr,
    /// The port.
    pub port: u16,
    /// Time to live.
    pub ttl: u32,
    /// Address of the interface.
    pub interface: Ipv4Addr,
}

/// The data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageConfig {
    /// `storage.data-dir`.
    pub data_dir: PathBuf,
    /// `storage.disk-free-min`.
    pub disk_free_bytes_min: u64,
    /// `audit.file`.
    pub audit_file: PathBuf,
}

/// Replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftConfig {
    /// `raft.port`.
    pub port: u16,
    /// `raft.heartbeat-interval`.
    pub heartbeat_interval: Duration,
    /// `raft.election-timeout`.
    pub election_timeout: Duration,
    /// `raft.reads` is `lease`.
    pub lease_reads: bool,
    /// `raft.snapshot-log-bytes`.
    pub snapshot_log_bytes: u64,
    /// `raft.bootstrap-expect`.
    pub bootstrap_expect: usize,
    /// `raft.disk-stall-step-down`.
    pub disk_stall_step_down: Duration,
}

/// Sessions of locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpConfig {
    /// `cp.session-time-to-live`.
    pub session_time_to_live: Duration,
    /// `cp.session-heartbeat-interval`.
    pub session_heartbeat_interval: Duration,
}

/// Settings of one map; `None`: no limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MapConfig {
    /// Life of a record.
    pub time_to_live: Option<Duration>,
    /// Life of an untouched record.
    pub max_idle: Option<Duration>,
    /// Records in the cluster.
    pub max_entries: Option<u64>,
    /// What goes when it is full.
    pub eviction: Eviction,
}

/// What goes when a map is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Eviction {
    /// Nothing.
    #[default]
    None,
    /// The record untouched for longest.
    Lru,
    /// The record touched least.
    Lfu,
}

/// Limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitsConfig {
    /// `limits.value-bytes-max`.
    pub value_bytes_max: u64,
    /// `limits.request-bytes-max`.
    pub request_bytes_max: u64,
    /// `limits.key-bytes-max`.
    pub key_bytes_max: u64,
    /// `limits.name-bytes-max`.
    pub name_bytes_max: u64,
    /// `limits.state-bytes-max`.
    pub state_bytes_max: u64,
    /// `limits.clients-max`.
    pub clients_max: usize,
    /// `limits.client-in-flight-max`.
    pub client_in_flight_max: usize,
    /// `limits.client-send-buffer-max`.
    pub client_send_buffer_bytes_max: u64,
    /// `limits.listeners-per-client-max`.
    pub listeners_per_client_max: usize,
    /// `limits.objects-max`.
    pub objects_max: usize,
}

/// HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// `admin.bind`.
    pub bind: IpAddr,
    /// `admin.port`.
    pub port: u16,
    /// `admin.insecure`.
    pub insecure: bool,
    /// `admin.session-lifetime`.
    pub session_lifetime: Duration,
}

/// The coordinator to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoordinatorConfig {
    /// Its base URI, such as `http://10.0.0.1:8080`.
    pub uri: String,
    /// Host of the record.
    pub host: String,
    /// Port of the record.
    pub port: u16,
    /// What `coordinator.ca-file` holds; `None`: an HTTPS coordinator's certificate is not checked.
    pub ca_certificates: Option<Vec<u8>>,
    /// `coordinator.check-interval`.
    pub check_interval: Duration,
    /// `coordinator.check-timeout`.
    pub check_timeout: Duration,
}

/// Logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// `log.format` is `json`.
    pub json: bool,
    /// `log.level`, a word of `tracing`.
    pub level: String,
    /// `log.file`; `None`: standard output.
    pub file: Option<PathBuf>,
    /// Files kept, the first part of `log.keep`.
    pub keep_files: usize,
    /// Size of one, the second part of `log.keep`.
    pub keep_bytes: u64,
    /// `log.slow-request`.
    pub slow_request: Duration,
    /// `log.slow-apply`.
    pub slow_apply: Duration,
    /// `log.slow-flush`.
    pub slow_flush: Duration,
}

/// One line of `config show`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The key.
    pub key: String,
    /// Its value; `None`: a secret.
    pub value: Option<String>,
    /// Where it came from.
    pub place: Place,
    /// Whether a running node takes a new value.
    pub reloadable: bool,
}
