//! What is started as a node: statekeeper, or a real Hazelcast member to prove the tests.

use super::site::Site;
use super::{http, provision};
use std::fs;
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

    /// The command that runs one node on the files in its folder.
    pub(crate) fn command(self, cluster: &str, own: &Site, all: &[Site]) -> Command {
        match self {
            Peer::Statekeeper => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_statekeeper"));
                command.args(["serve", "--end-with-parent", "--etc"]).arg(own.home.join("etc"));
                command
            }
            Peer::Hazelcast => {
                let mut command = provision::member();
                command.args([cluster, &own.ports.client.to_string(), &all.len().to_string()]);
                command.args(all.iter().map(|site| site.ports.client.to_string()));
                command
            }
        }
    }

    /// Whether a node serves clients.
    pub(crate) fn is_ready(self, site: &Site) -> bool {
        match self {
            Peer::Statekeeper => {
                http::get(site.admin_address(), "/readyz").is_some_and(|(status, _)| status == 200)
            }
            Peer::Hazelcast => fs::read_to_string(site.log())
                .is_ok_and(|text| text.lines().any(|line| line == "ready")),
        }
    }

    /// Whether the node asked takes the candidate for the leader.
    pub(crate) fn is_leader(self, asked: &Site, candidate: &Site) -> bool {
        match self {
            Peer::Statekeeper => {
                let cluster =
                    http::get_json(asked.admin_address(), "/v1/cluster?consistency=local");
                let info = http::get_json(candidate.admin_address(), "/v1/info");
                match (cluster, info) {
                    (Some(cluster), Some(info)) => {
                        !cluster["leader"].is_null() && cluster["leader"] == info["node_id"]
                    }
                    _ => false,
                }
            }
            // Real members own partitions evenly: any of them will do.
            Peer::Hazelcast => asked.ports.client == candidate.ports.client,
        }
    }
}
