//! Writers on raw connections that know what each of their calls may have done.
//!
//! Every key has one writer and every value is used once. So each answer is checked at once: a
//! value that was overwritten before may not come back, a call that was acknowledged may not be
//! undone, and a call may not have been applied twice (a `put` that finds its own value, a
//! `replaceIfSame` that finds its expectation gone, a `putIfAbsent` that finds itself).

use super::raw::{CallError, RawClient, RawMap, number_of, text_of};
use super::wait_until;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Maps that a load writes.
pub(crate) const CHAIN: &str = "load-chain";
const COUNTER: &str = "load-counter";
const ONCE: &str = "load-once";
const WRITERS: usize = 4;
/// Leaves the machine to the nodes: a load is there to be interrupted, not to saturate.
const PACE: Duration = Duration::from_millis(1);
/// Before a call that certainly was not applied is repeated.
const RETRY_PAUSE: Duration = Duration::from_millis(10);
const ADVANCE_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Progress {
    stopping: AtomicBool,
    acked: AtomicU64,
    gap: Mutex<Gap>,
}

struct Gap {
    last: Instant,
    longest: Duration,
}

impl Default for Gap {
    fn default() -> Gap {
        Gap { last: Instant::now(), longest: Duration::ZERO }
    }
}

impl Progress {
    fn acknowledged(&self) {
        self.acked.fetch_add(1, Ordering::Relaxed);
        let mut gap = self.gap.lock().unwrap();
        gap.longest = gap.longest.max(gap.last.elapsed());
        gap.last = Instant::now();
    }
}

/// Writers at work.
pub(crate) struct Load {
    progress: Arc<Progress>,
    writers: Vec<JoinHandle<Written>>,
}

/// What became of a load.
pub(crate) struct Report {
    /// Writes acknowledged.
    pub(crate) acked: u64,
    /// The longest time without any acknowledged write.
    pub(crate) longest_gap: Duration,
    written: Vec<Written>,
}

impl Load {
    /// Starts writers, each of which begins at another of these nodes.
    pub(crate) fn start(addresses: &[SocketAddr]) -> Load {
        let progress = Arc::new(Progress::default());
        let writers = (0..WRITERS)
            .map(|number| {
                let writer = Writer::new(number, addresses.to_vec(), Arc::clone(&progress));
                std::thread::spawn(move || writer.run())
            })
            .collect();
        Load { progress, writers }
    }

    /// Waits until so many more writes were acknowledged.
    pub(crate) fn advance(&self, writes: u64, phase: &str) {
        let acked = || self.progress.acked.load(Ordering::Relaxed);
        let goal = acked() + writes;
        wait_until(&format!("load {phase}"), ADVANCE_TIMEOUT, || acked() >= goal);
    }

    /// Forgets the longest gap so far.
    pub(crate) fn restart_gap(&self) {
        *self.progress.gap.lock().unwrap() = Gap::default();
    }

    /// The longest time without an acknowledged write since it was forgotten last.
    pub(crate) fn longest_gap(&self) -> Duration {
        self.progress.gap.lock().unwrap().longest
    }

    /// Ends the load, also when no node answers any more.
    pub(crate) fn stop(self) -> Report {
        self.progress.stopping.store(true, Ordering::Relaxed);
        let written = self.writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        Report {
            acked: self.progress.acked.load(Ordering::Relaxed),
            longest_gap: self.progress.gap.lock().unwrap().longest,
            written,
        }
    }
}

/// What one writer knows at its end.
struct Written {
    number: usize,
    chain: Register,
    chain_acked: Vec<u64>,
    counter: Register,
    once_acked: Vec<(String, u64)>,
    once_unknown: BTreeMap<String, u64>,
    unknown: u64,
    violations: Vec<String>,
}

/// What a key may hold: the last value known, or one of a call whose outcome is not known.
#[derive(Debug, Default)]
struct Register {
    known: Option<u64>,
    perhaps: BTreeSet<u64>,
}

impl Register {
    /// Takes note of what was seen; false when it cannot be.
    fn saw(&mut self, value: Option<u64>) -> bool {
        if value == self.known {
            return true;
        }
        // An unknown call has taken effect: it cannot do so a second time.
        let possible = value.is_some_and(|value| self.perhaps.remove(&value));
        if possible {
            self.known = value;
        }
        possible
    }
}

struct Writer {
    addresses: Vec<SocketAddr>,
    turn: usize,
    client: Option<RawClient>,
    progress: Arc<Progress>,
    written: Written,
}

/// What became of one call.
enum Outcome<T> {
    Done(T),
    NotApplied,
    Unknown,
}

impl Writer {
    fn new(number: usize, addresses: Vec<SocketAddr>, progress: Arc<Progress>) -> Writer {
        let written = Written {
            number,
            chain: Register::default(),
            chain_acked: Vec::new(),
            counter: Register::default(),
            once_acked: Vec::new(),
            once_unknown: BTreeMap::new(),
            unknown: 0,
            violations: Vec::new(),
        };
        Writer { addresses, turn: number, client: None, progress, written }
    }

    fn run(mut self) -> Written {
        let mut step = 1;
        while !self.progress.stopping.load(Ordering::Relaxed) {
            match step % 4 {
                0 => self.read_chain(),
                1 => self.put(step),
                2 => self.count(),
                _ => self.put_once(step),
            }
            step += 1;
            std::thread::sleep(PACE);
        }
        self.written
    }

    fn put(&mut self, value: u64) {
        let key = self.written.key();
        match self.call(CHAIN, |map| map.put(&key, value)) {
            Outcome::Done(old) => {
                if old == Some(value) {
                    self.violation(format!("{key}: put of {value} was applied twice"));
                } else if !self.written.chain.saw(old) {
                    let chain = format!("{:?}", self.written.chain);
                    self.violation(format!("{key}: put of {value} found {old:?} in {chain}"));
                }
                self.written.chain.known = Some(value);
                self.written.chain_acked.push(value);
                self.progress.acknowledged();
            }
            Outcome::NotApplied => {}
            Outcome::Unknown => _ = self.written.chain.perhaps.insert(value),
        }
    }

    fn read_chain(&mut self) {
        let key = self.written.key();
        if let Outcome::Done(seen) = self.call(CHAIN, |map| map.get(&key))
            && !self.written.chain.saw(seen)
        {
            let chain = format!("{:?}", self.written.chain);
            self.violation(format!("{key}: a read found {seen:?} in {chain}"));
        }
    }

    fn count(&mut self) {
        let key = self.written.key();
        let Some(known) = self.written.counter.known else { return self.begin_counting(&key) };
        match self.call(COUNTER, |map| map.replace_if_same(&key, known, known + 1)) {
            Outcome::Done(true) => {
                self.written.counter =
                    Register { known: Some(known + 1), perhaps: BTreeSet::new() };
                self.progress.acknowledged();
            }
            Outcome::Done(false) if self.written.counter.perhaps.is_empty() => {
                self.violation(format!("{key}: {known} was gone without a call: applied twice"));
            }
            Outcome::Done(false) => {
                // The unknown call was applied, and nothing can bring the old value back.
                let perhaps = BTreeSet::new();
                self.written.counter = Register { known: Some(known + 1), perhaps };
            }
            Outcome::NotApplied => {}
            Outcome::Unknown => _ = self.written.counter.perhaps.insert(known + 1),
        }
    }

    fn begin_counting(&mut self, key: &str) {
        if let Outcome::Done(old) = self.call(COUNTER, |map| map.put_if_absent(key, 0)) {
            // A call whose outcome was unknown may have put the same value before.
            assert!(old.is_none_or(|old| old == 0), "{key}: somebody else counts: {old:?}");
            self.written.counter.known = Some(0);
        }
    }

    fn put_once(&mut self, value: u64) {
        let key = format!("{}-{value}", self.written.key());
        match self.call(ONCE, |map| map.put_if_absent(&key, value)) {
            Outcome::Done(None) => {
                self.written.once_acked.push((key, value));
                self.progress.acknowledged();
            }
            Outcome::Done(Some(there)) => {
                self.violation(format!("{key}: putIfAbsent found {there}: applied twice"));
            }
            Outcome::NotApplied => {}
            Outcome::Unknown => _ = self.written.once_unknown.insert(key, value),
        }
    }

    fn call<T>(
        &mut self,
        map: &str,
        call: impl FnOnce(RawMap<'_>) -> Result<T, CallError>,
    ) -> Outcome<T> {
        let Some(client) = self.connected() else { return Outcome::NotApplied };
        match call(client.map(map)) {
            Ok(value) => Outcome::Done(value),
            Err(error) if error.is_not_applied() => {
                std::thread::sleep(RETRY_PAUSE);
                Outcome::NotApplied
            }
            Err(CallError::Lost) => {
                self.client = None;
                self.written.unknown += 1;
                Outcome::Unknown
            }
            Err(CallError::Refused { code: 80, .. }) => {
                self.written.unknown += 1;
                Outcome::Unknown
            }
            Err(other) => {
                self.violation(format!("a call was answered with {other:?}"));
                Outcome::Unknown
            }
        }
    }

    fn connected(&mut self) -> Option<&RawClient> {
        if self.client.as_ref().is_none_or(RawClient::is_closed) {
            let address = self.addresses[self.turn % self.addresses.len()];
            self.client = RawClient::connect(address).ok();
            if self.client.is_none() {
                self.turn += 1;
                std::thread::sleep(RETRY_PAUSE);
            }
        }
        self.client.as_ref()
    }

    fn violation(&mut self, text: String) {
        if self.written.violations.len() < 20 {
            self.written.violations.push(text);
        }
    }
}

impl Written {
    fn key(&self) -> String {
        format!("writer-{}", self.number)
    }
}

impl Report {
    /// How many calls ended without an answer that tells what they did.
    pub(crate) fn unknown(&self) -> u64 {
        self.written.iter().map(|written| written.unknown).sum()
    }

    /// Key and value of every `put` into the chain that was acknowledged.
    pub(crate) fn chain_acked(&self) -> Vec<(String, u64)> {
        let of = |w: &Written| w.chain_acked.iter().map(|v| (w.key(), *v)).collect::<Vec<_>>();
        self.written.iter().flat_map(of).collect()
    }

    /// Nothing was wrong during the load, and everything acknowledged is there now.
    pub(crate) fn expect_nothing_lost(mut self, address: SocketAddr) {
        eprintln!(
            "{} writes acknowledged, {} unknown, longest gap {:?}",
            self.acked,
            self.unknown(),
            self.longest_gap
        );
        let client = RawClient::connect(address).unwrap();
        let once: BTreeMap<String, u64> = client
            .map(ONCE)
            .entries()
            .unwrap()
            .iter()
            .map(|(key, value)| (text_of(key), number_of(value)))
            .collect();
        let mut allowed = BTreeMap::new();
        let mut violations = Vec::new();
        for written in &mut self.written {
            violations.append(&mut written.violations);
            let key = written.key();
            let chain = client.map(CHAIN).get(&key).unwrap();
            let before = format!("{:?}", written.chain);
            if !written.chain.saw(chain) {
                violations.push(format!("{key} holds {chain:?}: {before}"));
            }
            let count = client.map(COUNTER).get(&key).unwrap();
            let before = format!("{:?}", written.counter);
            // Nobody ever knew of the first value when its call was cut off.
            if written.counter.known.is_some() && !written.counter.saw(count) {
                violations.push(format!("{key} counts {count:?}: {before}"));
            }
            for (key, value) in &written.once_acked {
                if once.get(key) != Some(value) {
                    violations.push(format!("{key} is lost: {:?}", once.get(key)));
                }
                allowed.insert(key.clone(), *value);
            }
            allowed.append(&mut written.once_unknown);
        }
        let foreign: Vec<_> =
            once.iter().filter(|(key, value)| allowed.get(*key) != Some(value)).collect();
        assert!(foreign.is_empty(), "nobody wrote {foreign:?}");
        assert!(violations.is_empty(), "{} violations: {violations:#?}", violations.len());
        assert!(self.acked > 0, "the load wrote nothing");
    }
}
