//! A cluster whose seeds live in HDFS, as the published page wants it.

use crate::hadoop::Hadoop;
use crate::published::{self, Neighbour};
use crate::seed_conformance::hdfs_config;
use crate::support::cluster::{CLUSTER_NAME, Cluster, Plan};
use crate::support::files::write_file;
use crate::support::raw::RawClient;
use crate::support::{holds_for, wait_until};
use statekeeper::seed::{self, Seed, SeedDirectory, SeedFolder};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Shorter than the published ten and sixty seconds.
const QUICK: &str = "seed-store.seed.heartbeat=2000\nseed-store.seed.heartbeat.timeout=12000\n";
const REFRESH_TIMEOUT: Duration = Duration::from_secs(30);
const READ_ONLY_TIME: Duration = Duration::from_secs(4);
/// A call to a NameNode that died is given up after 20 s, and the next look asks the other one.
const FAILOVER_TIMEOUT: Duration = Duration::from_secs(60);

/// Three nodes whose profile names HDFS, and the test's own look at the folder.
struct Site {
    cluster: Cluster,
    hadoop: Hadoop,
    folder: SeedFolder,
    runtime: Runtime,
}

impl Site {
    fn prepare(name_nodes: usize) -> Site {
        let hadoop = Hadoop::start(name_nodes);
        let cluster = Plan::of(3).with_seed_directory().prepare();
        let profile = format!(
            "fs.client.type=hdfs\nhdfs.config.resources={}\nhdfs.authentication.type=NONE\n\
             fs.hdfs.impl.disable.cache=true\n",
            hadoop.core_site().display()
        );
        for i in 0..3 {
            published::write(&cluster, i, Neighbour::Worker, QUICK);
            let etc = cluster.site(i).home.join("etc");
            write_file(&etc, "filesystem/local-config-default.properties", &profile);
        }
        let runtime = Runtime::new().unwrap();
        let seeds = cluster.seed_directory();
        let folder = {
            let _entered = runtime.enter();
            let config = hdfs_config(&hadoop.core_site());
            seed::hdfs::open(&config, seeds.parent().unwrap(), CLUSTER_NAME).unwrap()
        };
        Site { cluster, hadoop, folder, runtime }
    }

    fn start(name_nodes: usize) -> Site {
        let mut site = Site::prepare(name_nodes);
        (0..3).for_each(|i| site.cluster.spawn(i));
        site.cluster.wait_ready().unwrap();
        site
    }

    fn seeds(&self) -> Vec<Seed> {
        self.runtime.block_on(self.folder.read()).unwrap_or_default()
    }

    fn holds(&self, nodes: &[usize]) -> bool {
        let wanted: BTreeSet<String> =
            nodes.iter().map(|i| self.cluster.client_address(*i).to_string()).collect();
        self.seeds().into_iter().map(|seed| seed.location).collect::<BTreeSet<_>>() == wanted
    }

    fn oldest(&self) -> i64 {
        self.seeds().iter().map(|seed| seed.timestamp_ms).min().unwrap_or(0)
    }

    fn expect_refreshed(&self, what: &str, timeout: Duration) {
        let before = self.oldest();
        wait_until(what, timeout, || self.holds(&[0, 1, 2]) && self.oldest() > before);
    }

    fn expect_serving(&self) {
        let client = RawClient::connect(self.cluster.client_address(0)).unwrap();
        client.map("query").put("key", 1).unwrap();
    }

    fn path(&self) -> String {
        let seeds = self.cluster.seed_directory();
        Path::new(&seeds).display().to_string()
    }
}

#[test]
fn nodes_found_one_cluster_through_hdfs_and_keep_their_seeds_there() {
    let mut site = Site::start(1);
    assert!(site.holds(&[0, 1, 2]), "{:?}", site.seeds());
    assert!(!site.cluster.seed_directory().exists(), "nothing is written beside HDFS");
    site.expect_refreshed("three refreshed seeds", REFRESH_TIMEOUT);
    site.expect_serving();

    let follower = site.cluster.follower();
    site.cluster.stop(follower);
    let left: Vec<usize> = (0..3).filter(|i| *i != follower).collect();
    assert!(site.holds(&left), "gone with the node: {:?}", site.seeds());
    site.cluster.restart(follower);
    site.cluster.wait_ready().unwrap();

    // By hand, under a running cluster.
    site.hadoop.ok(&format!("delete {}", site.path()));
    wait_until("seeds and marker to be written again", REFRESH_TIMEOUT, || {
        let marker = site.runtime.block_on(site.folder.read_marker());
        site.holds(&[0, 1, 2]) && marker.is_ok_and(|marker| marker.is_some())
    });
}

#[test]
fn a_file_system_that_is_read_only_for_a_while_stops_nobody() {
    let site = Site::start(1);
    site.hadoop.ok("safe-mode ENTER");
    let before = site.oldest();
    holds_for("a read-only file keeps its text", READ_ONLY_TIME, || {
        site.expect_serving();
        site.oldest() == before
    });
    assert!(site.cluster.log(0).contains("SafeModeException"), "{}", site.cluster.log(0));
    site.hadoop.ok("safe-mode LEAVE");
    site.expect_refreshed("refreshed seeds after the safe mode", REFRESH_TIMEOUT);
}

#[test]
fn nodes_that_start_before_hdfs_can_be_written_wait_and_say_so() {
    let mut site = Site::prepare(1);
    site.hadoop.ok("safe-mode ENTER");
    (0..3).for_each(|i| site.cluster.spawn(i));
    wait_until("a line that tells what is waited for", REFRESH_TIMEOUT, || {
        let log = site.cluster.log(0);
        log.contains("seed directory") && log.contains("SafeModeException")
    });
    site.hadoop.ok("safe-mode LEAVE");
    site.cluster.wait_ready().unwrap();
    wait_until("all seeds", REFRESH_TIMEOUT, || site.holds(&[0, 1, 2]));
}

#[test]
fn seeds_are_refreshed_through_a_failover_of_the_name_nodes() {
    let site = Site::start(2);
    assert!(site.holds(&[0, 1, 2]), "{:?}", site.seeds());
    // Refreshes go on every second: each of these falls into some of them.
    for round in 0..3 {
        site.hadoop.ok("failover");
        site.expect_refreshed(&format!("refreshed seeds, failover {round}"), FAILOVER_TIMEOUT);
    }
    site.hadoop.ok("kill-active");
    site.expect_refreshed("refreshed seeds after a NameNode's death", FAILOVER_TIMEOUT);
    site.expect_serving();
}

#[test]
fn nodes_log_in_with_a_key_table_where_hadoop_asks_for_kerberos() {
    let hadoop = Hadoop::start_secured();
    let krb5 = hadoop.file("krb5.conf").display().to_string();
    let plan = Plan::of(3).with_seed_directory().with_variable("KRB5_CONFIG", &krb5);
    let mut cluster = plan.prepare();
    let seeds = cluster.seed_directory();
    hadoop.ok(&format!("mkdir {}", seeds.parent().unwrap().display()));
    let profile = |keytab: &str| {
        format!(
            "fs.client.type=hdfs\nhdfs.config.resources={}\nhdfs.authentication.type=KERBEROS\n\
             hdfs.krb5.conf.path={krb5}\nhdfs.krb5.keytab.path={}\n\
             hdfs.krb5.principal=statekeeper@SEEDS.TEST\n",
            hadoop.core_site().display(),
            hadoop.file(keytab).display()
        )
    };
    for i in 0..3 {
        published::write(&cluster, i, Neighbour::Worker, QUICK);
        let etc = cluster.site(i).home.join("etc");
        // One of them with the keys of somebody else.
        let keytab = if i == 2 { "server.keytab" } else { "client.keytab" };
        write_file(&etc, "filesystem/local-config-default.properties", &profile(keytab));
    }
    (0..3).for_each(|i| cluster.spawn(i));
    wait_until("the refusal of wrong keys in the log", REFRESH_TIMEOUT, || {
        cluster.log(2).contains("waiting for the seed directory: SK0020")
    });
    eprintln!("{}", cluster.log(2).lines().last().unwrap());
    cluster.kill(2);
    let etc = cluster.site(2).home.join("etc");
    write_file(&etc, "filesystem/local-config-default.properties", &profile("client.keytab"));
    cluster.spawn(2);
    cluster.wait_ready().unwrap();
    let status = hadoop.ok(&format!("status {}/seeds.txt", seeds.display()));
    assert!(status.starts_with("statekeeper:"), "{status}");
}
