//! The map `discovery-service`: exactly one live record at all times, from the first one on.

use crate::coordinator::Coordinator;
use crate::published::{self, Neighbour};
use crate::support::cluster::{Cluster, Plan};
use crate::support::raw::{RawClient, text_of};
use crate::support::{holds_for, wait_until};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const MAP: &str = "discovery-service";
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);
/// One election, a check and the command, on busy cores.
const ELECTION: Duration = Duration::from_secs(4);
const FIRST_TIMEOUT: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_secs(4);
const LOOKS_PER_PHASE: usize = 60;
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

fn start(neighbours: &[Neighbour]) -> Cluster {
    let mut cluster = Plan::of(neighbours.len())
        .with_seed_directory()
        .with("coordinator.check-interval", "500ms")
        .with("coordinator.check-timeout", "3s")
        .prepare();
    for (i, neighbour) in neighbours.iter().enumerate() {
        published::write(&cluster, i, *neighbour, "");
    }
    (0..neighbours.len()).for_each(|i| cluster.spawn(i));
    cluster.wait_ready().unwrap();
    cluster
}

/// Reads the map again and again, as fast as a coordinator would not.
struct Watch {
    stopping: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    record: Option<(String, String)>,
    looks: usize,
    violations: Vec<String>,
}

impl Watch {
    fn start(addresses: Vec<SocketAddr>) -> Watch {
        let (stopping, seen) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Seen>>::default());
        let (ends, keeps) = (Arc::clone(&stopping), Arc::clone(&seen));
        let thread = std::thread::spawn(move || {
            let mut turn = 0;
            let mut client: Option<RawClient> = None;
            while !ends.load(Ordering::Relaxed) {
                if client.as_ref().is_none_or(RawClient::is_closed) {
                    client = RawClient::connect(addresses[turn % addresses.len()]).ok();
                    turn += 1;
                }
                // No answer is no view: while no leader is known there is nothing to see.
                if let Some(Ok(entries)) = client.as_ref().map(|c| c.map(MAP).entries()) {
                    keeps.lock().unwrap().look(
                        entries.iter().map(|(key, value)| (text_of(key), text_of(value))).collect(),
                    );
                }
                std::thread::sleep(LOOK_INTERVAL);
            }
        });
        Watch { stopping, seen, thread }
    }

    fn record(&self) -> Option<(String, String)> {
        self.seen.lock().unwrap().record.clone()
    }

    fn wait_for(&self, port: u16, timeout: Duration) -> Duration {
        let begin = Instant::now();
        let wanted = Some(("127.0.0.1".to_owned(), port.to_string()));
        wait_until(&format!("the record of {port}"), timeout, || self.record() == wanted);
        begin.elapsed()
    }

    /// Waits for views of the map as it is from now on.
    fn look_on(&self) {
        let looks = || self.seen.lock().unwrap().looks;
        let enough = looks() + LOOKS_PER_PHASE;
        wait_until("looks at the map", FIRST_TIMEOUT, || looks() >= enough);
    }

    fn stop(self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        let seen = self.seen.lock().unwrap();
        eprintln!("{} looks at {MAP}", seen.looks);
        assert!(seen.violations.is_empty(), "{:#?}", seen.violations);
        assert!(seen.looks > 100, "{} looks only", seen.looks);
    }
}

impl Seen {
    fn look(&mut self, records: Vec<(String, String)>) {
        self.looks += 1;
        match <[(String, String); 1]>::try_from(records) {
            Ok([record]) => self.record = Some(record),
            Err(records) if records.is_empty() && self.record.is_none() => {}
            Err(records) => self.violations.push(format!("look {}: {records:?}", self.looks)),
        }
    }
}

#[test]
fn one_live_record_is_kept_and_moves_when_a_coordinator_or_its_node_dies() {
    let coordinators = [Coordinator::start(), Coordinator::start()];
    let ports = [coordinators[0].port(), coordinators[1].port()];
    let neighbours =
        [Neighbour::Coordinator(ports[0]), Neighbour::Coordinator(ports[1]), Neighbour::Worker];
    let mut cluster = start(&neighbours);
    let watch = Watch::start(cluster.client_addresses());
    wait_until("the first record", FIRST_TIMEOUT, || watch.record().is_some());
    let first = ports
        .iter()
        .position(|port| watch.record().is_some_and(|(_, value)| value == port.to_string()));
    let first = first.expect("the record of one of the two");
    let second = 1 - first;
    // Both live: the present one stays.
    let stays = watch.record();
    holds_for("the record stays", NEVER, || watch.record() == stays);

    let mut coordinators = coordinators.map(Some);
    drop(coordinators[first].take());
    let took = watch.wait_for(ports[second], CHECK_TIMEOUT + ELECTION);
    eprintln!("moved {took:?} after the death of the coordinator");

    coordinators[first] = Some(Coordinator::start_at(ports[first]));
    let stays = watch.record();
    holds_for("the record stays when the other comes back", NEVER, || watch.record() == stays);

    cluster.kill(second);
    let took = watch.wait_for(ports[first], CHECK_TIMEOUT + ELECTION);
    eprintln!("moved {took:?} after the death of the node");

    // Nobody else answers: a record of a silent coordinator is better than none.
    drop(coordinators[first].take());
    let stays = watch.record();
    holds_for("the last record stays", CHECK_TIMEOUT + NEVER, || watch.record() == stays);
    watch.stop();
}

#[test]
fn the_record_survives_leader_changes_and_restarts() {
    let coordinator = Coordinator::start();
    let neighbour = Neighbour::Coordinator(coordinator.port());
    let mut cluster = start(&[neighbour, Neighbour::Worker, Neighbour::Worker]);
    let watch = Watch::start(cluster.client_addresses());
    watch.wait_for(coordinator.port(), FIRST_TIMEOUT);
    for _ in 0..2 {
        let leader = cluster.leader();
        cluster.kill(leader);
        cluster.leader();
        cluster.restart(leader);
        cluster.wait_ready().unwrap();
        watch.look_on();
    }
    watch.wait_for(coordinator.port(), ELECTION);
    watch.stop();
}

#[test]
fn only_one_of_several_coordinators_is_registered_at_all() {
    let coordinator = Coordinator::start();
    let neighbours = [Neighbour::LoneCoordinator(coordinator.port())];
    let cluster = start(&neighbours);
    let client = RawClient::connect(cluster.client_address(0)).unwrap();
    holds_for("no record", NEVER, || client.map(MAP).size() == Ok(0));
}
