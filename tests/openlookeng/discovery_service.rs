//! The map `discovery-service`: exactly one record at all times from the first one on, of a live
//! coordinator within `coordinator.check-timeout` and an election, and no move without a reason.
//!
//! Two coordinators and three nodes, the third beside a worker. Each test prints what its viewers
//! saw and when.

use crate::coordinator::{Certificate, Coordinator, Place};
use crate::published::{self, Neighbour};
use crate::record_watch::{RecordWatch, record_of};
use crate::support::cluster::{Cluster, Plan};
use crate::support::raw::RawClient;
use crate::support::{holds_for, wait_until};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

const MAP: &str = "discovery-service";
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);
/// One election, a check and the command, on busy cores.
const ELECTION: Duration = Duration::from_secs(4);
const IN_TIME: Duration = CHECK_TIMEOUT.saturating_add(ELECTION);
const FIRST_TIMEOUT: Duration = Duration::from_secs(20);
/// Longer than a record that moves would stay where it is.
const NEVER: Duration = Duration::from_secs(5);
/// The node beside the worker.
const THIRD: usize = 2;

const ONE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

fn plan(nodes: usize) -> Plan {
    Plan::of(nodes)
        .with_seed_directory()
        .with("coordinator.check-interval", "500ms")
        .with("coordinator.check-timeout", "3s")
        // A client of a node that is cut off is told soon.
        .with("client.operation-timeout", "2s")
}

/// Starts nodes beside these neighbours, on the published files.
fn start(cluster: &mut Cluster, neighbours: &[Neighbour]) {
    for (i, neighbour) in neighbours.iter().enumerate() {
        published::write(cluster, i, *neighbour, "");
    }
    (0..neighbours.len()).for_each(|i| cluster.spawn(i));
    cluster.wait_ready().unwrap();
}

/// Two coordinators, their nodes, and the node of a worker that is told of the first.
struct Stage {
    cluster: Cluster,
    coordinators: [Option<Coordinator>; 2],
    addresses: [SocketAddr; 2],
    watch: RecordWatch,
}

impl Stage {
    fn start(places: [Place<'_>; 2], neighbour: impl Fn(SocketAddr) -> Neighbour) -> Stage {
        Stage::on(plan(3).prepare(), places, neighbour)
    }

    fn on(
        mut cluster: Cluster,
        places: [Place<'_>; 2],
        neighbour: impl Fn(SocketAddr) -> Neighbour,
    ) -> Stage {
        let coordinators = places.map(Place::start);
        let addresses = [coordinators[0].address(), coordinators[1].address()];
        let [one, other] = addresses.map(neighbour);
        start(&mut cluster, &[one, other, Neighbour::WorkerOf(addresses[0])]);
        let watch = RecordWatch::start(&cluster);
        Stage { cluster, coordinators: coordinators.map(Some), addresses, watch }
    }

    /// Which of the two is registered; waits for the first record.
    fn registered(&self) -> usize {
        wait_until("a record", FIRST_TIMEOUT, || self.watch.record().is_some());
        let record = self.watch.record();
        let ours = |address: &SocketAddr| record.as_ref() == Some(&record_of(*address));
        self.addresses.iter().position(ours).expect("the record of one of the two")
    }

    fn kill_coordinator(&mut self, i: usize) {
        self.coordinators[i] = None;
        self.watch.note(&format!("coordinator {i} is killed"));
    }

    fn kill_node(&mut self, i: usize) {
        self.cluster.kill(i);
        self.watch.note(&format!("node {i} is killed"));
    }

    fn wait_for(&self, i: usize) {
        self.watch.wait_for(self.addresses[i], IN_TIME);
    }

    fn stays(&self, why: &str) {
        let record = self.watch.record();
        self.watch.note(why);
        holds_for(why, NEVER, || self.watch.record() == record);
    }

    fn lead(&self, i: usize) {
        hand_over(&self.cluster, i);
        self.watch.note(&format!("node {i} leads"));
    }

    fn stop(self, expected: &[usize]) {
        self.watch.stop(&expected.iter().map(|i| self.addresses[*i]).collect::<Vec<_>>());
    }
}

/// Makes a node the leader.
fn hand_over(cluster: &Cluster, i: usize) {
    let target = json!({"to": cluster.node_id(i)});
    wait_until("the hand-over", FIRST_TIMEOUT, || {
        let leader = cluster.leader();
        leader == i || {
            cluster.ask_admin(leader, "POST", "/v1/leader:transfer", Some(&target));
            false
        }
    });
}

#[test]
fn two_coordinators_on_one_host_hand_the_record_over_when_one_is_killed() {
    let places = [Place::at(ONE, 0), Place::at(ONE, 0)];
    let mut stage = Stage::start(places, Neighbour::Coordinator);
    let first = stage.registered();
    let second = 1 - first;
    stage.stays("both live");

    stage.kill_coordinator(first);
    stage.wait_for(second);
    let back = Place::at(ONE, stage.addresses[first].port()).start();
    back.wait_asked(FIRST_TIMEOUT);
    stage.coordinators[first] = Some(back);
    stage.stays("the first one is back");

    // Nobody else answers: a record of a silent coordinator is better than none.
    stage.kill_coordinator(first);
    stage.kill_coordinator(second);
    holds_for("the last record stays", CHECK_TIMEOUT + NEVER, || stage.registered() == second);
    let back = Place::at(ONE, stage.addresses[first].port()).start();
    stage.watch.note("the first one is back, alone");
    stage.coordinators[first] = Some(back);
    stage.wait_for(first);
    stage.stop(&[first, second, first]);
}

#[test]
fn the_record_moves_when_the_node_beside_its_coordinator_is_killed() {
    let places = [Place::at(ONE, 0), Place::at(OTHER, 0)];
    let mut stage = Stage::start(places, Neighbour::Coordinator);
    let first = stage.registered();
    // A leader beside a worker judges coordinators by the same time-out.
    stage.lead(THIRD);
    stage.stays("another one leads");
    stage.kill_node(first);
    stage.wait_for(1 - first);
    stage.watch.note("the node comes back");
    stage.cluster.restart(first);
    stage.cluster.wait_ready().unwrap();
    stage.coordinators[first].as_ref().unwrap().wait_asked(FIRST_TIMEOUT);
    stage.stays("the node is back");
    stage.stop(&[first, 1 - first]);
}

#[test]
fn the_record_moves_when_a_coordinator_and_its_leading_node_are_killed_at_once() {
    let places = [Place::at(ONE, 0), Place::at(OTHER, 0)];
    let mut stage = Stage::start(places, Neighbour::Coordinator);
    let first = stage.registered();
    stage.lead(first);
    stage.stays("its own node leads");
    stage.kill_coordinator(first);
    stage.kill_node(first);
    stage.wait_for(1 - first);
    stage.stays("the other one answers");
    stage.stop(&[first, 1 - first]);
}

#[test]
fn the_record_moves_when_the_network_to_the_coordinator_or_to_its_node_is_cut() {
    let cluster = plan(3).in_namespaces().prepare();
    // The first coordinator lives behind the nodes' switch, the second one beside the clients.
    let (hosts, usual) = ([THIRD + 1, THIRD + 2], 8080);
    let network = cluster.network();
    let addresses = [network.peer_host(hosts[0]), network.client_host(hosts[1])];
    let namespaces = hosts.map(|host| network.namespace(host));
    let places = [0, 1].map(|i| Place::at(addresses[i], usual).within(&namespaces[i]));
    let stage = Stage::on(cluster, places, Neighbour::Coordinator);
    let first = stage.registered();
    let network = stage.cluster.network();
    let cut = |host: usize, what: &str| {
        network.cut_from_peers(host);
        stage.watch.note(&format!("{what} is cut off"));
    };
    // Both turns begin at the first coordinator, which may not have been the first to answer.
    let mut seen = vec![first];
    if first == 1 {
        cut(1, "node 1");
        stage.wait_for(0);
        network.heal(1);
        stage.stays("node 1 is back");
        seen.push(0);
    }
    cut(hosts[0], "coordinator 0");
    stage.wait_for(1);
    network.heal(hosts[0]);
    stage.stays("coordinator 0 is back");

    cut(1, "node 1");
    stage.wait_for(0);
    network.heal(1);
    stage.stays("node 1 is back");
    stage.stop(&[seen, vec![1, 0]].concat());
}

#[test]
fn coordinators_that_speak_https_alone_are_asked_by_https_and_registered_with_that_port() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = |name: &str| Certificate::signed_by_itself(folder.path(), name, &[]);
    let certificates = [certificate("one"), certificate("other")];
    let places =
        [Place::at(ONE, 0).with(&certificates[0]), Place::at(OTHER, 0).with(&certificates[1])];
    let mut stage = Stage::start(places, Neighbour::HttpsCoordinator);
    let first = stage.registered();
    stage.stays("both live");
    stage.kill_coordinator(first);
    stage.wait_for(1 - first);
    let certificate = &certificates[first];
    let back = Place::at(stage.addresses[first].ip(), stage.addresses[first].port());
    let back = back.with(certificate).start();
    back.wait_asked(FIRST_TIMEOUT);
    stage.coordinators[first] = Some(back);
    stage.stays("the first one is back");
    stage.stop(&[first, 1 - first]);
}

#[test]
fn a_certificate_is_checked_when_its_authority_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let certificate =
        |name: &str, host| Certificate::signed_by_itself(folder.path(), name, &[host]);
    let expected = certificate("expected", ONE);
    let of_another_host = certificate("misplaced", OTHER);
    for (shown, reason) in [
        (&certificate("unknown", ONE), Some("UnknownIssuer")),
        (&of_another_host, Some("not valid for name")),
        (&expected, None),
    ] {
        let coordinator = Place::at(ONE, 0).with(shown).start();
        let trusted = if reason == Some("not valid for name") { shown } else { &expected };
        let trusted = trusted.pem().display().to_string();
        let mut cluster = plan(1).with("coordinator.ca-file", &trusted).prepare();
        start(&mut cluster, &[Neighbour::HttpsCoordinator(coordinator.address())]);
        let client = RawClient::connect(cluster.client_address(0)).unwrap();
        match reason {
            None => wait_until("the record", FIRST_TIMEOUT, || client.map(MAP).size() == Ok(1)),
            Some(reason) => {
                let told = |line: &str| line.contains("does not answer") && line.contains(reason);
                wait_until(reason, FIRST_TIMEOUT, || cluster.log(0).lines().any(told));
                holds_for("no record", NEVER, || client.map(MAP).size() == Ok(0));
                assert_eq!(coordinator.requests(), 0);
            }
        }
    }
}

#[test]
fn nodes_beside_workers_ask_and_register_nobody() {
    let coordinator = Place::at(ONE, 0).start();
    let mut cluster = plan(3).prepare();
    start(&mut cluster, &[Neighbour::WorkerOf(coordinator.address()); 3]);
    let client = RawClient::connect(cluster.client_address(0)).unwrap();
    holds_for("no record", NEVER, || client.map(MAP).size() == Ok(0));
    assert_eq!(coordinator.requests(), 0, "a worker's discovery.uri is asked");
}

#[test]
fn the_record_survives_leader_changes_and_restarts() {
    let coordinator = Place::at(ONE, 0).start();
    let address = coordinator.address();
    let mut cluster = plan(3).prepare();
    let worker = Neighbour::WorkerOf(address);
    start(&mut cluster, &[Neighbour::Coordinator(address), worker, worker]);
    let watch = RecordWatch::start(&cluster);
    watch.wait_for(address, FIRST_TIMEOUT);
    for _ in 0..2 {
        let leader = cluster.leader();
        watch.note(&format!("node {leader}, which leads, is killed"));
        cluster.kill(leader);
        cluster.leader();
        cluster.restart(leader);
        cluster.wait_ready().unwrap();
        watch.look_on();
    }
    watch.stop(&[address]);
}

#[test]
fn only_one_of_several_coordinators_is_registered_at_all() {
    let coordinator = Place::at(ONE, 0).start();
    let mut cluster = plan(1).prepare();
    start(&mut cluster, &[Neighbour::LoneCoordinator(coordinator.address())]);
    let client = RawClient::connect(cluster.client_address(0)).unwrap();
    holds_for("no record", NEVER, || client.map(MAP).size() == Ok(0));
}
