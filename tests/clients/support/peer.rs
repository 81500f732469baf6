//! What is started as a node: statekeeper, or a real Hazelcast member to prove the tests.

use super::cluster::{ClientPort, Ports};
use super::{http, provision};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// `statekeeper serve`.
    Statekeeper,
    /// A real member, asked for by `STATEKEEPER_TEST_PEER=hazelcast`.
    Hazelcast,
}

impl Peer {
    pub(crate) fn chosen() -> Peer {
        match std::env::var("STATEKEEPER_TEST_PEER").as_deref() {
            Ok("hazelcast") => Peer::Hazelcast,
            Ok("statekeeper") | Err(_) => Peer::Statekeeper,
            Ok(other) => panic!("STATEKEEPER_TEST_PEER={other}: say statekeeper or hazelcast"),
        }
    }

    /// The command that runs one node; its files are written on the way.
    pub(crate) fn command(
        self,
        home: &Path,
        cluster: &str,
        own: Ports,
        all: &[Ports],
        settings: &[(&str, &str)],
    ) -> Command {
        match self {
            Peer::Statekeeper => {
                let etc = write_etc(home, cluster, own, all, settings);
                let mut command = Command::new(env!("CARGO_BIN_EXE_statekeeper"));
                command.arg("serve").arg("--etc").arg(etc);
                command
            }
            Peer::Hazelcast => {
                let mut command = provision::member();
                command.args([cluster, &own.client.to_string(), &all.len().to_string()]);
                command.args(all.iter().map(|ports| ports.client.to_string()));
                command
            }
        }
    }

    /// Whether a node serves clients.
    pub(crate) fn is_ready(self, ports: Ports, log: &Path) -> bool {
        match self {
            Peer::Statekeeper => {
                http::get(ports.admin, "/readyz").is_some_and(|(status, _)| status == 200)
            }
            Peer::Hazelcast => {
                fs::read_to_string(log).is_ok_and(|text| text.lines().any(|line| line == "ready"))
            }
        }
    }

    /// The client port of the leader, if this node knows one.
    pub(crate) fn is_leader(self, asked: Ports, candidate: Ports) -> bool {
        match self {
            Peer::Statekeeper => {
                let cluster = http::get_json(asked.admin, "/v1/cluster");
                let info = http::get_json(candidate.admin, "/v1/info");
                match (cluster, info) {
                    (Some(cluster), Some(info)) => {
                        !cluster["leader"].is_null() && cluster["leader"] == info["node_id"]
                    }
                    _ => false,
                }
            }
            // Real members own partitions evenly: any of them will do.
            Peer::Hazelcast => asked.client == candidate.client,
        }
    }
}

fn write_etc(
    home: &Path,
    cluster: &str,
    own: Ports,
    all: &[Ports],
    settings: &[(&str, &str)],
) -> PathBuf {
    let etc = home.join("etc");
    fs::create_dir_all(&etc).unwrap();
    let seeds: Vec<String> =
        all.iter().map(|ports| format!("127.0.0.1:{}", ports.client)).collect();
    let ClientPort(client) = own.client;
    let store = format!(
        "state-store.type=hazelcast\nstate-store.name=test\nstate-store.cluster={cluster}\n\
         hazelcast.discovery.mode=tcp-ip\nhazelcast.discovery.port={client}\n\
         hazelcast.discovery.tcp-ip.seeds={}\n",
        seeds.join(",")
    );
    let mut ours = format!(
        "node.bind=127.0.0.1\nnode.advertise=127.0.0.1\nraft.port={}\nadmin.port={}\n\
         storage.data-dir={}\nstorage.disk-free-min=1MB\n",
        own.raft,
        own.admin,
        home.join("data").display()
    );
    for (key, value) in settings {
        ours.push_str(&format!("{key}={value}\n"));
    }
    fs::write(etc.join("state-store.properties"), store).unwrap();
    fs::write(etc.join("statekeeper.properties"), ours).unwrap();
    fs::write(
        etc.join("config.properties"),
        "coordinator=false\nhetu.embedded-state-store.enabled=false\n",
    )
    .unwrap();
    fs::write(
        etc.join("node.properties"),
        format!("node.environment=test\nnode.id=test-{client}\nnode.internal-address=127.0.0.1\n"),
    )
    .unwrap();
    etc
}
