//! What an attack does to the node and to a client that has nothing to do with it.
//!
//! Quiet windows and windows under attack follow each other, so that what else the machine does
//! falls on both. The attack runs on the same two cores as node and client.

use crate::support::cluster::Cluster;
use crate::support::gate::Pass;
use crate::support::memory::{MIB, descriptors, resident_bytes};
use crate::support::raw::RawClient;
use crate::support::{gate, wait_until};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many pairs of a quiet window and one under attack.
const PAIRS: usize = 3;
const WINDOW: Duration = Duration::from_millis(1500);
/// Between two calls of the client: it is there to be disturbed, not to saturate.
const PACE: Duration = Duration::from_millis(2);
/// The promise: its p99 at most doubles.
const GROWTH_OF_P99_MAX: u32 = 2;
/// So often it may be measured: what else happens on the machine in a moment only ever adds to it.
const MEASUREMENTS_MAX: usize = 3;
/// The promise: so much more memory while it lasts.
const GROWTH_MAX: u64 = 64 * MIB;
/// An attacker has a machine of its own. Here it shares the cores of node and client, so it gives
/// way to both: what is measured is what the node does for it, not what it takes itself.
const ATTACKER_NICENESS: i32 = 19;
/// What an allocator may keep for the next time, and what the client's own writes hold in the log.
const KEPT_MAX: u64 = 24 * MIB;
const CALM_TIMEOUT: Duration = Duration::from_secs(30);
const SAMPLE_INTERVAL: Duration = Duration::from_millis(50);

/// One node under attack, and a client beside it.
pub(crate) struct Bystander {
    cluster: Cluster,
    before: u64,
    descriptors: usize,
    _alone: Pass,
}

/// Latencies of the two kinds of windows.
#[derive(Default)]
struct Latencies {
    quiet: Vec<Duration>,
    attacked: Vec<Duration>,
}

impl Bystander {
    /// Takes the machine, starts the node and lets it do some work, so that it is warm.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Bystander {
        let alone = gate::alone();
        let cluster = Cluster::start_with(1, settings);
        let client = RawClient::connect(cluster.client_address(0)).unwrap();
        for value in 0..500 {
            client.map("warm").put("key", value).unwrap();
        }
        drop(client);
        let (before, descriptors) = (resident_bytes(cluster.pid(0)), descriptors(cluster.pid(0)));
        Bystander { cluster, before, descriptors, _alone: alone }
    }

    /// Lets the node do work that is no attack by itself, so that its memory counts as before.
    pub(crate) fn warm(&mut self, work: impl FnOnce(&RawClient)) {
        work(&RawClient::connect(self.cluster.client_address(0)).unwrap());
        self.before = resident_bytes(self.cluster.pid(0));
    }

    /// The node.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Attacks in every second window, and judges what that did. The attack goes on until its
    /// window is over or it has nothing more to do.
    pub(crate) fn judge(&self, what: &str, mut attack: impl FnMut(&dyn Fn() -> bool) + Send) {
        let peak = Peak::watch(self.cluster.pid(0));
        let client = Client::start(&self.cluster);
        let held = (0..MEASUREMENTS_MAX).any(|_| {
            let mut latencies = Latencies::default();
            for _ in 0..PAIRS {
                client.take();
                std::thread::sleep(WINDOW);
                latencies.quiet.extend(client.take());
                let end = Instant::now() + WINDOW;
                at_low_priority(|| attack(&|| Instant::now() < end));
                latencies.attacked.extend(client.take());
            }
            latencies.hold(what)
        });
        client.stop();
        let peak = peak.stop();
        self.expect_little_memory(what, peak);
        assert!(held, "{what}: p99 more than doubled, {MEASUREMENTS_MAX} times");
        self.expect_calm(what);
    }

    fn expect_little_memory(&self, what: &str, peak: u64) {
        let grown = peak.saturating_sub(self.before);
        eprintln!("{what}: {} MiB before, {} MiB more at its peak", self.before / MIB, grown / MIB);
        assert!(grown <= GROWTH_MAX, "{what}: {} MiB more", grown / MIB);
    }

    /// Memory and descriptors come back, and the node serves.
    pub(crate) fn expect_calm(&self, what: &str) {
        let pid = self.cluster.pid(0);
        wait_until(&format!("{what}: memory is given back"), CALM_TIMEOUT, || {
            resident_bytes(pid) <= self.before + KEPT_MAX
        });
        wait_until(&format!("{what}: connections are closed"), CALM_TIMEOUT, || {
            descriptors(pid) <= self.descriptors + 2
        });
        let client = RawClient::connect(self.cluster.client_address(0)).unwrap();
        client.map("after").put("key", 1).unwrap();
    }
}

impl Latencies {
    fn hold(mut self, what: &str) -> bool {
        let [quiet, attacked] = [&mut self.quiet, &mut self.attacked].map(|windows| p99(windows));
        eprintln!("{what}: p99 {quiet:?} without, {attacked:?} during");
        attacked <= quiet * GROWTH_OF_P99_MAX
    }
}

/// Runs in a thread that gives way to node and client.
fn at_low_priority(attack: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            rustix::process::setpriority_process(None, ATTACKER_NICENESS).unwrap();
            attack();
        });
    });
}

fn p99(latencies: &mut [Duration]) -> Duration {
    latencies.sort_unstable();
    assert!(latencies.len() >= 100, "the client made {} calls only", latencies.len());
    latencies[latencies.len() * 99 / 100]
}

/// A client that writes and reads, and keeps how long each call took.
struct Client {
    stopping: Arc<AtomicBool>,
    taken: Arc<Mutex<Vec<Duration>>>,
    thread: JoinHandle<()>,
}

impl Client {
    fn start(cluster: &Cluster) -> Client {
        let (stopping, taken) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<_>>>::default());
        let (ends, keeps) = (Arc::clone(&stopping), Arc::clone(&taken));
        let client = RawClient::connect(cluster.client_address(0)).unwrap();
        let thread = std::thread::spawn(move || {
            let map = client.map("bystander");
            for value in 0.. {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let begin = Instant::now();
                map.set("key", value).unwrap();
                assert_eq!(map.get("key"), Ok(Some(value)));
                keeps.lock().unwrap().push(begin.elapsed());
                std::thread::sleep(PACE);
            }
        });
        Client { stopping, taken, thread }
    }

    fn take(&self) -> Vec<Duration> {
        assert!(!self.thread.is_finished(), "the client was disturbed more than in its pace");
        std::mem::take(&mut *self.taken.lock().unwrap())
    }

    fn stop(self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// Looks at a process's memory until told to stop.
struct Peak {
    stop: SyncSender<()>,
    thread: JoinHandle<u64>,
}

impl Peak {
    fn watch(pid: u32) -> Peak {
        let (stop, stopped): (SyncSender<()>, Receiver<()>) = sync_channel(1);
        let thread = std::thread::spawn(move || {
            let mut peak = 0;
            while stopped.recv_timeout(SAMPLE_INTERVAL).is_err() {
                peak = peak.max(resident_bytes(pid));
            }
            peak.max(resident_bytes(pid))
        });
        Peak { stop, thread }
    }

    fn stop(self) -> u64 {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap()
    }
}
