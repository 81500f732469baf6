//! Typed values to [`Config`], and the rules that join several keys.

mod coordinator;
mod discovery;

use super::config::{
    AdminConfig, ClientConfig, Config, CpConfig, Eviction, LimitsConfig, LogConfig, MapConfig,
    NodeConfig, Provenance, RaftConfig, StorageConfig,
};
use super::keys;
use super::load::{LoadOptions, Set, Settings, gather};
use super::report::{ConfigError, Finding, Place, Problem, Severity};
use super::values::{self, Value};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A configuration that can be started with.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// Where each came from, for `config show`.
    pub provenance: Vec<Provenance>,
    /// What is odd.
    pub warnings: Vec<Finding>,
}

/// Reads all sources; any error in any of them is an error, and all are told at once.
pub fn load(options: &LoadOptions) -> Result<Loaded, ConfigError> {
    let (config, settings) = assemble(options);
    let provenance = provenance(&settings, &config);
    match config {
        Some(config) if settings.findings.iter().all(|f| f.severity == Severity::Warning) => {
            Ok(Loaded { config, provenance, warnings: settings.findings })
        }
        _ => Err(ConfigError { findings: settings.findings }),
    }
}

/// All errors and warnings, for `check-config`.
pub fn check(options: &LoadOptions) -> Vec<Finding> {
    assemble(options).1.findings
}

fn assemble(options: &LoadOptions) -> (Option<Config>, Settings) {
    let mut settings = gather(options);
    neighbour_rules(&mut settings);
    let config = build(&mut settings);
    (config, settings)
}

impl Settings {
    fn error(&mut self, key: &str, text: &'static str, fix: &str) {
        self.find(Severity::Error, key, Problem::Rule(text), fix);
    }

    fn warn(&mut self, key: &str, text: &'static str, fix: &str) {
        self.find(Severity::Warning, key, Problem::Rule(text), fix);
    }

    fn value(&self, key: &str) -> Option<Value> {
        let spec = keys::find(key).expect("only keys of the table are asked for");
        let default = || match spec.default {
            "" => None,
            text => values::parse(spec.kind, text),
        };
        self.values.get(key).map(|set| set.value.clone()).or_else(default)
    }

    fn int(&self, key: &str) -> Option<u64> {
        match self.value(key)? {
            Value::Int(number) | Value::Size(number) => Some(number),
            _ => None,
        }
    }

    // A test reads every default of the table, so a key with a default always has a value.
    fn number(&self, key: &str) -> u64 {
        self.int(key).expect("the key has a default")
    }

    fn count(&self, key: &str) -> usize {
        usize::try_from(self.number(key)).unwrap_or(usize::MAX)
    }

    fn port(&self, key: &str) -> u16 {
        u16::try_from(self.number(key)).expect("the table bounds ports")
    }

    fn duration(&self, key: &str) -> Duration {
        match self.value(key) {
            Some(Value::Duration(duration)) => duration,
            _ => Duration::ZERO,
        }
    }

    fn flag(&self, key: &str) -> bool {
        self.value(key) == Some(Value::Bool(true))
    }

    fn words(&self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    fn ip(&mut self, key: &str) -> Option<IpAddr> {
        let text = self.words(key)?;
        let parsed = text.trim_matches(['[', ']']).parse().ok();
        if parsed.is_none() {
            self.error(key, "the value must be an IP address", "write an address of this machine");
        }
        parsed
    }

    fn neighbour(&self, key: &str) -> Option<&str> {
        self.neighbour.get(key).map(|(value, _)| value.as_str())
    }

    fn neighbour_says(&self, key: &str) -> bool {
        self.neighbour(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A finding at a line of the neighbour's files, if it is there.
    fn tell_neighbour(&mut self, severity: Severity, key: &str, text: &'static str, fix: &str) {
        let Some((value, place)) = self.neighbour.get(key) else { return };
        self.findings.push(Finding {
            severity,
            place: place.clone(),
            key: key.to_owned(),
            value: Some(value.clone()),
            problem: Problem::Neighbour(text),
            fix: fix.to_owned(),
        });
    }
}

fn neighbour_rules(settings: &mut Settings) {
    settings.tell_neighbour(
        Severity::Warning,
        "hetu.seed-store.enabled",
        "openLooKeng does not know this key and refuses to start with it",
        "remove the line; mode tcp-ip without seeds switches the seed store on",
    );
    // req: R-20
    if settings.neighbour_says("hetu.embedded-state-store.enabled") {
        settings.tell_neighbour(
            Severity::Error,
            "hetu.embedded-state-store.enabled",
            "two stores would both claim to be the truth",
            "set it to false on every coordinator",
        );
    }
}

fn build(settings: &mut Settings) -> Option<Config> {
    if settings.has_openlookeng_files && !settings.values.contains_key("state-store.type") {
        let fix = "write state-store.type=hazelcast in etc/state-store.properties";
        settings.find(Severity::Error, "state-store.type", Problem::Missing, fix);
    }
    let node = node(settings)?;
    let client = client(settings, &node);
    let seeds = match settings.value("hazelcast.discovery.tcp-ip.seeds") {
        Some(Value::List(seeds)) => seeds,
        _ => Vec::new(),
    };
    let discovery = discovery::build(settings, &node, &client, &seeds);
    let raft = raft(settings, seeds.len());
    let storage = storage(settings);
    let cp = cp(settings);
    let maps = maps(settings);
    let limits = limits(settings);
    let admin = admin(settings, &client, &raft)?;
    let coordinator = coordinator::coordinator(settings, &node);
    let coordinator_check_timeout = settings.duration("coordinator.check-timeout");
    let log = log(settings);
    let discovery = discovery?;
    Some(Config {
        node,
        client,
        discovery,
        storage,
        raft,
        cp,
        maps,
        limits,
        admin,
        coordinator,
        coordinator_check_timeout,
        log,
    })
}

fn node(settings: &mut Settings) -> Option<NodeConfig> {
    let bind = settings.ip("node.bind")?;
    let advertise = advertised_host(settings).unwrap_or_else(|| own_address(settings, bind));
    let cluster = if settings.has_openlookeng_files { "hetu-state-store" } else { "dev" };
    let cluster_name = settings.words("state-store.cluster").unwrap_or(cluster.to_owned());
    if cluster_name.contains('.') {
        let fix = "use letters, digits, _ and -";
        settings.error("state-store.cluster", "the cluster's name must not hold a dot", fix);
    }
    let other = settings.words("seed-store.cluster");
    if other.is_some_and(|name| name != cluster_name) {
        let fix = "state-store.cluster is what counts";
        settings.warn("seed-store.cluster", "the key is not used and names another cluster", fix);
    }
    Some(NodeConfig {
        id: settings.int("node.id"),
        cluster_name,
        store_name: settings.words("state-store.name").unwrap_or_default(),
        base64_values: settings.words("state-store.encryption-type").as_deref()
            == Some("base64encoding"),
        bind,
        advertise,
    })
}

/// `node.advertise`, an IPv6 address without its brackets.
fn advertised_host(settings: &mut Settings) -> Option<String> {
    let text = settings.words("node.advertise")?;
    let fix = "write an address others reach this node at";
    match crate::discovery::tcp_ip::SeedAddress::parse(&text) {
        Ok(seed) if is_wildcard(&seed.host) => {
            settings.error("node.advertise", "a wildcard cannot be advertised", fix);
        }
        Ok(seed) if seed.port.is_none() => return Some(seed.host),
        Ok(_) | Err(_) => {
            let text = "the value must be a host or an address without a port";
            settings.error("node.advertise", text, fix);
        }
    }
    Some(text)
}

fn is_wildcard(host: &str) -> bool {
    host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
}

fn own_address(settings: &mut Settings, bind: IpAddr) -> String {
    if !bind.is_unspecified() {
        return bind.to_string();
    }
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    let usable = found
        .iter()
        .map(if_addrs::Interface::ip)
        .find(|ip| !ip.is_loopback() && (ip.is_ipv4() || bind.is_ipv6() && !is_link_local(*ip)));
    usable.map_or_else(
        || {
            let fix = "set node.advertise if others are to reach this node";
            settings.warn("node.advertise", "only loopback addresses were found", fix);
            if bind.is_ipv6() { "::1".to_owned() } else { "127.0.0.1".to_owned() }
        },
        |ip| ip.to_string(),
    )
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

fn client(settings: &mut Settings, node: &NodeConfig) -> ClientConfig {
    let port = settings.port("hazelcast.discovery.port");
    let mut advertise = (node.advertise.clone(), port);
    if let Some(text) = settings.words("client.advertise") {
        match crate::discovery::tcp_ip::SeedAddress::parse(&text) {
            Ok(seed) if !is_wildcard(&seed.host) => {
                advertise = (seed.host, seed.port.unwrap_or(port));
            }
            _ => settings.error(
                "client.advertise",
                "the value must be host:port and no wildcard",
                "write the address clients reach this node at",
            ),
        }
    }
    let heartbeat_interval = settings.duration("hazelcast.heartbeat.interval.seconds");
    let silence_max = settings.duration("hazelcast.max.no.heartbeat.seconds");
    if silence_max <= heartbeat_interval {
        let fix = "make it several times hazelcast.heartbeat.interval.seconds";
        let text = "live clients would be closed between two heartbeats";
        settings.error("hazelcast.max.no.heartbeat.seconds", text, fix);
    }
    if settings.duration("hazelcast.heartbeat.timeout.seconds") < heartbeat_interval * 3 {
        let fix = "make it three times hazelcast.heartbeat.interval.seconds";
        settings.warn("hazelcast.heartbeat.timeout.seconds", "below three intervals", fix);
    }
    if matches!(settings.int("hazelcast.cp-system.member-count"), Some(1 | 2)) {
        settings.error("hazelcast.cp-system.member-count", "must be 0 or at least 3", "use 0 or 3");
    }
    let close_when_isolated = match settings.value("client.close-when-isolated") {
        Some(Value::Duration(after)) => Some(after),
        _ => None,
    };
    ClientConfig {
        port,
        port_probe: settings.flag("port.probe"),
        advertise_host: advertise.0,
        advertise_port: advertise.1,
        member_timeout: settings.duration("client.member-timeout"),
        operation_timeout: settings.duration("client.operation-timeout"),
        close_when_isolated,
        heartbeat_interval,
        silence_max,
    }
}

fn raft(settings: &mut Settings, seeds: usize) -> RaftConfig {
    let heartbeat_interval = settings.duration("raft.heartbeat-interval");
    let election_timeout = settings.duration("raft.election-timeout");
    if election_timeout < heartbeat_interval * 10 {
        let fix = "make it at least ten times raft.heartbeat-interval";
        settings.error("raft.election-timeout", "below ten heartbeats", fix);
    }
    let derived = match (seeds, settings.has_openlookeng_files) {
        (0, true) => 3,
        (0, false) => 1,
        (seeds, _) => seeds,
    };
    let bootstrap_expect = settings
        .int("raft.bootstrap-expect")
        .and_then(|number| usize::try_from(number).ok())
        .unwrap_or(derived);
    if bootstrap_expect == 2 {
        let fix = "use 1 or 3";
        settings.warn("raft.bootstrap-expect", "two voters tolerate no failure", fix);
    }
    if seeds > 0 && bootstrap_expect * 2 <= seeds {
        let fix = "make it more than half of hazelcast.discovery.tcp-ip.seeds";
        let text = "two clusters could be founded from one list";
        settings.error("raft.bootstrap-expect", text, fix);
    }
    RaftConfig {
        port: settings.port("raft.port"),
        heartbeat_interval,
        election_timeout,
        lease_reads: settings.words("raft.reads").as_deref() == Some("lease"),
        snapshot_log_bytes: settings.number("raft.snapshot-log-bytes"),
        bootstrap_expect,
        disk_stall_step_down: settings.duration("raft.disk-stall-step-down"),
    }
}

fn storage(settings: &mut Settings) -> StorageConfig {
    let data_dir = PathBuf::from(settings.words("storage.data-dir").unwrap_or("data".to_owned()));
    let audit = settings.words("audit.file").unwrap_or("audit.log".to_owned());
    StorageConfig {
        disk_free_bytes_min: settings.number("storage.disk-free-min"),
        audit_file: data_dir.join(audit),
        data_dir,
    }
}

fn cp(settings: &mut Settings) -> CpConfig {
    let session_time_to_live = settings.duration("cp.session-time-to-live");
    let session_heartbeat_interval = settings.duration("cp.session-heartbeat-interval");
    if session_time_to_live < session_heartbeat_interval * 3 {
        let fix = "make it at least three times cp.session-heartbeat-interval";
        settings.error("cp.session-time-to-live", "below three intervals", fix);
    }
    CpConfig { session_time_to_live, session_heartbeat_interval }
}

fn maps(settings: &Settings) -> BTreeMap<String, MapConfig> {
    let filters = MapConfig {
        time_to_live: Some(Duration::from_secs(3000)),
        max_idle: Some(Duration::from_secs(30)),
        max_entries: Some(10_000),
        eviction: Eviction::Lfu,
    };
    let mut maps = BTreeMap::from([("merged-dynamic-filters".to_owned(), filters)]);
    for (name, given) in &settings.maps {
        let map = maps.entry(name.clone()).or_default();
        for (setting, Set { value, .. }) in given {
            match (*setting, value) {
                // Zero is how an operator lifts a built-in limit.
                ("time-to-live", Value::Duration(d)) => {
                    map.time_to_live = (!d.is_zero()).then_some(*d);
                }
                ("max-idle", Value::Duration(d)) => map.max_idle = (!d.is_zero()).then_some(*d),
                ("max-entries", Value::Int(number)) => map.max_entries = Some(*number),
                ("eviction", Value::Text(word)) => {
                    map.eviction = match word.as_str() {
                        "lru" => Eviction::Lru,
                        "lfu" => Eviction::Lfu,
                        _ => Eviction::None,
                    };
                }
                _ => {}
            }
        }
    }
    maps
}

fn limits(settings: &mut Settings) -> LimitsConfig {
    let value_bytes_max = settings.number("limits.value-bytes-max");
    let request_bytes_max = settings.number("limits.request-bytes-max");
    if request_bytes_max <= value_bytes_max {
        let fix = "make it larger than limits.value-bytes-max";
        settings.error("limits.request-bytes-max", "the largest value would not fit", fix);
    }
    let info = rustix::system::sysinfo();
    let half_of_memory = (info.totalram as u64).saturating_mul(u64::from(info.mem_unit)) / 2;
    LimitsConfig {
        value_bytes_max,
        request_bytes_max,
        key_bytes_max: settings.number("limits.key-bytes-max"),
        name_bytes_max: settings.number("limits.name-bytes-max"),
        state_bytes_max: settings.int("limits.state-bytes-max").unwrap_or(half_of_memory),
        clients_max: settings.count("limits.clients-max"),
        client_in_flight_max: settings.count("limits.client-in-flight-max"),
        client_send_buffer_bytes_max: settings.number("limits.client-send-buffer-max"),
        listeners_per_client_max: settings.count("limits.listeners-per-client-max"),
        objects_max: settings.count("limits.objects-max"),
    }
}

fn admin(settings: &mut Settings, client: &ClientConfig, raft: &RaftConfig) -> Option<AdminConfig> {
    let port = settings.port("admin.port");
    if port == client.port || port == raft.port {
        settings.error("admin.port", "another of this node's ports", "give each its own port");
    }
    if raft.port == client.port {
        settings.error("raft.port", "equal to hazelcast.discovery.port", "give each its own port");
    }
    let bind = settings.ip("admin.bind")?;
    // req: R-24
    let insecure = settings.flag("admin.insecure");
    if !bind.is_loopback() && !insecure {
        let text = "anyone who reaches the address could change the cluster";
        settings.error("admin.bind", text, "use 127.0.0.1, or set admin.insecure=true");
    }
    let session_lifetime = settings.duration("admin.session-lifetime");
    Some(AdminConfig { bind, port, insecure, session_lifetime })
}

fn log(settings: &Settings) -> LogConfig {
    let (keep_files, keep_bytes) = match settings.value("log.keep") {
        Some(Value::Keep(files, bytes)) => (files, bytes),
        _ => (1, u64::MAX),
    };
    LogConfig {
        json: settings.words("log.format").as_deref() == Some("json"),
        level: settings.words("log.level").unwrap_or("info".to_owned()),
        file: settings.words("log.file").map(PathBuf::from),
        keep_files,
        keep_bytes,
        slow_request: settings.duration("log.slow-request"),
        slow_apply: settings.duration("log.slow-apply"),
        slow_flush: settings.duration("log.slow-flush"),
    }
}

fn provenance(settings: &Settings, config: &Option<Config>) -> Vec<Provenance> {
    let derived = |key: &str| -> Option<String> {
        let config = config.as_ref()?;
        match key {
            "state-store.cluster" => Some(config.node.cluster_name.clone()),
            "node.advertise" => Some(config.node.advertise.clone()),
            "raft.bootstrap-expect" => Some(config.raft.bootstrap_expect.to_string()),
            "limits.state-bytes-max" => Some(format!("{}B", config.limits.state_bytes_max)),
            "coordinator.uri" => Some(config.coordinator.as_ref()?.uri.clone()),
            _ => None,
        }
    };
    let mut lines: Vec<Provenance> = keys::KEYS
        .iter()
        .map(|spec| {
            let (value, place) = match settings.values.get(spec.name) {
                Some(set) => (set.shown.clone(), set.place.clone()),
                None => match derived(spec.name) {
                    Some(value) => (Some(value), Place::Derived("other values")),
                    None => (Some(spec.default.to_owned()), Place::BuiltIn),
                },
            };
            let (key, reloadable) = (spec.name.to_owned(), spec.reloadable);
            Provenance { key, value, place, reloadable }
        })
        .collect();
    for (map, given) in &settings.maps {
        lines.extend(given.iter().map(|(setting, set)| Provenance {
            key: format!("map.{map}.{setting}"),
            value: set.shown.clone(),
            place: set.place.clone(),
            reloadable: false,
        }));
    }
    lines
}
