//! `statekeeper doctor` beside real nodes: healthy ones, dead ones, and whatever else may stand
//! in their way.

use crate::support::cluster::{CLUSTER_NAME, Cluster, Plan};
use crate::support::wait_until;
use crate::verbs::{self, Ran};
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A check found problems.
const PROBLEMS_FOUND: i32 = 6;
const NOTICE_TIMEOUT: Duration = Duration::from_secs(20);

fn doctor(cluster: &Cluster, i: usize) -> Ran {
    verbs::table(cluster, i, &["doctor"])
}

/// Takes connections and closes them at the first bytes, as an embedded member does with ours.
/// Serves so many questions.
fn embedded_member(listener: TcpListener, questions: usize) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for _ in 0..questions {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 3]);
        }
    })
}

/// Writes a line of one of the files anew.
fn set(cluster: &Cluster, i: usize, file: &str, key: &str, value: &str) {
    let path = cluster.site(i).home.join("etc").join(file);
    let text = fs::read_to_string(&path).unwrap();
    let others = text.lines().filter(|line| !line.starts_with(&format!("{key}=")));
    let mut lines: Vec<String> = others.map(str::to_owned).collect();
    lines.push(format!("{key}={value}\n"));
    fs::write(&path, lines.join("\n")).unwrap();
}

#[test]
fn a_healthy_cluster_has_no_failure_and_each_dead_node_is_named() {
    let mut cluster = Cluster::start(3);
    let here = cluster.follower();
    let others: Vec<usize> = (0..3).filter(|i| *i != here).collect();

    // Followers learn of the leader's admin address a moment after they are ready.
    wait_until("the leader to be asked", NOTICE_TIMEOUT, || {
        doctor(&cluster, here).out.contains("; 3 of 3 nodes, one may fail")
    });
    let well = doctor(&cluster, here);
    assert_eq!(well.code, 0, "{well:?}");
    assert_eq!(well.lines().last().unwrap(), "12 ok, 0 warnings, 0 failures", "{well:?}");
    let name = format!("ok config no errors, no warnings; cluster name {CLUSTER_NAME}");
    assert_eq!(well.beginning("ok config"), [name]);
    let (pid, id) = (cluster.pid(here), cluster.node_id(here));
    let id = id.as_str().unwrap();
    let port = cluster.client_port(here);
    let held = format!("{port} is held by this node, process {pid} (statekeeper)");
    assert_eq!(well.beginning("ok port")[0], format!("ok port hazelcast.discovery.port={held}"));
    let runs = format!("ok node node {id} runs as follower, ");
    assert!(well.beginning("ok node")[0].starts_with(&runs), "{well:?}");
    let own = format!("ok address {} is this node, answers in ", cluster.client_address(here));
    assert_eq!(well.beginning(&own).len(), 1, "{well:?}");
    assert_eq!(well.beginning("ok clock 2 other nodes, at most ").len(), 1, "{well:?}");
    let json = verbs::json(&cluster, here, &["doctor"]).json();
    assert_eq!((&json["ok"], &json["failures"]), (&12.into(), &0.into()), "{json}");
    assert_eq!(json["findings"][0]["check"], "config");

    // The same question by a clock that is three seconds ahead.
    let mut ahead = Command::new("faketime");
    ahead.args(["-f", "+3s"]);
    let doctor_here = verbs::command(&cluster, here, &["doctor", "--output", "table"]);
    ahead.arg(doctor_here.get_program()).args(doctor_here.get_args());
    let ahead = Ran::of(ahead);
    assert_eq!(ahead.code, 0, "a warning is no failure: {ahead:?}");
    let late = ahead.beginning("warning clock");
    assert_eq!(late.len(), 2, "{ahead:?}");
    assert!(late.iter().all(|line| line.ends_with("ms behind this machine's clock")), "{late:?}");

    let dead = others[0];
    cluster.kill(dead);
    cluster.leader();
    wait_until("a quorum without the dead node", NOTICE_TIMEOUT, || {
        doctor(&cluster, here).out.contains("2 of 3 nodes, none may fail")
    });
    let one_dead = doctor(&cluster, here);
    assert_eq!(one_dead.code, 0, "the cluster serves: {one_dead:?}");
    let address = cluster.client_address(dead);
    let (line, fix) = one_dead.complaint("warning address");
    let refuses = format!("{address} refuses connections: nobody listens there");
    assert_eq!(line, format!("warning address {refuses}"));
    let start = "do: start the node there, or correct hazelcast.discovery.tcp-ip.seeds";
    assert_eq!(fix, start);
    one_dead.complaint("warning alarm no-failure-tolerated: one more failure stops the cluster");

    let of_dead = doctor(&cluster, dead);
    assert_eq!(of_dead.code, 0, "nothing stands in its way: {of_dead:?}");
    let (line, _) = of_dead.complaint("warning node");
    let admin = cluster.site(dead).admin_address();
    assert_eq!(line, format!("warning node does not run: nobody listens at {admin}"));
    assert_eq!(of_dead.beginning("ok port").len(), 3, "{of_dead:?}");
    let not_in_use = of_dead.beginning("ok data")[0].ends_with(", not in use");
    assert!(not_in_use, "{of_dead:?}");

    cluster.kill(others[1]);
    wait_until("a lost quorum", NOTICE_TIMEOUT, || doctor(&cluster, here).code == PROBLEMS_FOUND);
    wait_until("a lost leader", NOTICE_TIMEOUT, || doctor(&cluster, here).out.contains("SK0112"));
    let lost = doctor(&cluster, here);
    let (line, fix) = lost.complaint("failure node");
    // A leader takes a moment to step down.
    let known = [" knows no leader: ", " is leader, but there is no quorum: "];
    let known = known.map(|words| format!("failure node node {id}{words}"));
    assert!(known.iter().any(|start| line.starts_with(start)), "{line}");
    assert!(line.ends_with("(SK0112)"), "{line}");
    assert_eq!(fix, "do: start the missing nodes, and check the way to their Raft ports");
    assert_eq!(lost.beginning("failure address").len(), 2, "{lost:?}");
}

#[test]
fn another_cluster_name_and_an_embedded_member_in_the_list_are_named() {
    let mut cluster = Plan::of(3).prepare();
    set(&cluster, 1, "state-store.properties", "state-store.cluster", "other");
    let listener = TcpListener::bind(cluster.client_address(2)).unwrap();
    // The nodes ask as well, for as long as they run.
    let _member = embedded_member(listener, usize::MAX);
    (0..2).for_each(|i| cluster.spawn(i));
    wait_until("both nodes to be named", NOTICE_TIMEOUT, || {
        let seen = doctor(&cluster, 0).out;
        seen.contains("cluster name other") && seen.contains("(SK0115)")
    });
    let seen = doctor(&cluster, 0);
    assert_eq!(seen.code, PROBLEMS_FOUND);
    let other = cluster.client_address(1);
    let (line, fix) = seen.complaint(&format!("failure address {other}"));
    assert!(line.ends_with(&format!(" of cluster name other, not {CLUSTER_NAME}")), "{line}");
    let equal = "do: make state-store.cluster equal, or correct hazelcast.discovery.tcp-ip.seeds";
    assert_eq!(fix, equal);
    let member = cluster.client_address(2);
    let (line, fix) = seen.complaint(&format!("failure address {member}"));
    let foreign = "answers, but not as a node of statekeeper; a Hazelcast member does so (SK0011)";
    assert_eq!(line, format!("failure address {member} {foreign}"));
    assert!(fix.contains("hetu.embedded-state-store.enabled=false"), "{fix}");
    let (line, _) = seen.complaint("failure node");
    assert!(line.contains("has no cluster yet: "), "{line}");
    assert!(line.ends_with("(SK0115)"), "{line}");
}

#[test]
fn before_a_start_ports_data_directory_and_files_are_judged_and_left_alone() {
    let cluster = Plan::of(1).prepare();
    let free = doctor(&cluster, 0);
    assert_eq!(free.code, 0, "{free:?}");
    let data = cluster.site(0).data();
    let absent = format!("ok data {} is absent; the first start makes it", data.display());
    assert_eq!(free.beginning("ok data")[0], absent);
    assert!(!data.exists(), "a look makes nothing");

    let raft = cluster.site(0).raft_address();
    let in_the_way = TcpListener::bind(raft).unwrap();
    fs::create_dir(&data).unwrap();
    fs::write(data.join("identity"), "nonsense").unwrap();
    let seen = doctor(&cluster, 0);
    assert_eq!(seen.code, PROBLEMS_FOUND);
    let (line, fix) = seen.complaint("failure port");
    let holder = format!("is held by process {} (", std::process::id());
    assert!(
        line.starts_with(&format!("failure port raft.port={} {holder}", raft.port())),
        "{line}"
    );
    assert_eq!(fix, "do: end what holds it, or choose another port");
    let (line, fix) = seen.complaint("failure data");
    assert!(line.contains("identity is damaged"), "{line}");
    assert!(fix.starts_with("do: "), "{fix}");
    drop(in_the_way);

    set(&cluster, 0, "statekeeper.properties", "raft.port", "none");
    let wrong = doctor(&cluster, 0);
    assert_eq!(wrong.code, PROBLEMS_FOUND);
    let (line, _) = wrong.complaint("failure config");
    assert!(line.contains("raft.port=none: the value must be"), "{line}");
    assert!(line.ends_with("(SK0005)"), "{line}");
    wrong.complaint("warning config nothing else was looked at");
}

/// Keeps the lock of a seed directory as openLooKeng does, until it is told to stop.
fn keep_lock(folder: &Path, stop: &'static AtomicBool) -> JoinHandle<()> {
    let folder = folder.to_owned();
    fs::write(folder.join(".lockInfo"), "11111111-2222-3333-4444-555555555555").unwrap();
    fs::write(folder.join(".lockFile"), "update").unwrap();
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            fs::write(folder.join(".lockFile"), "update").unwrap();
            std::thread::sleep(Duration::from_millis(200));
        }
    })
}

#[test]
fn a_lock_that_is_kept_is_a_failure_and_one_left_behind_is_not() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let cluster = Plan::of(1).with_seed_directory().prepare();
    let absent = doctor(&cluster, 0).beginning("ok seeds");
    let folder = cluster.seed_directory();
    let makes =
        format!("ok seeds {} is absent; the first node to start makes it", folder.display());
    assert_eq!(absent, [makes]);
    assert!(!folder.exists(), "a look makes nothing");

    fs::create_dir_all(&folder).unwrap();
    let keeper = keep_lock(&folder, &STOP);
    let seen = doctor(&cluster, 0);
    assert_eq!(seen.code, PROBLEMS_FOUND, "{seen:?}");
    let (line, fix) = seen.complaint("failure seeds");
    let kept = "failure seeds the lock is kept by 11111111-2222-3333-4444-555555555555 without a \
                pause: nobody else can write (SK0022)";
    assert_eq!((line.as_str(), fix.as_str()), (kept, "do: find and stop that process"));
    let held = verbs::json(&cluster, 0, &["seed", "list"]).json();
    assert_eq!(held["lock"]["state"], "held", "{held}");

    STOP.store(true, Ordering::Relaxed);
    keeper.join().unwrap();
    let left = doctor(&cluster, 0);
    assert_eq!(left.code, 0, "{left:?}");
    let expected = "ok seeds the lock was left behind by 11111111-2222-3333-4444-555555555555; \
                    the next writer takes it over";
    assert!(left.lines().contains(&expected.to_owned()), "{left:?}");
}

#[test]
fn the_multicast_group_is_listened_to() {
    let cluster = Plan::of(2).with_multicast().start();
    let seen = doctor(&cluster, 0);
    assert_eq!(seen.code, 0, "{seen:?}");
    let line = &seen.beginning("ok multicast")[0];
    assert!(line.ends_with(": 1 other nodes announced themselves within 5 s"), "{line}");
    assert_eq!(seen.beginning("ok address").len(), 2, "{seen:?}");
}
