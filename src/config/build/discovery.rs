//! How nodes find each other: a list, a seed directory, or multicast on one interface.

use crate::config::hdfs::filesystem;
use crate::config::load::Settings;
use crate::config::{ClientConfig, Discovery, MulticastConfig, NodeConfig, SeedDirectoryConfig};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// The way nodes find each other; none after an error that was told.
pub(super) fn build(
    settings: &mut Settings,
    node: &NodeConfig,
    client: &ClientConfig,
    seeds: &[String],
) -> Option<Discovery> {
    let fallback = settings.has_openlookeng_files.then(|| "multicast".to_owned());
    let Some(mode) = settings.words("hazelcast.discovery.mode").or(fallback) else {
        return Some(Discovery::None);
    };
    if mode == "multicast" {
        return multicast(settings, node, client).map(Discovery::Multicast);
    }
    for seed in seeds {
        if crate::discovery::tcp_ip::SeedAddress::parse(seed).is_err() {
            let fix = "write host:port, IPv6 in brackets, between commas";
            settings.error("hazelcast.discovery.tcp-ip.seeds", "an item is not host:port", fix);
        }
    }
    if !seeds.is_empty() {
        return Some(Discovery::StaticSeeds(seeds.to_vec()));
    }
    if settings.values.contains_key("hazelcast.discovery.tcp-ip.seeds") {
        let fix = "name a seed, or leave the key out for the seed directory";
        settings.error("hazelcast.discovery.tcp-ip.seeds", "the list is empty", fix);
        return None;
    }
    let explicit = ["hazelcast.discovery.tcp-ip.profile", "seed-store.filesystem.profile"]
        .into_iter()
        .find(|key| settings.values.contains_key(key));
    if !settings.values.contains_key("fs.client.type") {
        let key = explicit.unwrap_or("seed-store.filesystem.profile");
        let already = settings.findings.iter().any(|finding| finding.key == "fs.client.type");
        if !already {
            let fix = "write etc/filesystem/<profile>.properties with fs.client.type=local";
            settings.error(key, "the profile's file is missing or lacks fs.client.type", fix);
        }
    }
    let seed_dir = PathBuf::from(settings.words("seed-store.filesystem.seed-dir")?);
    if !seed_dir.is_absolute() {
        let fix = "write the whole path";
        settings.error("seed-store.filesystem.seed-dir", "the path must be absolute", fix);
    }
    let heartbeat = settings.duration("seed-store.seed.heartbeat");
    let heartbeat_timeout = settings.duration("seed-store.seed.heartbeat.timeout");
    if heartbeat > heartbeat_timeout {
        let fix = "make it at least seed-store.seed.heartbeat";
        let text = "the time-out is below the heartbeat";
        settings.error("seed-store.seed.heartbeat.timeout", text, fix);
    }
    let filesystem = filesystem(settings)?;
    let directory = SeedDirectoryConfig { filesystem, seed_dir, heartbeat, heartbeat_timeout };
    Some(Discovery::SeedDirectory(directory))
}

fn multicast(
    settings: &mut Settings,
    node: &NodeConfig,
    client: &ClientConfig,
) -> Option<MulticastConfig> {
    let group = match settings.ip("discovery.multicast.group")? {
        IpAddr::V4(group) if group.is_multicast() => group,
        _ => {
            let fix = "use 224.2.2.3";
            settings.error("discovery.multicast.group", "not an IPv4 multicast group", fix);
            return None;
        }
    };
    let interface = if settings.values.contains_key("discovery.multicast.interface") {
        settings.ip("discovery.multicast.interface")?
    } else {
        announcing_interface(node, client)
    };
    let IpAddr::V4(interface) = interface else {
        let fix = "set discovery.multicast.interface to an IPv4 address";
        settings.error("discovery.multicast.interface", "multicast needs IPv4", fix);
        return None;
    };
    let ttl = u32::try_from(settings.number("discovery.multicast.ttl")).unwrap_or(255);
    Some(MulticastConfig { group, port: settings.port("discovery.multicast.port"), ttl, interface })
}

/// Announcements are for clients: they go where clients reach this node, if that is an address of
/// this machine, else where nodes do. A host name is no interface: the system chooses by its
/// routes.
fn announcing_interface(node: &NodeConfig, client: &ClientConfig) -> IpAddr {
    let own = if_addrs::get_if_addrs().unwrap_or_default();
    let usable = |ip: &IpAddr| ip.is_ipv4() && own.iter().any(|found| found.ip() == *ip);
    let for_clients = client.advertise_host.parse().ok().filter(usable);
    let for_nodes = || node.advertise.parse().ok();
    for_clients.or_else(for_nodes).unwrap_or(Ipv4Addr::UNSPECIFIED.into())
}
