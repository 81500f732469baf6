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
