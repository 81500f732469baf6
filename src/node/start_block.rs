//! What a node prints once at its start, for the eye of an operator.

use std::fmt::Write;

use statekeeper_machine::NodeDescription;

use super::settings;
use crate::config::{Config, Discovery};
use crate::seed;
use crate::storage::Identity;

/// The block of lines.
pub(super) fn start_block(config: &Config, identity: &Identity, node: &NodeDescription) -> String {
    let mut lines = Lines::default();
    lines.add("statekeeper", &format!("{}, node {}", env!("CARGO_PKG_VERSION"), node.node));
    lines.add("cluster", &cluster(config, identity));
    let data = config.storage.data_dir.display();
    lines.add("data", &format!("{data}, start {}", identity.start_count));
    let bind = config.node.bind;
    lines.add(
        "clients",
        &format!("{bind} port {}, as {}", config.client.port, settings::client_address(node)),
    );
    lines.add("raft", &format!("{bind} port {}, as {}", config.raft.port, node.raft_address));
    lines.add("admin", &format!("http://{}", node.admin_address));
    lines.add("discovery", &discovery(config));
    lines.add("locks", "always linearizable, whatever hazelcast.cp-system.member-count says");
    lines.add(
        "limits",
        &format!(
            "value {}, request {}, state {}, clients {}",
            mib(config.limits.value_bytes_max),
            mib(config.limits.request_bytes_max),
            mib(config.limits.state_bytes_max),
            config.limits.clients_max
        ),
    );
    lines.text
}

#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn add(&mut self, name: &str, value: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{name:<12} {value}");
    }
}

fn cluster(config: &Config, identity: &Identity) -> String {
    let name = &config.node.cluster_name;
    match identity.cluster_id {
        Some(id) => format!("{name}, id {id}"),
        None => format!("{name}, none yet; {} voters are expected", config.raft.bootstrap_expect),
    }
}

fn discovery(config: &Config) -> String {
    match &config.discovery {
        Discovery::None => "none".to_owned(),
        Discovery::StaticSeeds(seeds) => format!("tcp-ip, {}", seeds.join(", ")),
        Discovery::SeedDirectory(directory) => {
            format!("tcp-ip, seeds in {}", seed::shown(directory).display())
        }
        Discovery::Multicast(multicast) => {
            format!("multicast, {}:{} on {}", multicast.group, multicast.port, multicast.interface)
        }
    }
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes / (1 << 20))
}
