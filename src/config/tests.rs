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

// checks
#[test]
fn broken_lines_are_told_with_code_line_key_and_fix() {
    for (line, wanted) in [
        ("raft.prot=1", "error SK0004 etc/statekeeper.properties:1: raft.prot"),
        ("raft.port=1\nraft.port=2", "error SK0003 etc/statekeeper.properties:2: raft.port"),
        ("raft.port=0", "error SK0005"),
        ("raft.port=x", "error SK0005"),
        ("client.member-timeout=10", "error SK0005"),
        ("storage.disk-free-min=1", "error SK0005"),
        ("storage.sync=sometimes", "error SK0005"),
        ("storage.sync=never", "error SK0008"),
        ("raft.election-timeout=500ms", "error SK0006"),
        ("cp.session-time-to-live=10s", "error SK0006"),
        ("admin.bind=0.0.0.0", "error SK0006"),
        ("admin.port=5701", "error SK0006"),
        ("raft.port=5701", "error SK0006"),
        ("node.advertise=0.0.0.0", "error SK0006"),
        ("node.bind=nowhere", "error SK0006"),
        ("limits.request-bytes-max=1MB", "error SK0006"),
        ("hazelcast.ssl.enabled=true", "error SK0008"),
        ("tls.mode=on", "error SK0008"),
        ("raft.tls.cert=a", "error SK0008"),
        ("hazelcast.kerberos.enable=true", "error SK0008"),
        ("fs.client.type=hdfs", "error SK0008"),
        ("client.auth=password", "error SK0008"),
        ("backup.interval=1h", "error SK0008"),
        ("trace.sample-ratio=0.5", "error SK0008"),
        ("admin.users=a", "error SK0008"),
        ("node.advertise=${ENV:STATEKEEPER_NOT_SET}", "error SK0009"),
        ("seed-store.on-yarn=true", "warning SK0008"),
        ("map.a.eviction=fifo", "error SK0005"),
        ("raft.bootstrap-expect=2", "warning SK0006"),
    ] {
        let found = findings(&[("statekeeper.properties", line)]);
        assert!(found.contains(wanted), "{line}: {found}");
    }
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
        assert_eq!(found.contains("error SK0008"), wanted, "{found}");
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

// checks: R-23
#[test]
fn secrets_are_never_shown() {
    let found = findings(&[("statekeeper.properties", "hazelcast.ssl.keystore.pasword=hush\n")]);
    assert!(found.contains("SK0004") && !found.contains("hush"), "{found}");
}
