//! Gathers what can be seen without the node's help.

use super::address::{AddressFound, AddressSource, reach};
use super::finding::{Finding, Level};
use super::observations::{
    CoordinatorFound, DataFound, DataState, MulticastFound, NodeState, Observations, PortFound,
    SeedsFound, SeedsState,
};
use super::seeds::{LockFound, SeedStore};
use crate::bootstrap::limits::HEARD_MAX;
use crate::config::{
    self, Config, CoordinatorConfig, Discovery, Loaded, MulticastConfig, Severity,
};
use crate::coordinator::{CoordinatorCheck, first_cause};
use crate::discovery::multicast::Multicast;
use crate::discovery::tcp_ip::SeedAddress;
use crate::node::{self, PortState, Process, look_at_port};
use crate::seed::{self, lock};
use crate::storage::DataDir;
use statekeeper_machine::{ClusterId, NodeId};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Two announcements of every node, and some delay.
const LISTEN_TIME: Duration = Duration::from_secs(5);
/// A coordinator that takes longer is as good as absent to this check.
const COORDINATOR_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two looks at a lock that is held.
const LOCK_LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// After this, a lock without a sign of its holder counts as left behind.
const LOCK_WATCH: Duration = lock::EXPIRY.saturating_add(Duration::from_secs(1));

/// Looks at everything; the state of the node is asked for by the caller, at the address it is
/// given, when somebody listens on the admin port.
pub async fn observe(
    loaded: &Loaded,
    ask_node: impl AsyncFnOnce(SocketAddr) -> NodeState,
) -> Observations {
    let config = &loaded.config;
    let (data, ports) = local(config).await;
    let admin = admin_address(config);
    let is_down =
        ports.iter().any(|port| port.key == "admin.port" && port.state == PortState::Free);
    let node = async {
        if is_down {
            return NodeState::Down { address: admin.to_string() };
        }
        ask_node(admin).await
    };
    let (node, (seeds, multicast, addresses), coordinator) =
        tokio::join!(node, discovery(config), coordinator(config.coordinator.clone()));
    let client = &config.client;
    Observations {
        cluster_name: config.node.cluster_name.clone(),
        expect: u16::try_from(config.raft.bootstrap_expect).unwrap_or(u16::MAX),
        own_address: SeedAddress::text(&client.advertise_host, client.advertise_port),
        configuration: loaded.warnings.iter().map(of_configuration).collect(),
        data,
        ports,
        node,
        seeds,
        multicast,
        addresses,
        coordinator,
    }
}

impl Finding {
    /// From a finding of the configuration.
    pub fn of_configuration(found: &config::Finding) -> Self {
        of_configuration(found)
    }
}

fn of_configuration(found: &config::Finding) -> Finding {
    let value = found.value.as_ref().map_or(String::new(), |value| format!("={value}"));
    let text = if found.key.is_empty() {
        format!("{}: {}", found.place, found.problem)
    } else {
        format!("{}: {}{value}: {}", found.place, found.key, found.problem)
    };
    let level = match found.severity {
        Severity::Warning => Level::Warning,
        Severity::Error => Level::Failure,
    };
    let fix = Some(found.fix.clone());
    Finding { level, check: "config", text, fix, code: Some(found.problem.code().to_owned()) }
}

/// Where the admin API of this machine's node answers.
fn admin_address(config: &Config) -> SocketAddr {
    let ip = match config.admin.bind {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, config.admin.port)
}

async fn local(config: &Config) -> (DataFound, Vec<PortFound>) {
    let config = config.clone();
    let path = config.storage.data_dir.clone();
    let refused = DataFound {
        path,
        state: DataState::Refused("the look at it was stopped".to_owned()),
        free_bytes: None,
        free_bytes_min: 0,
        configured_node: None,
    };
    let looked = tokio::task::spawn_blocking(move || (data(&config), ports(&config))).await;
    looked.unwrap_or((refused, Vec::new()))
}

fn data(config: &Config) -> DataFound {
    let path = config.storage.data_dir.clone();
    let state = match DataDir::look(&path) {
        Ok(None) => DataState::Absent,
        Ok(Some(look)) => {
            let identity = look.identity.as_ref();
            DataState::There {
                node: identity.map(|identity| NodeId(identity.node_id)),
                cluster_id: identity.and_then(|i| i.cluster_id).map(|id| ClusterId(id.as_u128())),
                holder: look.in_use.then(|| look.used_by.map(Process::of)),
            }
        }
        Err(error) => {
            let text = Finding::from_error("data", &error).text;
            let fix = error.to_string().split_once("; ").map(|(_, fix)| fix.to_owned());
            DataState::Refused(fix.map_or(text.clone(), |fix| format!("{text}; {fix}")))
        }
    };
    let there = path.ancestors().find(|above| above.exists()).map_or(".".into(), PathBuf::from);
    DataFound {
        path,
        state,
        free_bytes: node::free_bytes(&there).ok(),
        free_bytes_min: config.storage.disk_free_bytes_min,
        configured_node: config.node.id.map(NodeId),
    }
}

fn ports(config: &Config) -> Vec<PortFound> {
    let bind = config.node.bind;
    let mut found = Vec::new();
    let mut look = |key, ip, port| {
        found.push(PortFound { key, port, state: look_at_port(ip, port) });
    };
    // With `port.probe` the node takes another one.
    if !config.client.port_probe {
        look("hazelcast.discovery.port", bind, config.client.port);
    }
    look("raft.port", bind, config.raft.port);
    look("admin.port", config.admin.bind, config.admin.port);
    found
}

type Found = (Option<SeedsFound>, Option<MulticastFound>, Vec<AddressFound>);

async fn discovery(config: &Config) -> Found {
    match &config.discovery {
        Discovery::None => (None, None, Vec::new()),
        Discovery::StaticSeeds(list) => {
            (None, None, reach(list.clone(), AddressSource::List).await)
        }
        Discovery::SeedDirectory(_) => {
            let seeds = seeds(config).await;
            let locations = match &seeds.state {
                SeedsState::There { look, .. } => {
                    look.seeds.iter().map(|found| found.seed.location.clone()).collect()
                }
                SeedsState::Absent | SeedsState::Refused(_) => Vec::new(),
            };
            let addresses = reach(locations, AddressSource::SeedDirectory).await;
            (Some(seeds), None, addresses)
        }
        Discovery::Multicast(multicast) => {
            let found = listen(multicast).await;
            let heard = found.heard.clone().unwrap_or_default();
            (None, Some(found), reach(heard, AddressSource::Multicast).await)
        }
    }
}

async fn seeds(config: &Config) -> SeedsFound {
    let directory = seed::folder_of(config).unwrap_or_default();
    let refused =
        |error: &dyn std::error::Error| SeedsState::Refused(Finding::from_error("seeds", error));
    let for_find = config.clone();
    let found = tokio::task::spawn_blocking(move || SeedStore::find(&for_find)).await;
    let state = match found {
        Ok(Ok(Some(store))) => match store.look().await {
            Ok(look) => {
                let unwritable = store.check_writable().await.err();
                let lock = watch(&store, look.lock.clone()).await;
                SeedsState::There {
                    look: Box::new(look),
                    unwritable: unwritable.map(|error| Finding::from_error("seeds", &error)),
                    lock,
                }
            }
            Err(error) => refused(&error),
        },
        Ok(Ok(None)) => SeedsState::Absent,
        Ok(Err(error)) => refused(&error),
        Err(error) => refused(&error),
    };
    SeedsFound { directory, state }
}

/// A node holds the lock for moments. Whoever holds it for longer than it lives keeps it.
async fn watch(store: &SeedStore, first: LockFound) -> LockFound {
    let started = Instant::now();
    let mut last = first.clone();
    while let (LockFound::Held { holder: before, .. }, LockFound::Held { holder, .. }) =
        (&first, &last)
    {
        if before != holder {
            return LockFound::Free;
        }
        if started.elapsed() >= LOCK_WATCH {
            break;
        }
        tokio::time::sleep(LOCK_LOOK_INTERVAL).await;
        last = store.lock().await;
    }
    last
}

async fn listen(config: &MulticastConfig) -> MulticastFound {
    let group = format!("{}:{} on {}", config.group, config.port, config.interface);
    let multicast = match Multicast::join(config) {
        Ok(multicast) => multicast,
        Err(error) => {
            let heard = Err(error.to_string());
            return MulticastFound { group, listened: Duration::ZERO, heard };
        }
    };
    let mut heard = BTreeSet::new();
    let mut failed = None;
    let all = async {
        while heard.len() < HEARD_MAX {
            match multicast.hear().await {
                Ok(at) => heard.insert(SeedAddress::text(&at.host, at.port)),
                Err(error) => {
                    failed = Some(error.to_string());
                    return;
                }
            };
        }
    };
    // The end of the time is the usual end.
    let _ = tokio::time::timeout(LISTEN_TIME, all).await;
    let heard = failed.map_or_else(|| Ok(heard.into_iter().collect()), Err);
    MulticastFound { group, listened: LISTEN_TIME, heard }
}

async fn coordinator(config: Option<CoordinatorConfig>) -> Option<CoordinatorFound> {
    let config = config?;
    let uri = config.uri.clone();
    let answered = match CoordinatorCheck::new(config) {
        Ok(check) => {
            let asked = Instant::now();
            let answer = check.ask(COORDINATOR_TIMEOUT).await;
            answer.map(|()| asked.elapsed())
        }
        Err(error) => Err(first_cause(&error)),
    };
    Some(CoordinatorFound { uri, answered })
}
