//! openLooKeng's files as its pages publish them, with all their traps: comments behind values,
//! trailing blanks, the stray dot in a key. Only addresses, ports and paths are ours.

use crate::support::cluster::{CLUSTER_NAME, Cluster};
use crate::support::files::write_file;

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
http-server.http.port=@HTTP_PORT@
query.max-memory=50GB
query.max-memory-per-node=10GB
discovery-server.enabled=true
discovery.uri=http://127.0.0.1:@HTTP_PORT@
hetu.multiple-coordinator.enabled=@MULTIPLE@
hetu.embedded-state-store.enabled=false
";
const WORKER: &str = "coordinator=false
http-server.http.port=8081
query.max-memory=50GB
discovery.uri=http://127.0.0.1:8090
hetu.embedded-state-store.enabled=false
";
const NODE: &str = "node.environment=openlookeng
node.id=ffffffff-ffff-ffff-ffff-ffffffffffff
node.data-dir=/opt/openlookeng/data
node.internal-address=127.0.0.1
";

/// What runs beside a node.
#[derive(Clone, Copy)]
pub(crate) enum Neighbour {
    /// A worker.
    Worker,
    /// A coordinator at this port, one of several.
    Coordinator(u16),
    /// A coordinator at this port that knows of no other.
    LoneCoordinator(u16),
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
    let config = match neighbour {
        Neighbour::Worker => WORKER.to_owned(),
        Neighbour::Coordinator(port) => coordinator(port, true),
        Neighbour::LoneCoordinator(port) => coordinator(port, false),
    };
    write_file(&etc, "state-store.properties", &fill(STATE_STORE));
    write_file(&etc, "seed-store.properties", &format!("{}{seed_store}", fill(SEED_STORE)));
    write_file(&etc, "filesystem/local-config-default.properties", FILESYSTEM);
    write_file(&etc, "config.properties", &config);
    write_file(&etc, "node.properties", NODE);
}

fn coordinator(port: u16, multiple: bool) -> String {
    let port = port.to_string();
    COORDINATOR.replace("@HTTP_PORT@", &port).replace("@MULTIPLE@", &multiple.to_string())
}
