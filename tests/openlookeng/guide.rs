//! The guide for operators, done as it is written: its files, its checks, and back again.

use crate::support::cluster::{Cluster, Plan};
use crate::support::files::write_file;
use crate::support::{http, wait_until};
use crate::upstream::Upstream;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const GUIDE: &str = include_str!("../../docs/openlookeng.md");
const HOSTS: [&str; 3] = ["c1", "c2", "w1"];
/// What openLooKeng's page publishes, for coordinators and for workers.
const COORDINATOR: &str = "coordinator=true\nhttp-server.http.port=8090\n";
const WORKER: &str = "coordinator=false\nhttp-server.http.port=8090\n\
                      hetu.multiple-coordinator.enabled=true\n";
const EMBEDDED: &str = "hetu.multiple-coordinator.enabled=true\n\
                        hetu.embedded-state-store.enabled=true\n";
const PROBLEMS_FOUND: i32 = 6;
/// The guide says so.
const HALF_A_MINUTE: Duration = Duration::from_secs(30);

/// The lines that the guide gives a file on a host: a caption names both, a block follows.
fn lines_for(host: &str, file: &str) -> Option<&'static str> {
    let (file, host) = (format!("`etc/{file}`"), format!("`{host}`"));
    let mut parts = GUIDE.split("```properties\n");
    let mut before = parts.next()?;
    for part in parts {
        let (block, after) = part.split_once("```").unwrap();
        let caption = before.trim_end().lines().last().unwrap_or_default();
        if caption.contains(&file) && caption.contains(&host) {
            return Some(block);
        }
        before = after;
    }
    None
}

/// The guide's text, so that a promise it no longer makes fails here.
fn promised(text: &str) -> &str {
    assert!(GUIDE.contains(text), "the guide has no {text:?} any more");
    text
}

/// The folder `etc` of one host with its files changed as the guide says.
fn write_host(cluster: &Cluster, i: usize, coordinator: u16) {
    let site = cluster.site(i);
    let etc = site.home.join("etc");
    let host = HOSTS[i];
    let mut store = lines_for(host, "state-store.properties").unwrap().to_owned();
    for seed in 0..HOSTS.len() {
        let written = format!("10.0.0.1{}:5701", seed + 1);
        store = store.replace(&written, &cluster.client_address(seed).to_string());
    }
    let store = store.replace("port=5701", &format!("port={}", site.ports.client));
    let own = lines_for(host, "statekeeper.properties").unwrap();
    let own = own.replace("10.0.0.11", &site.host.to_string());
    let own = own.replace("/var/lib/statekeeper", &site.data().display().to_string());
    let ours = format!(
        "raft.port={}\nadmin.port={}\nstorage.disk-free-min=1MB\n",
        site.ports.raft, site.ports.admin
    );
    let config = match lines_for(host, "config.properties") {
        Some(lines) => COORDINATOR.replace("8090", &coordinator.to_string()) + lines,
        None => WORKER.to_owned(),
    };
    write_file(&etc, "state-store.properties", &store);
    write_file(&etc, "statekeeper.properties", &(own + &ours));
    write_file(&etc, "config.properties", &config);
    write_file(&etc, "node.properties", &format!("node.internal-address={}\n", site.host));
}

/// Runs a command of the guide at one node.
fn run(cluster: &Cluster, i: usize, command: &str) -> Output {
    let etc = cluster.site(i).home.join("etc");
    let words = command.replace("/opt/openlookeng/etc", &etc.display().to_string());
    let mut words = words.split_whitespace();
    assert_eq!(words.next(), Some("statekeeper"));
    Command::new(env!("CARGO_BIN_EXE_statekeeper"))
        .args(words)
        .env("STATEKEEPER_ENDPOINT", format!("http://{}", cluster.site(i).admin_address()))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn the_guides_files_and_checks_lead_from_the_embedded_store_to_a_cluster_that_serves() {
    let mut cluster = Plan::of(HOSTS.len()).prepare();
    let coordinators = [Upstream::start(), Upstream::start()];
    for i in 0..HOSTS.len() {
        write_host(&cluster, i, coordinators[i.min(1)].port());
    }
    let check = promised("statekeeper check-config --etc /opt/openlookeng/etc");
    for (i, host) in HOSTS.iter().enumerate() {
        let output = run(&cluster, i, check);
        let text = said(&output);
        assert!(output.status.success(), "{host}: {text}");
        assert!(text.contains(promised("0 errors, 0 warnings")), "{host}: {text}");
    }
    (0..HOSTS.len()).for_each(|i| cluster.spawn(i));
    cluster.wait_ready().unwrap();
    for i in 0..HOSTS.len() {
        // A follower that cannot ask the leader says so; a new leader has to hear the others first.
        let known = [promised("3 of 3 nodes, one may fail"), promised("3 voters, 2 must answer;")];
        wait_until("the promised status", HALF_A_MINUTE, || {
            let status = said(&run(&cluster, i, promised("statekeeper status")));
            known.iter().any(|line| status.contains(line))
        });
        let path = promised("/readyz?verbose");
        let (status, body) = http::get(cluster.site(i).admin_address(), path).unwrap();
        assert!(status == 200 && body.trim_end().ends_with("ok"), "{status} {body}");
    }
    let leader = cluster.leader();
    let sees = |cluster: &Cluster, line: &str| {
        said(&run(cluster, leader, "statekeeper status")).contains(line)
    };
    wait_until("the leader's view", HALF_A_MINUTE, || sees(&cluster, "3 of 3 nodes, one may fail"));
    let entries = promised("statekeeper map entries discovery-service");
    let ports = coordinators.each_ref().map(|coordinator| coordinator.port().to_string());
    wait_until("the record of a coordinator", HALF_A_MINUTE, || {
        let record = said(&run(&cluster, 0, entries));
        record.contains("127.0.0.1") && ports.iter().any(|port| record.contains(port))
    });
    let follower = cluster.follower();
    cluster.kill(follower);
    wait_until("the loss to be told", HALF_A_MINUTE, || sees(&cluster, "none may fail"));
}

#[test]
fn the_old_files_are_refused_so_that_nobody_forgets_the_one_change() {
    let cluster = Plan::of(1).prepare();
    write_host_with_embedded(&cluster);
    let output = run(&cluster, 0, "statekeeper check-config --etc /opt/openlookeng/etc");
    assert_eq!(output.status.code(), Some(PROBLEMS_FOUND));
    let (text, key) = (said(&output), "hetu.embedded-state-store.enabled");
    assert!(text.contains(key) && text.contains("config.properties"), "{text}");
    assert!(lines_for("c1", "config.properties").unwrap().contains(&format!("{key}=false")));
}

fn write_host_with_embedded(cluster: &Cluster) {
    let etc = cluster.site(0).home.join("etc");
    write_file(&etc, "config.properties", &format!("{COORDINATOR}{EMBEDDED}"));
}

#[test]
fn the_guides_commands_swap_the_folders_there_and_back_and_there_again() {
    let home = tempfile::tempdir().unwrap();
    write_file(&home.path().join("etc"), "config.properties", EMBEDDED);
    let shell = |command: &str| {
        let command = promised(command);
        let command = command.replace("/opt/openlookeng", &home.path().display().to_string());
        let status = Command::new("sh").args(["-ec", &command]).status().unwrap();
        assert!(status.success(), "{command}");
    };
    let config = || std::fs::read_to_string(home.path().join("etc/config.properties")).unwrap();
    let changed = lines_for("c1", "config.properties").unwrap();
    shell("cp -a /opt/openlookeng/etc /opt/openlookeng/etc.statekeeper");
    write_file(&home.path().join("etc.statekeeper"), "config.properties", changed);
    for _ in 0..2 {
        assert_eq!(config(), EMBEDDED);
        shell("cd /opt/openlookeng && mv etc etc.embedded && mv etc.statekeeper etc");
        assert_eq!(config(), changed);
        shell("cd /opt/openlookeng && mv etc etc.statekeeper && mv etc.embedded etc");
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 2, "nothing else is left");
}

#[test]
fn every_command_of_the_guide_is_one_that_the_program_knows() {
    let quoted = GUIDE.split('`').skip(1).step_by(2);
    let commands: Vec<&str> =
        quoted.filter(|text| text.starts_with("statekeeper ") && !text.contains('\n')).collect();
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        let words = command.split_whitespace().skip(1);
        let output =
            Command::new(env!("CARGO_BIN_EXE_statekeeper")).args(words).arg("--help").output();
        let output = output.unwrap();
        assert!(output.status.success(), "{command}: {}", said(&output));
    }
}
