//! Looks at the map `discovery-service` all the time, as openLooKeng's own Java client sees it and
//! through a connection to each node, and prints what changed when.
//!
//! Every look that was answered must show exactly one record, from the first one on. No view at all
//! is no fault: while no leader is known there is nothing to see.

use crate::support::cluster::Cluster;
use crate::support::driver::Driver;
use crate::support::kind::Kind;
use crate::support::raw::{RawClient, text_of};
use crate::support::wait_until;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const MAP: &str = "discovery-service";
const OPENLOOKENG: Kind = Kind::Java("5.1");
const JAVA: &str = "java";
/// More often than openLooKeng's nodes, which look once in a second.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
const LOOKS_PER_PHASE: usize = 20;
const LOOK_TIMEOUT: Duration = Duration::from_secs(30);
/// The Java client may just wait for a node that has died.
const JAVA_LATE_MAX: Duration = Duration::from_secs(10);

/// Host and port as they are registered.
pub(crate) type Record = (String, String);

/// The record of a coordinator at this address.
pub(crate) fn record_of(address: SocketAddr) -> Record {
    let host = address.ip().to_string();
    let host = if address.is_ipv6() { format!("[{host}]") } else { host };
    (host, address.port().to_string())
}

/// All viewers; they end with `stop`.
pub(crate) struct RecordWatch {
    stopping: Arc<AtomicBool>,
    timeline: Arc<Timeline>,
    threads: Vec<JoinHandle<()>>,
}

struct Timeline {
    begin: Instant,
    viewers: Mutex<BTreeMap<String, Seen>>,
}

/// What one viewer saw, in its order.
#[derive(Default)]
struct Seen {
    records: Vec<Record>,
    looks: usize,
    violations: Vec<String>,
}

impl RecordWatch {
    pub(crate) fn start(cluster: &Cluster) -> RecordWatch {
        let timeline =
            Arc::new(Timeline { begin: Instant::now(), viewers: Mutex::new(BTreeMap::new()) });
        let stopping = Arc::new(AtomicBool::new(false));
        let driver = Driver::start(OPENLOOKENG, cluster.options());
        let mut views: Vec<(String, View)> = vec![(JAVA.to_owned(), View::Java(Box::new(driver)))];
        for (i, address) in cluster.client_addresses().into_iter().enumerate() {
            views.push((format!("node {i}"), View::Raw { address, client: None }));
        }
        let follow = |(name, mut view): (String, View)| {
            let (timeline, stopping) = (Arc::clone(&timeline), Arc::clone(&stopping));
            std::thread::spawn(move || {
                while !stopping.load(Ordering::Relaxed) {
                    if let Some(records) = view.look() {
                        timeline.take(&name, records);
                    }
                    std::thread::sleep(LOOK_INTERVAL);
                }
            })
        };
        let threads = views.into_iter().map(follow).collect();
        RecordWatch { stopping, timeline, threads }
    }

    /// Writes a line between what the viewers see.
    pub(crate) fn note(&self, what: &str) {
        self.timeline.print("event", what);
    }

    /// The record that the Java client saw last.
    pub(crate) fn record(&self) -> Option<Record> {
        let viewers = self.timeline.viewers.lock().unwrap();
        viewers.get(JAVA).and_then(|seen| seen.records.last().cloned())
    }

    /// Waits until some viewer sees the record, which must be in time, and then the Java client.
    pub(crate) fn wait_for(&self, wanted: SocketAddr, timeout: Duration) {
        let wanted = record_of(wanted);
        let begin = Instant::now();
        wait_until(&format!("the record of {wanted:?}"), timeout, || {
            let viewers = self.timeline.viewers.lock().unwrap();
            viewers.values().any(|seen| seen.records.last() == Some(&wanted))
        });
        self.note(&format!("{wanted:?} was seen after {:.3} s", begin.elapsed().as_secs_f64()));
        wait_until("the record in the Java client", JAVA_LATE_MAX, || {
            self.record().as_ref() == Some(&wanted)
        });
    }

    /// Waits for views of the map as it is from now on.
    pub(crate) fn look_on(&self) {
        let looks = || self.timeline.viewers.lock().unwrap().get(JAVA).map_or(0, |seen| seen.looks);
        let enough = looks() + LOOKS_PER_PHASE;
        wait_until("looks at the map", LOOK_TIMEOUT, || looks() >= enough);
    }

    /// Ends, and judges that these records were there one after the other, and nothing else.
    pub(crate) fn stop(self, expected: &[SocketAddr]) {
        self.look_on();
        self.stopping.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let expected: Vec<Record> = expected.iter().copied().map(record_of).collect();
        for (name, seen) in self.timeline.viewers.lock().unwrap().iter() {
            eprintln!("{name}: {} looks, {} records", seen.looks, seen.records.len());
            assert!(seen.violations.is_empty(), "{name}: {:#?}", seen.violations);
            // Whoever could not look for a time may have missed one, but never sees one again.
            let mut rest = expected.iter();
            let in_order = seen.records.iter().all(|record| rest.any(|other| other == record));
            assert!(in_order, "{name} saw {:?}, not {expected:?}", seen.records);
            if name == JAVA {
                assert_eq!(seen.records, expected, "as the Java client saw it");
            }
        }
    }
}

impl Timeline {
    fn print(&self, who: &str, what: &str) {
        eprintln!("{:>9.3} s  {who:<7} {what}", self.begin.elapsed().as_secs_f64());
    }

    fn take(&self, name: &str, records: Vec<Record>) {
        let mut viewers = self.viewers.lock().unwrap();
        let seen = viewers.entry(name.to_owned()).or_default();
        seen.looks += 1;
        match <[Record; 1]>::try_from(records) {
            Ok([record]) if seen.records.last() == Some(&record) => {}
            Ok([record]) => {
                self.print(name, &format!("sees {record:?}"));
                seen.records.push(record);
            }
            Err(records) if records.is_empty() && seen.records.is_empty() => {}
            Err(records) => {
                self.print(name, &format!("SEES {records:?}"));
                seen.violations.push(format!("look {}: {records:?}", seen.looks));
            }
        }
    }
}

/// One way to look.
enum View {
    Java(Box<Driver>),
    Raw { address: SocketAddr, client: Option<RawClient> },
}

impl View {
    /// All records; none when there was no answer.
    fn look(&mut self) -> Option<Vec<Record>> {
        match self {
            View::Java(driver) => {
                let answer = driver.call(json!({"op": "map.entry_set", "name": MAP})).ok()?;
                let records = answer.as_object().expect("keys and values");
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                Some(records.iter().map(|(key, value)| (key.clone(), text(value))).collect())
            }
            View::Raw { address, client } => {
                if client.as_ref().is_none_or(RawClient::is_closed) {
                    *client = RawClient::connect(*address).ok();
                }
                let entries = client.as_ref()?.map(MAP).entries().ok()?;
                Some(entries.iter().map(|(key, value)| (text_of(key), text_of(value))).collect())
            }
        }
    }
}
