//! The log of a simulated node: the plain-file log, behind a disk that takes its time, watched.
//!
//! Writes are worked off in order, in groups, after a delay that follows the seed; a stalled disk
//! delays them for long. The watch learns of each as it is asked for and as it is durable.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use statekeeper::storage::{
    EncodedEntry, FileLog, LogStore, Notice, PurgeMark, StorageError, StorageStats, StoredState,
};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::network::Process;
use crate::random::Random;
use crate::watch::{Change, Watch};

/// How fast the disk of a node is.
#[derive(Clone, Debug)]
pub(crate) struct DiskSpeed(Arc<Mutex<(Random, u64)>>);

/// The longest delay of a healthy disk, milliseconds.
const DELAY_MS_MAX: u64 = 3;

impl DiskSpeed {
    pub(crate) fn new(random: Random) -> Self {
        Self(Arc::new(Mutex::new((random, DELAY_MS_MAX))))
    }

    /// Each group of writes takes up to so many milliseconds from now on.
    pub(crate) fn set(&self, most_ms: Option<u64>) {
        self.0.lock().1 = most_ms.unwrap_or(DELAY_MS_MAX);
    }

    fn next(&self) -> Duration {
        let (random, most_ms) = &mut *self.0.lock();
        Duration::from_millis(random.below(*most_ms + 1))
    }
}

enum Job {
    Write(Change, Notice),
    Committed(Vec<u8>),
}

struct Shared {
    process: Process,
    log: FileLog,
    jobs: Mutex<VecDeque<Job>>,
    asked: Notify,
    speed: DiskSpeed,
    watch: Watch,
}

/// A log with a slow disk.
pub(crate) struct WatchedLog {
    shared: Arc<Shared>,
    /// Works the jobs off; ends with the log.
    _worker: Mutex<JoinSet<()>>,
}

impl WatchedLog {
    pub(crate) fn new(log: FileLog, process: Process, speed: DiskSpeed, watch: Watch) -> Self {
        watch.recovered(process, &log);
        let (jobs, asked) = (Mutex::default(), Notify::new());
        let shared = Arc::new(Shared { process, log, jobs, asked, speed, watch });
        let mut worker = JoinSet::new();
        let working = shared.clone();
        worker.spawn(async move { working.run().await });
        Self { shared, _worker: Mutex::new(worker) }
    }

    fn queue(&self, change: Change, notice: Notice) {
        self.shared.watch.asked(self.shared.process, &change);
        self.shared.jobs.lock().push_back(Job::Write(change, notice));
        self.shared.asked.notify_one();
    }
}

impl Shared {
    async fn run(&self) {
        loop {
            self.asked.notified().await;
            let delay = self.speed.next();
            if !delay.is_zero() {
                sleep(delay).await;
            }
            self.work();
        }
    }

    /// Works off what is queued.
    fn work(&self) {
        let jobs = std::mem::take(&mut *self.jobs.lock());
        for job in jobs {
            match job {
                Job::Committed(mark) => self.log.save_committed(mark),
                Job::Write(change, notice) => self.write(change, notice),
            }
        }
    }

    fn write(&self, change: Change, notice: Notice) {
        let (watch, process, done) = (self.watch.clone(), self.process, change.clone());
        let notice: Notice = Box::new(move |result| {
            if result.is_ok() {
                watch.durable(process, &done);
            }
            notice(result);
        });
        match change {
            Change::Append(entries) => self.log.append(entries, notice),
            Change::Truncate(last_kept) => self.log.truncate_after(last_kept, notice),
            Change::Purge(mark) => self.log.purge(mark, notice),
            Change::Vote(vote) => self.log.save_vote(vote, notice),
            Change::Pointer(pointer) => self.log.save_snapshot_pointer(pointer, notice),
        }
    }
}

impl LogStore for WatchedLog {
    fn recovered(&self) -> &StoredState {
        self.shared.log.recovered()
    }

    fn append(&self, entries: Vec<EncodedEntry>, notice: Notice) {
        self.queue(Change::Append(entries), notice);
    }

    fn truncate_after(&self, last_kept: Option<u64>, notice: Notice) {
        self.queue(Change::Truncate(last_kept), notice);
    }

    fn purge(&self, mark: PurgeMark, notice: Notice) {
        self.queue(Change::Purge(mark), notice);
    }

    fn save_vote(&self, vote: Vec<u8>, notice: Notice) {
        self.queue(Change::Vote(vote), notice);
    }

    fn save_committed(&self, committed: Vec<u8>) {
        self.shared.jobs.lock().push_back(Job::Committed(committed));
    }

    fn save_snapshot_pointer(&self, pointer: Vec<u8>, notice: Notice) {
        self.queue(Change::Pointer(pointer), notice);
        // Whoever asks waits for the notice, on this one thread.
        self.shared.work();
    }

    fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<EncodedEntry>, StorageError> {
        self.shared.log.read(range, bytes_max)
    }

    fn stats(&self) -> &Arc<StorageStats> {
        self.shared.log.stats()
    }

    fn close(&self) -> Result<(), StorageError> {
        self.shared.work();
        self.shared.log.close()
    }
}
