//! The adapter: openraft's log storage traits over any `LogStore`.
//!
//! Each entry is encoded once, queued, and kept decoded in the tail, so that it is readable when
//! `append` returns. openraft learns of durability by `IOFlushed`, in the order of the calls.
//! The vote is durable when `save_vote` returns; nothing here waits for a disk otherwise.

use std::fmt::{self, Debug};
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use openraft::alias::{LogIdOf, VoteOf};
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft::{LogId, OptionalSend, RaftTypeConfig};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::error::{Damage, Place, StorageError};
use super::limits::{ENTRY_BYTES_MAX, QUEUE_BYTES_MAX, READ_BYTES_MAX, TAIL_BYTES_MAX};
use super::log_store::{EncodedEntry, LogStore, Notice, PurgeMark};

/// The unit in which the queue's bound is counted; a semaphore counts in 32 bits.
const PERMIT_BYTES: usize = 1024;

/// openraft's log storage over a `LogStore`. Clones share one log.
pub struct LogStoreAdapter<C: RaftTypeConfig, L: LogStore + ?Sized> {
    shared: Arc<Shared<C, L>>,
}

/// openraft's log reader over a `LogStore`.
pub struct LogStoreReader<C: RaftTypeConfig, L: LogStore + ?Sized> {
    shared: Arc<Shared<C, L>>,
}

struct Shared<C: RaftTypeConfig, L: LogStore + ?Sized> {
    store: Arc<L>,
    log: Mutex<Log<C>>,
    /// Bytes on their way to the disk; full means that `append` waits.
    queue: Arc<Semaphore>,
}

/// The log as openraft is to see it: all that was queued, durable or not.
struct Log<C: RaftTypeConfig> {
    tail: super::tail::Tail<C::Entry>,
    /// The index of the first entry present, in memory or on the disk.
    first: u64,
    purged: Option<LogIdOf<C>>,
    last: Option<LogIdOf<C>>,
    vote: Option<VoteOf<C>>,
    committed: Option<LogIdOf<C>>,
}

impl<C, L> LogStoreAdapter<C, L>
where
    C: RaftTypeConfig,
    C::Entry: Clone + Serialize + DeserializeOwned,
    L: LogStore + ?Sized,
{
    /// Takes over an opened store. Blocks on the disk for one entry, the last one.
    pub fn open(store: Arc<L>) -> Result<Self, StorageError> {
        Self::with_tail_bytes(store, TAIL_BYTES_MAX)
    }

    /// As `open`, with a bound of one's own on the part of the log that is kept in memory. A
    /// simulation gives a large one, so that no read ever leaves its thread.
    pub fn with_tail_bytes(store: Arc<L>, tail_bytes_max: usize) -> Result<Self, StorageError> {
        let state = store.recovered();
        let purged: Option<LogIdOf<C>> = match &state.purged {
            Some(mark) => Some(decode(&mark.log_id, Place::Record("purged"))?),
            None => None,
        };
        let mut next = purged.as_ref().map_or(0, |id| id.index + 1);
        let mut last = purged.clone();
        if !state.entries.is_empty() {
            next = state.entries.end;
            let index = next - 1;
            let read = store.read(index..next, usize::MAX)?;
            let entry = read.first().ok_or_else(|| lost(index, Damage::Missing))?;
            last = Some(log_id::<C>(&decode::<C::Entry>(&entry.bytes, Place::Index(index))?));
        }
        let log = Log {
            tail: super::tail::Tail::new(next, tail_bytes_max),
            first: if state.entries.is_empty() { next } else { state.entries.start },
            purged,
            last,
            vote: decode_option(state.vote.as_deref(), "vote")?,
            committed: decode_option::<Option<_>>(state.committed.as_deref(), "committed")?
                .flatten(),
        };
        let queue = Arc::new(Semaphore::new(QUEUE_BYTES_MAX / PERMIT_BYTES));
        Ok(Self { shared: Arc::new(Shared { store, log: Mutex::new(log), queue }) })
    }

    /// The store underneath.
    pub fn store(&self) -> &Arc<L> {
        &self.shared.store
    }
}

impl<C: RaftTypeConfig, L: LogStore + ?Sized> Clone for LogStoreAdapter<C, L> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<C: RaftTypeConfig, L: LogStore + ?Sized> Debug for LogStoreAdapter<C, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogStoreAdapter").finish_non_exhaustive()
    }
}

impl<C: RaftTypeConfig, L: LogStore + ?Sized> Debug for LogStoreReader<C, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogStoreReader").finish_non_exhaustive()
    }
}

impl<C, L> RaftLogReader<C> for LogStoreReader<C, L>
where
    C: RaftTypeConfig,
    C::Entry: Clone + Serialize + DeserializeOwned,
    L: LogStore + ?Sized,
{
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<C::Entry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.shared.entries(half_open(&range), usize::MAX).await
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<C::Entry>, io::Error> {
        self.shared.entries(start..end, READ_BYTES_MAX).await
    }

    async fn read_vote(&mut self) -> Result<Option<VoteOf<C>>, io::Error> {
        Ok(self.shared.log.lock().vote.clone())
    }
}

// req: R-11
impl<C, L> RaftLogStorage<C> for LogStoreAdapter<C, L>
where
    C: RaftTypeConfig,
    C::Entry: Clone + Serialize + DeserializeOwned,
    L: LogStore + ?Sized,
{
    type LogReader = LogStoreReader<C, L>;

    async fn get_log_state(&mut self) -> Result<LogState<C>, io::Error> {
        let log = self.shared.log.lock();
        Ok(LogState { last_purged_log_id: log.purged.clone(), last_log_id: log.last.clone() })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        LogStoreReader { shared: self.shared.clone() }
    }

    async fn save_vote(&mut self, vote: &VoteOf<C>) -> Result<(), io::Error> {
        let bytes = encode(vote, "the vote")?;
        self.shared.log.lock().vote = Some(vote.clone());
        let (notice, durable) = awaited();
        self.shared.store.save_vote(bytes, notice);
        durable_or_stopped(durable).await
    }

    async fn save_committed(&mut self, committed: Option<LogIdOf<C>>) -> Result<(), io::Error> {
        let bytes = encode(&committed, "the committed mark")?;
        self.shared.log.lock().committed = committed;
        self.shared.store.save_committed(bytes);
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogIdOf<C>>, io::Error> {
        Ok(self.shared.log.lock().committed.clone())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<C>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = C::Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut encoded = Vec::new();
        let mut decoded = Vec::new();
        let mut bytes_sum = 0;
        for entry in entries {
            let index = entry.log_id_parts().1;
            let bytes = Bytes::from(encode(&entry, "a log entry")?);
            if bytes.len() > ENTRY_BYTES_MAX {
                let (bytes, limit) = (bytes.len(), ENTRY_BYTES_MAX);
                return Err(StorageError::EntryTooLarge { index, bytes, limit }.into());
            }
            bytes_sum += bytes.len();
            decoded.push((entry, bytes.len()));
            encoded.push(EncodedEntry { index, bytes });
        }
        let room = self.shared.room(bytes_sum).await?;
        self.shared.append(encoded, decoded, callback, room)
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogIdOf<C>>) -> Result<(), io::Error> {
        let last_kept = last_log_id.as_ref().map(|id| id.index);
        let (notice, durable) = awaited();
        {
            let mut log = self.shared.log.lock();
            let end = last_kept.map_or(0, |index| index + 1);
            if end >= log.tail.end() {
                return Ok(());
            }
            log.tail.truncate(end);
            log.last = last_log_id.max(log.purged.clone());
            self.shared.store.truncate_after(last_kept, notice);
        }
        durable_or_stopped(durable).await
    }

    async fn purge(&mut self, log_id: LogIdOf<C>) -> Result<(), io::Error> {
        let bytes = encode(&log_id, "the purge mark")?;
        let (notice, durable) = awaited();
        {
            let mut log = self.shared.log.lock();
            let index = log_id.index;
            log.tail.purge(index + 1);
            log.first = index + 1;
            if log.last.as_ref().is_none_or(|last| last.index < index) {
                log.last = Some(log_id.clone());
            }
            log.purged = Some(log_id);
            self.shared.store.purge(PurgeMark { index, log_id: bytes }, notice);
        }
        durable_or_stopped(durable).await
    }
}

impl<C, L> Shared<C, L>
where
    C: RaftTypeConfig,
    C::Entry: Clone + Serialize + DeserializeOwned,
    L: LogStore + ?Sized,
{
    /// Waits until the queue to the disk has room for so many bytes.
    async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, io::Error> {
        // One batch larger than the whole queue passes alone rather than never.
        let permits = (bytes / PERMIT_BYTES + 1).min(QUEUE_BYTES_MAX / PERMIT_BYTES);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        self.queue.clone().acquire_many_owned(permits).await.map_err(io::Error::other)
    }

    fn append(
        self: &Arc<Self>,
        encoded: Vec<EncodedEntry>,
        decoded: Vec<(C::Entry, usize)>,
        callback: IOFlushed<C>,
        room: OwnedSemaphorePermit,
    ) -> Result<(), io::Error> {
        let mut log = self.log.lock();
        if let (None, Some(first)) = (&log.last, encoded.first()) {
            // A log that never held anything begins where its first leader says.
            log.tail.begin(first.index);
            log.first = first.index;
        }
        for (expected, entry) in (log.tail.end()..).zip(&encoded) {
            if entry.index != expected {
                let found = entry.index;
                return Err(StorageError::NotConsecutive { expected, found }.into());
            }
        }
        for (entry, bytes) in decoded {
            log.last = Some(log_id::<C>(&entry));
            log.tail.push(entry, bytes);
        }
        let (end, truncations) = (log.tail.end(), log.tail.truncations());
        let shared = self.clone();
        let notice: Notice = Box::new(move |result| {
            drop(room);
            if result.is_ok() {
                shared.log.lock().tail.durable(end, truncations);
            }
            callback.io_completed(result.map_err(io::Error::from));
        });
        // Queued after the lock is given back: a store without a thread of its own answers at once.
        drop(log);
        self.store.append(encoded, notice);
        Ok(())
    }

    /// Reads a range: what is in memory from there, what is older from the disk.
    async fn entries(
        &self,
        range: Range<u64>,
        bytes_max: usize,
    ) -> Result<Vec<C::Entry>, io::Error> {
        'again: loop {
            let mut out = Vec::new();
            let (mut next, end, begun) = {
                let log = self.log.lock();
                (range.start.max(log.first), range.end.min(log.tail.end()), log.shape())
            };
            while next < end {
                let disk_end = {
                    let log = self.log.lock();
                    if log.shape() != begun {
                        continue 'again;
                    }
                    if next >= log.tail.first() {
                        log.tail.copy(next..end, bytes_max, &mut out);
                        return Ok(out);
                    }
                    log.tail.first().min(end)
                };
                let store = self.store.clone();
                let read = move || store.read(next..disk_end, READ_BYTES_MAX);
                let read = C::spawn_blocking(read).await?;
                if self.log.lock().shape() != begun {
                    // Cut at one end while it was read: what came may be of two logs, or an error.
                    continue 'again;
                }
                let read = read?;
                if read.first().map(|entry| entry.index) != Some(next) {
                    return Err(lost(next, Damage::Hole).into());
                }
                for entry in read {
                    next = entry.index + 1;
                    out.push(decode::<C::Entry>(&entry.bytes, Place::Index(entry.index))?);
                }
                if bytes_max != usize::MAX {
                    return Ok(out);
                }
            }
            return Ok(out);
        }
    }
}

impl<C: RaftTypeConfig> Log<C>
where
    C::Entry: Clone,
{
    /// Changes whenever entries were taken away at either end.
    fn shape(&self) -> (u64, u64) {
        (self.first, self.tail.truncations())
    }
}

fn log_id<C: RaftTypeConfig>(entry: &C::Entry) -> LogIdOf<C> {
    let (leader, index) = entry.log_id_parts();
    LogId::new(leader.clone(), index)
}

fn half_open(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

fn awaited() -> (Notice, oneshot::Receiver<Result<(), StorageError>>) {
    let (sender, receiver) = oneshot::channel();
    // A caller that went away does not need the answer.
    (Box::new(move |result| drop(sender.send(result))), receiver)
}

async fn durable_or_stopped(
    durable: oneshot::Receiver<Result<(), StorageError>>,
) -> Result<(), io::Error> {
    Ok(durable.await.map_err(io::Error::other)??)
}

fn encode<T: Serialize + ?Sized>(value: &T, what: &'static str) -> Result<Vec<u8>, StorageError> {
    postcard::to_stdvec(value).map_err(|source| StorageError::Encode { what, source })
}

fn decode<T: DeserializeOwned>(bytes: &[u8], place: Place) -> Result<T, StorageError> {
    postcard::from_bytes(bytes)
        .map_err(|_| StorageError::damaged("the log".as_ref(), place, Damage::Undecodable))
}

fn decode_option<T: DeserializeOwned>(
    bytes: Option<&[u8]>,
    name: &'static str,
) -> Result<Option<T>, StorageError> {
    bytes.map(|bytes| decode(bytes, Place::Record(name))).transpose()
}

fn lost(index: u64, damage: Damage) -> StorageError {
    StorageError::damaged("the log".as_ref(), Place::Index(index), damage)
}
