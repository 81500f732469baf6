//! The `etc/` folder of a node.

use super::site::Site;
use std::fs;
use std::path::{Path, PathBuf};

/// How the nodes of a cluster find each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Discovery {
    /// `hazelcast.discovery.tcp-ip.seeds` names all of them.
    StaticSeeds,
    /// A seed directory on the local file system.
    SeedDirectory(PathBuf),
    /// Datagrams.
    Multicast,
}

/// Writes the files of a node; lines for `statekeeper.properties` come last.
pub(crate) fn write(
    site: &Site,
    cluster: &str,
    all: &[Site],
    discovery: &Discovery,
    settings: &[(String, String)],
) {
    let etc = site.home.join("etc");
    write_file(&etc, "state-store.properties", &state_store(site, cluster, all, discovery));
    if let Discovery::SeedDirectory(folder) = discovery {
        write_file(&etc, "seed-store.properties", &seed_store(folder));
        write_file(&etc, "filesystem/local-config-default.properties", "fs.client.type=local\n");
    }
    write_file(&etc, "statekeeper.properties", &ours(site, all.len(), discovery, settings));
    write_file(
        &etc,
        "config.properties",
        "coordinator=false\nhetu.embedded-state-store.enabled=false\n",
    );
    let node = format!(
        "node.environment=test\nnode.id=test-{}\nnode.internal-address={}\n",
        site.ports.client, site.host
    );
    write_file(&etc, "node.properties", &node);
}

/// Writes one file below a folder.
pub(crate) fn write_file(etc: &Path, name: &str, text: &str) {
    let path = etc.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn state_store(site: &Site, cluster: &str, all: &[Site], discovery: &Discovery) -> String {
    let mode = match discovery {
        Discovery::StaticSeeds | Discovery::SeedDirectory(_) => "tcp-ip",
        Discovery::Multicast => "multicast",
    };
    let mut text = format!(
        "state-store.type=hazelcast\nstate-store.name=test\nstate-store.cluster={cluster}\n\
         hazelcast.discovery.mode={mode}\nhazelcast.discovery.port={}\n",
        site.ports.client
    );
    if *discovery == Discovery::StaticSeeds {
        let seeds: Vec<String> = all.iter().map(Site::advertised).collect();
        text.push_str(&format!("hazelcast.discovery.tcp-ip.seeds={}\n", seeds.join(",")));
    }
    text
}

fn seed_store(folder: &Path) -> String {
    format!(
        "seed-store.type=filebased\nseed-store.filesystem.profile=local-config-default\n\
         seed-store.filesystem.seed-dir={}\n",
        folder.display()
    )
}

fn ours(site: &Site, size: usize, discovery: &Discovery, settings: &[(String, String)]) -> String {
    let mut text = format!(
        "node.advertise={}\nclient.advertise={}\nraft.port={}\nadmin.port={}\n\
         storage.data-dir={}\n",
        site.name.clone().unwrap_or_else(|| site.peer_host.to_string()),
        site.advertised(),
        site.ports.raft,
        site.ports.admin,
        site.data().display()
    );
    text.push_str(&format!("admin.bind={}\n", site.host));
    if site.namespace.is_none() {
        text.push_str(&format!("node.bind={}\n", site.host));
    } else {
        text.push_str("admin.insecure=true\n");
        if site.translated.is_some() {
            text.push_str(&format!("node.bind={}\n", site.peer_host));
        }
    }
    if *discovery != Discovery::StaticSeeds {
        text.push_str(&format!("raft.bootstrap-expect={size}\n"));
    }
    // The machine that runs the tests may have little room.
    let usual = [("storage.disk-free-min".to_owned(), "1MB".to_owned())];
    let usual = usual.iter().filter(|(key, _)| settings.iter().all(|(own, _)| own != key));
    for (key, value) in usual.chain(settings) {
        text.push_str(&format!("{key}={value}\n"));
    }
    text
}
