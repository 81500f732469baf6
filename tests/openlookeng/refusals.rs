//! What stops a start: keys of features that are not built, and an embedded store beside us.

use crate::published::{self, Neighbour};
use crate::support::cluster::{Cluster, Plan};
use std::fs::OpenOptions;
use std::io::Write;

/// The check found problems; the supervisor does not start the program again.
const PROBLEMS_FOUND: i32 = 6;

fn prepared() -> Cluster {
    let cluster = Plan::of(1).with_seed_directory().prepare();
    published::write(&cluster, 0, Neighbour::Worker, "");
    cluster
}

fn append(cluster: &Cluster, file: &str, lines: &str) {
    let path = cluster.site(0).home.join("etc").join(file);
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(lines.as_bytes()).unwrap();
}

fn expect_refused(cluster: &mut Cluster, file: &str, key: &str) {
    let (status, text) = cluster.refused_start(0);
    assert_eq!(status.code(), Some(PROBLEMS_FOUND), "{text}");
    let line = text.lines().find(|line| line.contains(key) && line.contains(file));
    assert!(line.is_some_and(|line| line.contains("SK00")), "{key} in {file} is not named: {text}");
}

#[test]
fn keys_of_features_that_are_not_built_stop_the_start_by_name() {
    for (file, lines, key) in [
        (
            "state-store.properties",
            "hazelcast.ssl.enabled=true\nhazelcast.ssl.keystore.path=/tmp/k\n\
             hazelcast.ssl.keystore.password=secret-word\n",
            "hazelcast.ssl.enabled",
        ),
        ("state-store.properties", "hazelcast.kerberos.enable=true\n", "hazelcast.kerberos.enable"),
        ("statekeeper.properties", "client.auth=password\n", "client.auth"),
    ] {
        let mut cluster = prepared();
        append(&cluster, file, lines);
        expect_refused(&mut cluster, file, key);
        assert!(!cluster.log(0).contains("secret-word"), "a password in the log");
    }
}

#[test]
fn an_embedded_store_beside_the_node_stops_the_start() {
    let mut cluster = prepared();
    let etc = cluster.site(0).home.join("etc");
    let text = std::fs::read_to_string(etc.join("config.properties")).unwrap();
    let embedded = text.replace(
        "hetu.embedded-state-store.enabled=false",
        "hetu.embedded-state-store.enabled=true",
    );
    assert_ne!(text, embedded);
    std::fs::write(etc.join("config.properties"), embedded).unwrap();
    expect_refused(&mut cluster, "config.properties", "hetu.embedded-state-store.enabled");
}
