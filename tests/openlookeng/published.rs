//! openLooKeng's files as its pages publish them, with all their traps: comments behind values,
//! trailing blanks, the stray dot in a key. Only addresses, ports and paths are ours.

use crate::support::cluster::{CLUSTER_NAME, Cluster};
use crate::support::files::write_file;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// `etc/state-store.properties`; the blanks behind `tcp-ip` and the comment are published so.
const STATE_STORE: &str = concat!(
    "state-store.type=hazelcast\nstate-store.name=query\nstate-store.cluster=@CLUSTER@\n\n",
    "hazelcast.discovery.mode=tcp-ip   \n",
    "hazelcast.discovery.port=@PORT@       #optional, the default port is 5701\n",
);
/// `etc/seed-store.properties`; the list below the file on the same page has the key with a dot.
const SEED_STORE: &str = "seed-store.type=filebased
seed-store.filesystem.seed-dir=@SEED_DIR@
seed-store.filesystem.profile.=local-config-default
";
const FILESYSTEM: &str = "fs.client.type=local\n";
/// `etc/config.properties` of a coordinator; the one change is the embedded store.
const COORDINATOR: &str = "coordinator=true
node-scheduler.include-coordinator=true
@HTTP_SERVER@
query.max-memory=50GB
query.max-memory-per-node=10GB
discovery-server.enabled=true
discovery.uri=@URI@
hetu.multiple-coordinator.enabled=@MULTIPLE@
hetu.embedded-state-store.enabled=false
";
/// How a coordinator is told to answer by HTTP, and by nothing but HTTPS.
const HTTP: &str = "http-server.http.port=@HTTP_PORT@";
const HTTPS: &str = "http-server.http.enabled=false
http-server.https.enabled=true
http-server.https.port=@HTTP_PORT@
http-server.https.keystore.path=etc/keystore.p12
http-server.https.keystore.key=changeit
internal-communication.https.required=true";
const WORKER: &str = "coordinator=false
http-server.http.port=8081
query.max-memory=50GB
discovery.uri=@URI@
hetu.embedded-state-store.enabled=false
";
const NODE: &str = "node.environment=openlookeng
node.id=ffffffff-ffff-ffff-ffff-ffffffffffff
node.data-dir=/opt/openlookeng/data
node.internal-address=@ADDRESS@
";

/// What runs beside a node.
#[derive(Clone, Copy)]
pub(crate) enum Neighbour {
    /// A worker, told of some coordinator.
    Worker,
    /// A worker, told of this coordinator.
    WorkerOf(SocketAddr),
    /// A coordinator, one of several.
    Coordinator(SocketAddr),
    /// A coordinator that speaks HTTPS alone, one of several.
    HttpsCoordinator(SocketAddr),
    /// A coordinator that knows of no other.
    LoneCoordinator(SocketAddr),
}

impl Neighbour {
    /// Its `config.properties` and its own address.
    fn files(self) -> (String, IpAddr) {
        let worker = |of: SocketAddr| {
            (WORKER.replace("@URI@", &format!("http://{of}")), Ipv4Addr::LOCALHOST.into())
        };
        let coordinator = |at: SocketAddr, scheme: &str, multiple: bool| {
            let config = COORDINATOR
                .replace("@HTTP_SERVER@", if scheme == "https" { HTTPS } else { HTTP })
                .replace("@HTTP_PORT@", &at.port().to_string())
                .replace("@URI@", &format!("{scheme}://{at}"))
                .replace("@MULTIPLE@", &multiple.to_string());
            (config, at.ip())
        };
        match self {
            Neighbour::Worker => worker(SocketAddr::from((Ipv4Addr::LOCALHOST, 8090))),
            Neighbour::WorkerOf(address) => worker(address),
            Neighbour::Coordinator(address) => coordinator(address, "http", true),
            Neighbour::HttpsCoordinator(address) => coordinator(address, "https", true),
            Neighbour::LoneCoordinator(address) => coordinator(address, "http", false),
        }
    }
}

/// Puts the published files in place of the harness's own; more lines go to
/// `seed-store.properties`.
pub(crate) fn write(cluster: &Cluster, i: usize, neighbour: Neighbour, seed_store: &str) {
    let site = cluster.site(i);
    let etc = site.home.join("etc");
    let seeds = cluster.seed_directory();
    let seed_dir = seeds.parent().unwrap().display().to_string();
    let fill = |text: &str| {
        text.replace("@CLUSTER@", CLUSTER_NAME)
            .replace("@PORT@", &site.ports.client.to_string())
            .replace("@SEED_DIR@", &seed_dir)
    };
    let (config, address) = neighbour.files();
    write_file(&etc, "state-store.properties", &fill(STATE_STORE));
    write_file(&etc, "seed-store.properties", &format!("{}{seed_store}", fill(SEED_STORE)));
    write_file(&etc, "filesystem/local-config-default.properties", FILESYSTEM);
    write_file(&etc, "config.properties", &config);
    write_file(&etc, "node.properties", &NODE.replace("@ADDRESS@", &address.to_string()));
}
