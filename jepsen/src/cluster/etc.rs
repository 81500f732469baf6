//! The `etc/` folder of a node: what an operator would write.

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::net::{End, Net};
use super::{CLUSTER_NAME, Setup, coordinator, seeds};

/// Each node has a network of its own, in which the usual ports are free.
pub(super) const CLIENT_PORT: u16 = 5701;
pub(super) const ADMIN_PORT: u16 = 5780;

/// Sessions end soon, so that a run sees it; more often snapshots than anybody needs.
const USUAL: [(&str, &str); 5] = [
    ("admin.insecure", "true"),
    ("cp.session-time-to-live", "5s"),
    ("cp.session-heartbeat-interval", "1s"),
    ("raft.snapshot-log-bytes", "1MB"),
    ("storage.disk-free-min", "4MB"),
];

/// Writes the files of a node.
pub(super) fn write(
    setup: &Setup,
    net: &Net,
    number: usize,
    home: &Path,
    data: &Path,
) -> anyhow::Result<()> {
    let put = |name: &str, text: String| {
        let path = home.join("etc").join(name);
        let folder = path.parent().unwrap_or(home);
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        fs::write(&path, text).with_context(|| path.display().to_string())
    };
    let address = net.address(End::Node(number));
    let mut discovery = format!(
        "state-store.type=hazelcast\nstate-store.name=jepsen\nstate-store.cluster={CLUSTER_NAME}\n\
         hazelcast.discovery.mode=tcp-ip\nhazelcast.discovery.port={CLIENT_PORT}\n"
    );
    if setup.seed_directory {
        put("filesystem/local-config-default.properties", "fs.client.type=local\n".to_owned())?;
        put(
            "seed-store.properties",
            format!(
                "seed-store.type=filebased\nseed-store.filesystem.profile=local-config-default\n\
                 seed-store.filesystem.seed-dir={}\n{}",
                seeds::directory(setup).display(),
                seeds::TIMING
            ),
        )?;
    } else {
        let seeds =
            (0..setup.nodes).map(|node| format!("{}:{CLIENT_PORT}", net.address(End::Node(node))));
        let seeds: Vec<String> = seeds.collect();
        discovery.push_str(&format!("hazelcast.discovery.tcp-ip.seeds={}\n", seeds.join(",")));
    }
    put("state-store.properties", discovery)?;
    put(
        "config.properties",
        "coordinator=false\nhetu.embedded-state-store.enabled=false\n".to_owned(),
    )?;
    put(
        "node.properties",
        format!(
            "node.environment=test\nnode.id=jepsen-{number}\nnode.internal-address={address}\n"
        ),
    )?;
    let mut ours = format!(
        "node.advertise={address}\nclient.advertise={address}:{CLIENT_PORT}\nadmin.bind={address}\n\
         storage.data-dir={}\nraft.bootstrap-expect={}\n",
        data.display(),
        setup.nodes
    );
    if setup.coordinators {
        ours.push_str(&coordinator::lines(address));
    }
    let usual = USUAL.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let usual: Vec<(String, String)> = usual.collect();
    let wanted = |key: &str| setup.settings.iter().rfind(|(own, _)| own == key);
    for (key, value) in usual.iter().filter(|(key, _)| wanted(key).is_none()) {
        ours.push_str(&format!("{key}={value}\n"));
    }
    for (key, value) in &setup.settings {
        ours.push_str(&format!("{key}={value}\n"));
    }
    put("statekeeper.properties", ours)
}
