//! A run: workers ask, listeners listen, somebody breaks things meanwhile; at the end everything
//! must be answered again.

mod last;
mod leader;
mod listener;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, Outcome};
use crate::history::{Entry, EntryType, History, Process, Recorder};
use crate::workload::{Asked, Workload};

pub use last::Unanswered;
pub use leader::{LEADER, leaderless, watch_leader, with_renewed_listeners};

/// How a process gets to a node.
pub trait Ways: Send + Sync {
    /// How many nodes there are to go to.
    fn nodes(&self) -> usize;

    /// Connects a process to a node; an error has sent nothing of an operation.
    fn connect(
        &self,
        process: u64,
        node: usize,
        within: Duration,
    ) -> BoxFuture<'_, Result<Box<dyn Client>, String>>;
}

/// Everything the parts of a run share.
#[derive(Clone)]
pub struct Run {
    ways: Arc<dyn Ways>,
    recorder: Recorder,
    workload: Arc<Mutex<Box<dyn Workload>>>,
    seed: u64,
    processes: Arc<AtomicU64>,
    violations: Arc<Mutex<Vec<String>>>,
    sessions: Arc<Mutex<Sessions>>,
}

/// Who may hold what when its client is gone.
#[derive(Default)]
struct Sessions {
    /// Locks that each process asked for.
    asked: BTreeMap<u64, BTreeSet<String>>,
    /// The earliest end of the sessions whose client is gone.
    ends: BTreeMap<u64, Instant>,
}

impl Run {
    /// A run that writes to the recorder.
    pub fn new(
        ways: Arc<dyn Ways>,
        recorder: Recorder,
        workload: Box<dyn Workload>,
        seed: u64,
    ) -> Self {
        let workload = Arc::new(Mutex::new(workload));
        let (processes, violations, sessions) = Default::default();
        Self { ways, recorder, workload, seed, processes, violations, sessions }
    }

    /// Lets all workers ask until the token ends.
    pub async fn work(&self, stop: &CancellationToken) {
        let mut tasks = JoinSet::new();
        let workers = self.workload.lock().workers();
        for worker in 0..workers {
            tasks.spawn(worker::work(self.clone(), worker, stop.clone()));
        }
        tasks.join_all().await;
    }

    /// Keeps the workload's listeners until the token ends: longer than the workers ask, since a
    /// node that was away tells its listeners when it is back.
    pub async fn listen(&self, stop: &CancellationToken) {
        let mut tasks = JoinSet::new();
        let listeners = self.workload.lock().listeners();
        for (number, listens) in listeners.into_iter().enumerate() {
            tasks.spawn(listener::keep(self.clone(), number, listens, stop.clone()));
        }
        tasks.join_all().await;
    }

    /// Asks what must be answered when all faults are healed.
    ///
    /// # Errors
    /// The operation that was not answered within the time.
    pub async fn last(&self, within: Duration) -> Result<(), Unanswered> {
        last::ask_all(self, within).await
    }

    /// Answers outside the protocol: each is a violation.
    pub fn violations(&self) -> Vec<String> {
        self.violations.lock().clone()
    }

    /// Ends the history: with the ends of the sessions whose clients are gone, which nobody sees
    /// and which are put in their places by time.
    ///
    /// # Errors
    /// A line could not be written: the run does not count.
    pub fn end(&self) -> anyhow::Result<History> {
        let mut history = self.recorder.end()?;
        let sessions = self.sessions.lock();
        for (owner, end) in &sessions.ends {
            for object in sessions.asked.get(owner).into_iter().flatten() {
                // Each of them stays open for ever, so each needs a process.
                let by = Process::Client(self.fresh_process());
                let mut entry = Entry::new(by, EntryType::Invoke, "expire");
                entry.time = self.recorder.time_at(*end);
                entry.key = Some(object.as_str().into());
                entry.client = Some((*owner).into());
                entry.more.insert("object".to_owned(), object.as_str().into());
                let at = history.entries.partition_point(|line| line.time < entry.time);
                history.entries.insert(at, entry);
            }
        }
        history.number();
        Ok(history)
    }

    /// A process number that was never used.
    fn fresh_process(&self) -> u64 {
        self.processes.fetch_add(1, Ordering::Relaxed)
    }

    fn random(&self, salt: u64) -> StdRng {
        StdRng::seed_from_u64(self.seed ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Asks one operation, with its two lines in the history.
    async fn ask(&self, process: u64, client: &mut dyn Client, asked: &Asked) -> Outcome {
        let mut entry = Entry::new(Process::Client(process), EntryType::Invoke, &asked.op.f);
        entry.key = asked.op.key.clone();
        entry.value = asked.op.value.clone();
        entry.ttl = asked.op.ttl;
        entry.node = client.node();
        entry.more.insert("object".to_owned(), asked.object.clone().into());
        if matches!(asked.op.f.as_str(), "acquire" | "try-acquire") {
            let mut sessions = self.sessions.lock();
            sessions.asked.entry(process).or_default().insert(asked.object.clone());
        }
        let mut completion = entry.clone();
        self.recorder.add(entry);
        let outcome = client.call(&asked.op, asked.within).await;
        match outcome.clone() {
            Outcome::Ok { value, result } => {
                completion.kind = EntryType::Ok;
                completion.value = value.or(completion.value);
                completion.result = result;
            }
            Outcome::Fail { error } => {
                completion.kind = EntryType::Fail;
                completion.error = Some(error);
            }
            Outcome::Info { error } => {
                completion.kind = EntryType::Info;
                completion.error = Some(error);
            }
            Outcome::Violation { error } => {
                let text = format!("process {process}, {}: {error}", asked.op.f);
                self.violations.lock().push(text);
                completion.kind = EntryType::Info;
                completion.error = Some(error);
            }
        }
        self.recorder.add(completion);
        outcome
    }
}

#[cfg(test)]
mod tests;
