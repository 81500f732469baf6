#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
//! The files as published, broken inputs, and the generated page.

use super::values::parse;
use super::{KEYS, configuration_page};

#[test]
fn every_default_is_a_value_of_its_kind() {
    for spec in KEYS.iter().filter(|spec| !spec.default.is_empty()) {
        assert!(parse(spec.kind, spec.default).is_some(), "{}", spec.name);
    }
}

#[test]
fn the_page_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    if std::env::var_os("STATEKEEPER_TEST_WRITE_DOCS").is_some() {
        std::fs::write(path, configuration_page()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), configuration_page());
}

fn findings(files: &[(&str, &str)]) -> String {
    let temp = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = temp.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let options = super::LoadOptions { etc_dir: temp.path().into(), ..Default::default() };
    let lines: Vec<String> = super::check(&options).iter().map(ToString::to_string).collect();
    lines.join("\n").replace(temp.path().to_str().unwrap(), "etc")
}

// checks: R-18
#[test]
fn the_published_files_are_accepted_with_warnings() {
    let found = findings(&[
        (
            "state-store.properties",
            "state-store.type=hazelcast\nstate-store.name=test\nstate-store.cluster=test-cluster\n\
             hazelcast.discovery.mode=tcp-ip   \n\
             hazelcast.discovery.port=5701       #optional, the default port is 5701\n",
        ),
        (
            "seed-store.properties",
            "seed-store.type=filebased\nseed-store.filesystem.seed-dir=/opt/hetu/seedstore\n\
             seed-store.filesystem.profile.=local-config\n",
        ),
        ("filesystem/local-config.properties", "fs.client.type=local\n"),
    ]);
    assert_eq!(found.lines().count(), 2, "{found}");
    assert!(found.contains("warning SK0010 etc/state-store.properties:5: "), "{found}");
    assert!(found.contains("warning SK0010 etc/seed-store.properties:3: "), "{found}");
}

#[test]
fn a_file_system_that_no_seed_directory_is_on_stops_nothing() {
    let (list, directory) = ("hazelcast.discovery.tcp-ip.seeds=a:5701,b:5701,c:5701\n", "");
    for (seeds, wanted) in [(list, false), (directory, true)] {
        let store = format!(
            "state-store.type=hazelcast\nstate-store.cluster=a\n\
             hazelcast.discovery.mode=tcp-ip\n{seeds}"
        );
        let found = findings(&[
            ("state-store.properties", &store),
            ("seed-store.properties", "seed-store.filesystem.profile=hdfs-config-default\n"),
            ("filesystem/hdfs-config-default.properties", "fs.client.type=hdfs\n"),
        ]);
        assert_eq!(found.contains("error SK0007"), wanted, "{found}");
    }
}

#[test]
fn without_files_a_node_is_alone() {
    let temp = tempfile::tempdir().unwrap();
    let options = super::LoadOptions { etc_dir: temp.path().into(), ..Default::default() };
    let config = super::load(&options).unwrap().config;
    assert_eq!(config.node.cluster_name, "dev");
    assert_eq!(config.discovery, super::Discovery::None);
    assert_eq!(config.raft.bootstrap_expect, 1);
}

// checks: R-20
#[test]
fn an_embedding_neighbour_stops_the_start() {
    let text = "hetu.embedded-state-store.enabled=true\nhetu.seed-store.enabled=true\n";
    let found = findings(&[("config.properties", text)]);
    assert!(found.contains("error SK0011 etc/config.properties:1"), "{found}");
    assert!(found.contains("warning SK0011 etc/config.properties:2"), "{found}");
}

/// The coordinator that a node with these neighbour's files asks: URI, host and port.
fn coordinator(config: &str, node: &str) -> Option<(String, String, u16)> {
    let temp = tempfile::tempdir().unwrap();
    let config = format!("coordinator=true\nhetu.multiple-coordinator.enabled=true\n{config}");
    std::fs::write(temp.path().join("config.properties"), config).unwrap();
    std::fs::write(temp.path().join("node.properties"), node).unwrap();
    let options = super::LoadOptions { etc_dir: temp.path().into(), ..Default::default() };
    let found = super::load(&options).unwrap().config.coordinator;
    found.map(|found| (found.uri, found.host, found.port))
}

#[test]
fn the_neighbours_files_say_where_its_coordinator_answers() {
    let node = "node.internal-address=c1\n";
    for (config, uri) in [
        ("", "http://c1:8080"),
        ("http-server.http.port=90\nhttp-server.https.enabled=true", "http://c1:90"),
        ("internal-communication.https.required=true", "https://c1:8443"),
        (
            "http-server.http.enabled=false\nhttp-server.https.enabled=true\n\
             http-server.https.port=7778",
            "https://c1:7778",
        ),
    ] {
        assert_eq!(coordinator(config, node).map(|found| found.0).as_deref(), Some(uri));
    }
    let v6 = ("http://[2001:db8::1]:8080".to_owned(), "[2001:db8::1]".to_owned(), 8080);
    assert_eq!(coordinator("", "node.internal-address=2001:db8::1"), Some(v6));
}

#[test]
fn a_coordinator_without_http_that_others_look_for_by_http_is_told() {
    let found = findings(&[(
        "config.properties",
        "coordinator=true\nhetu.multiple-coordinator.enabled=true\n\
         http-server.http.enabled=false\nhttp-server.https.enabled=true\n",
    )]);
    assert!(found.contains("warning SK0011 etc/config.properties:3"), "{found}");
    assert!(found.contains("internal-communication.https.required=true"), "{found}");
}
