//! The queue in front of a medium: one writer, group commit, notices in order, the mark.
//!
//! Whatever is queued while a sync runs forms the next group: it is written in call order, synced
//! once, and then all of its notices are called. The first error is final: no sync is ever tried
//! again (the kernel may have dropped the pages), and everything later is answered with that error.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::error::{Damage, Place, StorageError};
use super::log_store::{EncodedEntry, LogStore, Notice, PurgeMark, StoredState};
use super::mark::{Mark, MarkFile, MarkedEntry};
use super::medium::{Found, LogMedium, Meta};
use super::stats::StorageStats;

/// How old the mark of the last durable entry may become.
const MARK_AGE_MAX: Duration = Duration::from_secs(1);

/// A log store over a medium.
#[derive(Debug)]
pub struct QueuedLog<M> {
    medium: Arc<M>,
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Without a thread of its own, the caller's does the work: simulations need one order.
    inline: Option<Mutex<Writer<M>>>,
    recovered: StoredState,
    stats: Arc<StorageStats>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    writes: Vec<(Write, Notice)>,
    /// The newest committed mark. It wakes nobody: the next group takes it along.
    committed: Option<Vec<u8>>,
    closing: bool,
    /// How the writer ended.
    ended: Option<Result<(), StorageError>>,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").field("writes", &self.writes.len()).finish_non_exhaustive()
    }
}

enum Write {
    Append(Vec<EncodedEntry>),
    TruncateAfter(Option<u64>),
    Purge(PurgeMark),
    Vote(Vec<u8>),
    SnapshotPointer(Vec<u8>),
}

#[expect(private_bounds, reason = "media are made in this module only")]
impl<M: LogMedium> QueuedLog<M> {
    /// Puts a queue with a writer thread before an opened medium.
    pub(super) fn threaded(
        medium: M,
        found: Found,
        mark: MarkFile,
        stats: Arc<StorageStats>,
    ) -> Result<Self, StorageError> {
        let mut log = Self::inline(medium, found, mark, stats)?;
        let writer = log.inline.take().expect("made just above").into_inner();
        let queue = log.queue.clone();
        let path = log.medium.path().to_owned();
        let thread = thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || writer.serve(&queue))
            .map_err(StorageError::io("start the writer thread of", &path))?;
        log.thread = Mutex::new(Some(thread));
        Ok(log)
    }

    /// Puts a queue before an opened medium that is worked off by the caller's thread.
    pub(super) fn inline(
        medium: M,
        found: Found,
        mark_file: MarkFile,
        stats: Arc<StorageStats>,
    ) -> Result<Self, StorageError> {
        let mark = match mark_file.read()? {
            Some(mark) => {
                check(&found, &mark, medium.path())?;
                mark
            }
            None if found.is_new() => {
                mark_file.write(&Mark::default())?;
                Mark::default()
            }
            None => {
                let path = mark_file.path();
                return Err(StorageError::damaged(path, Place::File, Damage::Missing));
            }
        };
        let medium = Arc::new(medium);
        let writer = Writer {
            medium: medium.clone(),
            mark_file,
            mark,
            mark_due: None,
            changes: found.changes,
            voted: false,
            vote: found.vote.clone().unwrap_or_default(),
            last: found.last,
            committed: None,
            unremoved: true,
            failed: None,
            stats: stats.clone(),
        };
        let recovered = StoredState {
            purged: found.purged,
            entries: found.entries,
            vote: found.vote,
            committed: found.committed,
            snapshot_pointer: found.snapshot_pointer,
        };
        Ok(Self {
            medium,
            queue: Arc::default(),
            thread: Mutex::new(None),
            inline: Some(Mutex::new(writer)),
            recovered,
            stats,
        })
    }

    fn queue(&self, write: Write, notice: Notice) {
        let mut waiting = self.queue.waiting.lock();
        if waiting.closing {
            drop(waiting);
            notice(Err(StorageError::Stopped { path: self.medium.path().to_owned() }));
            return;
        }
        match &self.inline {
            None => {
                waiting.writes.push((write, notice));
                self.queue.changed.notify_one();
            }
            Some(writer) => {
                let committed = waiting.committed.take();
                drop(waiting);
                writer.lock().group(vec![(write, notice)], committed);
            }
        }
    }
}

impl<M: LogMedium> LogStore for QueuedLog<M> {
    fn recovered(&self) -> &StoredState {
        &self.recovered
    }

    fn append(&self, entries: Vec<EncodedEntry>, notice: Notice) {
        self.queue(Write::Append(entries), notice);
    }

    fn truncate_after(&self, last_kept: Option<u64>, notice: Notice) {
        self.queue(Write::TruncateAfter(last_kept), notice);
    }

    fn purge(&self, mark: PurgeMark, notice: Notice) {
        self.queue(Write::Purge(mark), notice);
    }

    fn save_vote(&self, vote: Vec<u8>, notice: Notice) {
        self.queue(Write::Vote(vote), notice);
    }

    fn save_committed(&self, committed: Vec<u8>) {
        self.queue.waiting.lock().committed = Some(committed);
    }

    fn save_snapshot_pointer(&self, pointer: Vec<u8>, notice: Notice) {
        self.queue(Write::SnapshotPointer(pointer), notice);
    }

    fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<EncodedEntry>, StorageError> {
        guarded(self.medium.as_ref(), "read", || self.medium.read(range, bytes_max))
    }

    fn stats(&self) -> &Arc<StorageStats> {
        &self.stats
    }

    fn close(&self) -> Result<(), StorageError> {
        self.queue.waiting.lock().closing = true;
        self.queue.changed.notify_one();
        if let Some(writer) = &self.inline {
            let committed = self.queue.waiting.lock().committed.take();
            let mut writer = writer.lock();
            writer.committed = committed.or(writer.committed.take());
            return writer.close();
        }
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            // The writer guards itself against panics; there is nothing more to learn from it.
            let _ = thread.join();
        }
        self.queue.waiting.lock().ended.clone().unwrap_or(Ok(()))
    }
}

impl<M> Drop for QueuedLog<M> {
    fn drop(&mut self) {
        self.queue.waiting.lock().closing = true;
        self.queue.changed.notify_one();
        let thread = self.thread.get_mut().take();
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
struct Writer<M> {
    medium: Arc<M>,
    mark_file: MarkFile,
    /// As it is on disk.
    mark: Mark,
    /// When the mark is to be written, if it is behind.
    mark_due: Option<Instant>,
    changes: u64,
    vote: Vec<u8>,
    /// The vote differs from the marked one.
    voted: bool,
    last: Option<MarkedEntry>,
    /// Waits for the next group that is synced anyway.
    committed: Option<Vec<u8>>,
    /// Purged records are still to be removed.
    unremoved: bool,
    failed: Option<StorageError>,
    stats: Arc<StorageStats>,
}

impl<M: LogMedium> Writer<M> {
    fn serve(mut self, queue: &Queue) {
        loop {
            let mut waiting = queue.waiting.lock();
            while waiting.writes.is_empty() && !waiting.closing && !self.has_chores() {
                match self.mark_due {
                    Some(due) => drop(queue.changed.wait_until(&mut waiting, due)),
                    None => queue.changed.wait(&mut waiting),
                }
            }
            let writes = std::mem::take(&mut waiting.writes);
            let committed = waiting.committed.take();
            if waiting.closing && writes.is_empty() {
                drop(waiting);
                self.committed = committed.or(self.committed.take());
                let ended = self.close();
                if let Err(error) = &ended {
                    tracing::error!(%error, "the log could not be closed cleanly");
                }
                queue.waiting.lock().ended = Some(ended);
                return;
            }
            drop(waiting);
            self.group(writes, committed);
        }
    }

    fn has_chores(&self) -> bool {
        self.failed.is_none()
            && (self.unremoved || self.mark_due.is_some_and(|due| due <= Instant::now()))
    }

    /// Writes and syncs a group, then calls its notices; also the place for chores.
    fn group(&mut self, writes: Vec<(Write, Notice)>, committed: Option<Vec<u8>>) {
        self.committed = committed.or(self.committed.take());
        let (writes, notices): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
        let mut result = match &self.failed {
            Some(error) => Err(error.clone()),
            None => {
                self.stats.set_writing(true);
                let written = self.guarded("write", |writer| writer.write(writes));
                self.stats.set_writing(false);
                written
            }
        };
        super::failpoint!("log-before-notice");
        // req: R-7
        for notice in notices {
            let answer = result.clone();
            // A caller's fault must not leave all later callers without an answer.
            if catch_unwind(AssertUnwindSafe(|| notice(answer))).is_err() {
                tracing::error!("the receiver of a notice of the log panicked");
            }
        }
        if result.is_ok() {
            result = self.guarded("purge", Self::chores);
        }
        if let Err(error) = result
            && self.failed.is_none()
        {
            tracing::error!(%error, "the log has failed and takes no more writes");
            self.mark_due = None;
            self.failed = Some(error);
        }
    }

    fn guarded<T>(
        &mut self,
        action: &'static str,
        work: impl FnOnce(&mut Self) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let medium = self.medium.clone();
        guarded(medium.as_ref(), action, || work(self))
    }

    fn write(&mut self, writes: Vec<Write>) -> Result<(), StorageError> {
        if writes.is_empty() {
            return Ok(());
        }
        super::failpoint!("log-before-write");
        let mut entries = Vec::new();
        for write in writes {
            match write {
                Write::Append(more) if entries.is_empty() => entries = more,
                Write::Append(mut more) => entries.append(&mut more),
                other => {
                    self.append(&mut entries)?;
                    self.write_other(other)?;
                }
            }
        }
        self.append(&mut entries)?;
        if let Some(committed) = self.committed.take() {
            self.put(Meta::Committed, &committed)?;
        }
        super::failpoint!("log-after-write");
        self.sync()?;
        super::failpoint!("log-after-sync");
        if self.voted {
            self.write_mark()?;
        }
        let behind = self.last != self.mark.last || self.changes != self.mark.changes;
        if behind && self.mark_due.is_none() {
            self.mark_due = Some(Instant::now() + MARK_AGE_MAX);
        }
        Ok(())
    }

    fn append(&mut self, entries: &mut Vec<EncodedEntry>) -> Result<(), StorageError> {
        let Some(last) = entries.last() else { return Ok(()) };
        self.last = Some(MarkedEntry { index: last.index, crc: crc32c::crc32c(&last.bytes) });
        self.medium.append(entries)?;
        let bytes: usize = entries.iter().map(|entry| entry.bytes.len()).sum();
        self.stats.count_append(entries.len() as u64, bytes as u64);
        entries.clear();
        Ok(())
    }

    fn write_other(&mut self, write: Write) -> Result<(), StorageError> {
        match write {
            // Gathered by the caller; kept right for any caller.
            Write::Append(mut entries) => self.append(&mut entries),
            Write::TruncateAfter(last_kept) => self.truncate_after(last_kept),
            Write::Purge(mark) => {
                super::failpoint!("log-before-purge");
                if self.last.is_none_or(|last| last.index < mark.index) {
                    // The log goes on behind the snapshot; that, too, must not be forgotten.
                    let crc = crc32c::crc32c(&mark.log_id);
                    self.last = Some(MarkedEntry { index: mark.index, crc });
                }
                self.unremoved = true;
                self.changes += 1;
                self.medium.mark_purged(self.changes, &mark)
            }
            Write::Vote(vote) => {
                self.put(Meta::Vote, &vote)?;
                self.vote = vote;
                self.voted = true;
                Ok(())
            }
            Write::SnapshotPointer(pointer) => self.put(Meta::SnapshotPointer, &pointer),
        }
    }

    fn put(&mut self, meta: Meta, value: &[u8]) -> Result<(), StorageError> {
        self.changes += 1;
        self.medium.put(meta, self.changes, value)
    }

    /// The mark goes first: the log is about to end before it.
    fn truncate_after(&mut self, last_kept: Option<u64>) -> Result<(), StorageError> {
        let beyond = |marked: &MarkedEntry| last_kept.is_none_or(|kept| marked.index > kept);
        if self.last.as_ref().is_some_and(beyond) {
            self.last = match last_kept {
                Some(kept) => self.medium.read(kept..kept + 1, usize::MAX)?.first().map(|entry| {
                    MarkedEntry { index: entry.index, crc: crc32c::crc32c(&entry.bytes) }
                }),
                None => None,
            };
        }
        if self.mark.last.as_ref().is_some_and(beyond) {
            // Votes in this group are not durable yet; the mark may not run ahead of them.
            let mark = Mark { last: self.last, ..self.mark.clone() };
            self.mark_file.write(&mark)?;
            self.mark = mark;
        }
        self.medium.truncate_after(last_kept)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        let begin = Instant::now();
        self.medium.sync()?;
        self.stats.count_flush(begin.elapsed());
        Ok(())
    }

    /// Called with everything synced.
    fn write_mark(&mut self) -> Result<(), StorageError> {
        let mark = Mark { changes: self.changes, vote: self.vote.clone(), last: self.last };
        if mark != self.mark {
            self.mark_file.write(&mark)?;
            self.mark = mark;
        }
        self.voted = false;
        self.mark_due = None;
        self.medium.inspect()
    }

    fn chores(&mut self) -> Result<(), StorageError> {
        if self.unremoved {
            self.unremoved = self.medium.remove_purged()?;
        }
        if self.mark_due.is_some_and(|due| due <= Instant::now()) {
            self.write_mark()?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), StorageError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.guarded("close", |writer| {
            if let Some(committed) = writer.committed.take() {
                writer.put(Meta::Committed, &committed)?;
            }
            writer.sync()?;
            writer.write_mark()
        })
    }
}

/// sled panics where it should return errors; a panic is as final as one.
fn guarded<M: LogMedium, T>(
    medium: &M,
    action: &'static str,
    work: impl FnOnce() -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let (path, panic) = (medium.path().to_owned(), panic_text(payload.as_ref()));
        Err(StorageError::SledPanic { action, path, panic })
    })
}

/// The words of a panic.
pub(super) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Compares what a log holds with what had been made durable.
fn check(found: &Found, mark: &Mark, path: &Path) -> Result<(), StorageError> {
    let behind = |found: String, expected: String| {
        Err(StorageError::BehindMark { path: path.to_owned(), found, expected })
    };
    if found.changes < mark.changes {
        let expected = format!("change {}", mark.changes);
        return behind(format!("holds change {}", found.changes), expected);
    }
    let same = found.vote.as_deref().unwrap_or_default() == mark.vote;
    if !same && (found.changes == mark.changes || found.vote.is_none()) {
        return behind("holds another vote".to_owned(), "the marked vote".to_owned());
    }
    let Some(last) = mark.last else { return Ok(()) };
    let expected = format!("entry {} with checksum {:08x}", last.index, last.crc);
    if found.purged.as_ref().is_some_and(|purged| purged.index >= last.index) {
        return Ok(());
    }
    match found.marked {
        Some(marked) if marked == last => Ok(()),
        Some(marked) => behind(
            format!("holds entry {} with checksum {:08x}", marked.index, marked.crc),
            expected,
        ),
        None if found.next_index() == 0 => behind("is empty".to_owned(), expected),
        None => behind(format!("ends with entry {}", found.next_index() - 1), expected),
    }
}
