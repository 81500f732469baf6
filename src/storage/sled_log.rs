//! The log in sled 0.34, with the rules that make it durable (docs/decisions/0002).
//!
//! One writer inserts in order, never in a batch: a Raft log needs a durable prefix, not atomicity.
//! Removals go from the end when truncating and from the front when purging, so that a crash in
//! between leaves no hole. The rules' other half, one queue and the mark, is in `queued_log`.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sled::{Db, IVec, Mode};

use super::error::{Damage, Place, StorageError};
use super::format::{
    ENTRY_END, ENTRY_PREFIX, LOG_FORMAT_VERSION, LOG_MAGIC, PIECE_BYTES, Value, entry_key,
    meta_value, packed_value, packs, parse_entry_key, parse_value, piece_value,
};
use super::log_store::{EncodedEntry, PurgeMark};
use super::mark::MarkFile;
use super::medium::{Found, LogMedium, Meta};
use super::queued_log::{QueuedLog, panic_text};
use super::sealed::{Fields, sync_directory, sync_parent};
use super::sled_scan::{Records, scan};
use super::stats::StorageStats;

/// A Raft log in sled.
pub type SledLog = QueuedLog<SledMedium>;

/// sled's buffers are of this size, and what exceeds a quarter of it goes to unsynced side files.
const SEGMENT_BYTES: usize = 16 * 1024 * 1024;
/// How long a lock of sled that is about to be let go is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// Readers use the tail in memory; sled itself needs little more than the newest leaf.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// Records removed between two groups: one big purge would hold up commits and eat memory.
const REMOVED_PER_STEP: usize = 1000;

const KEY_FORMAT: &[u8] = b"m/format";
const KEY_START: &[u8] = b"m/start";
pub(super) const KEY_PURGED: &[u8] = b"m/purged";

pub(super) fn meta_key(meta: Meta) -> &'static [u8] {
    match meta {
        Meta::Vote => b"m/vote",
        Meta::Committed => b"m/committed",
        Meta::SnapshotPointer => b"m/snapshot",
    }
}

impl SledLog {
    /// Opens or creates the log in a directory: `sled/` and the file `mark`. Reads and checks every
    /// record, and compares the log with its mark. Blocks.
    pub fn open(directory: &Path, stats: Arc<StorageStats>) -> Result<Self, StorageError> {
        fs::create_dir_all(directory).map_err(StorageError::io("create", directory))?;
        let mark_file = MarkFile::beside(directory);
        let marked = mark_file.read()?.and_then(|mark| mark.last).map(|last| last.index);
        let path = directory.join("sled");
        let (medium, found) = open_guarded(path, marked, stats.clone())?;
        sync_parent(directory)?;
        Self::threaded(medium, found, mark_file, stats)
    }
}

/// The database, owned by one writer; readers share the handle.
#[derive(Debug)]
pub struct SledMedium {
    db: Db,
    path: PathBuf,
    stats: Arc<StorageStats>,
    /// The index after the purge mark. What lies before it is removed at leisure and not shown.
    purged_end: AtomicU64,
}

/// sled panics in several recovery paths: it is opened in a thread whose end is awaited.
fn open_guarded(
    path: PathBuf,
    marked: Option<u64>,
    stats: Arc<StorageStats>,
) -> Result<(SledMedium, Found), StorageError> {
    let opened = path.clone();
    let thread = thread::Builder::new()
        .name("log-open".to_owned())
        .spawn(move || open(opened, marked, stats))
        .map_err(StorageError::io("start a thread to open", &path))?;
    thread.join().unwrap_or_else(|payload| {
        let panic = panic_text(payload.as_ref());
        Err(StorageError::SledPanic { action: "open", path, panic })
    })
}

fn open(
    path: PathBuf,
    marked: Option<u64>,
    stats: Arc<StorageStats>,
) -> Result<(SledMedium, Found), StorageError> {
    fs::create_dir_all(&path).map_err(StorageError::io("create", &path))?;
    remove_unfinished_snapshots(&path)?;
    let db = open_database(&path).map_err(StorageError::sled("open", &path))?;
    let medium = SledMedium { db, path, stats, purged_end: AtomicU64::new(0) };
    medium.check_format()?;
    let scanned = scan(&medium.db, &medium.path, marked)?;
    for key in scanned.orphans {
        medium.db.remove(key).map_err(StorageError::sled("clean up", &medium.path))?;
    }
    let purged_end = scanned.found.purged.as_ref().map_or(0, |mark| mark.index + 1);
    medium.purged_end.store(purged_end, Ordering::Release);
    medium.stats.log_bytes.store(scanned.bytes, Ordering::Relaxed);
    medium.verify_shim()?;
    sync_directory(&medium.path)?;
    sync_parent(&medium.path)?;
    medium.inspect()?;
    Ok((medium, scanned.found))
}

/// sled lets go of its own lock a moment after its last handle, when its threads end. Nobody else
/// can hold it: the data directory has a lock that was taken before.
fn open_database(path: &Path) -> Result<Db, sled::Error> {
    let config = sled::Config::new()
        .path(path)
        .mode(Mode::HighThroughput)
        .cache_capacity(CACHE_BYTES)
        .segment_size(SEGMENT_BYTES)
        .use_compression(false)
        .flush_every_ms(None);
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        match config.open() {
            Err(sled::Error::Io(error))
                if error.to_string().contains("could not acquire lock")
                    && Instant::now() < until =>
            {
                thread::sleep(LOCK_LOOK_INTERVAL);
            }
            opened => return opened,
        }
    }
}

/// A start that was killed while sled wrote its own snapshot leaves a file that the next open takes
/// for a finished one, and fails. The finished snapshot and the log are still there.
fn remove_unfinished_snapshots(path: &Path) -> Result<(), StorageError> {
    for entry in fs::read_dir(path).map_err(StorageError::io("list", path))? {
        let entry = entry.map_err(StorageError::io("list", path))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path()).map_err(StorageError::io("remove", &entry.path()))?;
        }
    }
    Ok(())
}

impl SledMedium {
    fn insert(&self, key: &[u8], value: Vec<u8>) -> Result<Option<IVec>, StorageError> {
        self.db.insert(key, value).map_err(StorageError::sled("write", &self.path))
    }

    fn check_format(&self) -> Result<(), StorageError> {
        let damaged =
            |damage| StorageError::damaged(&self.path.join("db"), Place::Record("format"), damage);
        let stored = self.db.get(KEY_FORMAT).map_err(StorageError::sled("read", &self.path))?;
        let Some(stored) = stored else {
            if !self.db.is_empty() {
                return Err(damaged(Damage::Missing));
            }
            let mut content = LOG_MAGIC.to_vec();
            content.extend_from_slice(&LOG_FORMAT_VERSION.to_le_bytes());
            return self.insert(KEY_FORMAT, meta_value(KEY_FORMAT, &content)).map(drop);
        };
        let Value::Meta(content) = parse_value(KEY_FORMAT, &stored).map_err(damaged)? else {
            return Err(damaged(Damage::Undecodable));
        };
        let mut fields = Fields::new(content);
        if fields.take::<8>() != Some(LOG_MAGIC) {
            return Err(damaged(Damage::Magic));
        }
        match fields.u32() {
            Some(found) if found > LOG_FORMAT_VERSION => Err(StorageError::NewerFormat {
                path: self.path.clone(),
                found,
                supported: LOG_FORMAT_VERSION,
            }),
            Some(_) => Ok(()),
            None => Err(damaged(Damage::Truncated)),
        }
    }

    /// A record is written and flushed; if that did not come by the shim, nothing ever will.
    fn verify_shim(&self) -> Result<(), StorageError> {
        let before = statekeeper_sync_shim::syncs();
        let content = self.db.generate_id().map_err(StorageError::sled("write", &self.path))?;
        self.insert(KEY_START, meta_value(KEY_START, &content.to_le_bytes()))?;
        self.sync()?;
        if statekeeper_sync_shim::syncs() == before {
            return Err(StorageError::ShimNotLinked { path: self.path.clone() });
        }
        Ok(())
    }

    fn append_pieces(&self, entry: &EncodedEntry) -> Result<(), StorageError> {
        let index = entry.index;
        let too_large = || {
            let (bytes, limit) = (entry.bytes.len(), super::limits::ENTRY_BYTES_MAX);
            StorageError::EntryTooLarge { index, bytes, limit }
        };
        let total = u32::try_from(entry.bytes.len()).map_err(|_| too_large())?;
        let chunks: Vec<_> = entry.bytes.chunks(PIECE_BYTES).collect();
        let pieces = u16::try_from(chunks.len()).map_err(|_| too_large())?;
        // From the last to the first: where the first piece is, all others are.
        for (piece, chunk) in (0..pieces).zip(chunks).rev() {
            let key = entry_key(index, piece);
            let value = piece_value(&key, pieces, total, chunk);
            self.count_bytes(value.len(), 0);
            self.insert(&key, value)?;
        }
        Ok(())
    }

    fn append_pack(&self, pack: &[EncodedEntry]) -> Result<(), StorageError> {
        let Some(first) = pack.first() else { return Ok(()) };
        let key = entry_key(first.index, 0);
        let value = packed_value(&key, pack.iter().map(|entry| entry.bytes.as_ref()));
        self.count_bytes(value.len(), 0);
        let old = self.insert(&key, value)?;
        self.count_bytes(0, old.map_or(0, |old| old.len()));
        Ok(())
    }

    fn remove(&self, keys: &[IVec]) -> Result<(), StorageError> {
        for key in keys {
            let old = self.db.remove(key).map_err(StorageError::sled("remove from", &self.path))?;
            self.count_bytes(0, old.map_or(0, |old| old.len()));
        }
        Ok(())
    }

    fn count_bytes(&self, added: usize, removed: usize) {
        self.stats.log_bytes.fetch_add(added as u64, Ordering::Relaxed);
        self.stats.log_bytes.fetch_sub(removed as u64, Ordering::Relaxed);
    }
}

impl LogMedium for SledMedium {
    fn path(&self) -> &Path {
        &self.path
    }

    fn append(&self, entries: &[EncodedEntry]) -> Result<(), StorageError> {
        for pack in packs(entries) {
            match pack {
                [entry] if entry.bytes.len() > PIECE_BYTES => self.append_pieces(entry)?,
                pack => self.append_pack(pack)?,
            }
        }
        Ok(())
    }

    fn truncate_after(&self, last_kept: Option<u64>) -> Result<(), StorageError> {
        let mut doomed = Vec::new();
        let mut rest = None;
        for item in self.db.range([ENTRY_PREFIX].as_slice()..ENTRY_END.as_slice()).rev() {
            let (key, value) = item.map_err(StorageError::sled("read", &self.path))?;
            let (first, piece) = super::sled_scan::checked_key(&self.path, &key)?;
            if last_kept.is_none_or(|kept| first > kept) {
                doomed.push((first, piece, key));
            } else {
                rest = Some((first, key, value));
                break;
            }
        }
        // From the end, but the first piece of an entry before its others.
        doomed.sort_by_key(|(first, piece, _)| (std::cmp::Reverse(*first), *piece));
        let doomed: Vec<_> = doomed.into_iter().map(|(_, _, key)| key).collect();
        self.remove(&doomed)?;
        let (Some((first, key, value)), Some(kept)) = (rest, last_kept) else { return Ok(()) };
        let value = parse_value(&key, &value)
            .map_err(|damage| super::sled_scan::damaged(&self.path, first, damage))?;
        if let Value::Packed(mut entries) = value
            && let Ok(keep) = usize::try_from(kept - first + 1)
            && keep < entries.len()
        {
            entries.truncate(keep);
            let shorter = packed_value(&key, entries.into_iter());
            self.count_bytes(shorter.len(), 0);
            let old = self.insert(&key, shorter)?;
            self.count_bytes(0, old.map_or(0, |old| old.len()));
        }
        Ok(())
    }

    fn mark_purged(&self, change: u64, mark: &PurgeMark) -> Result<(), StorageError> {
        let mut content = change.to_le_bytes().to_vec();
        content.extend_from_slice(&mark.index.to_le_bytes());
        content.extend_from_slice(&mark.log_id);
        self.insert(KEY_PURGED, meta_value(KEY_PURGED, &content))?;
        self.purged_end.store(mark.index + 1, Ordering::Release);
        Ok(())
    }

    fn remove_purged(&self) -> Result<bool, StorageError> {
        let Some(purged) = self.purged_end.load(Ordering::Acquire).checked_sub(1) else {
            return Ok(false);
        };
        let mut doomed = Vec::new();
        let end = entry_key(purged, u16::MAX);
        for item in self.db.range([ENTRY_PREFIX].as_slice()..=end.as_slice()) {
            let (key, value) = item.map_err(StorageError::sled("read", &self.path))?;
            let (first, _) = super::sled_scan::checked_key(&self.path, &key)?;
            let value = parse_value(&key, &value)
                .map_err(|damage| super::sled_scan::damaged(&self.path, first, damage))?;
            if let Value::Packed(entries) = value
                && first + entries.len() as u64 - 1 > purged
            {
                break;
            }
            doomed.push(key);
            if doomed.len() == REMOVED_PER_STEP {
                break;
            }
        }
        self.remove(&doomed)?;
        Ok(doomed.len() == REMOVED_PER_STEP)
    }

    fn put(&self, meta: Meta, change: u64, value: &[u8]) -> Result<(), StorageError> {
        let key = meta_key(meta);
        let mut content = change.to_le_bytes().to_vec();
        content.extend_from_slice(value);
        self.insert(key, meta_value(key, &content)).map(drop)
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.db.flush().map(drop).map_err(StorageError::sled("sync", &self.path))
    }

    /// sled renames files without syncing the directory, and side files must not come to be.
    fn inspect(&self) -> Result<(), StorageError> {
        let blobs = self.path.join("blobs");
        let (mut files, mut bytes) = (0, 0);
        for entry in fs::read_dir(&blobs).map_err(StorageError::io("list", &blobs))? {
            let entry = entry.map_err(StorageError::io("list", &blobs))?;
            files += 1;
            bytes += entry.metadata().map_or(0, |metadata| metadata.len());
        }
        self.stats.blobs_bytes.store(bytes, Ordering::Relaxed);
        if files > 0 {
            return Err(StorageError::SideFiles { path: blobs, files });
        }
        sync_directory(&self.path)
    }

    fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<EncodedEntry>, StorageError> {
        let range = range.start.max(self.purged_end.load(Ordering::Acquire))..range.end;
        // The record that holds the first index may begin before it.
        let end = entry_key(range.start, 0);
        let before = self.db.range([ENTRY_PREFIX].as_slice()..=end.as_slice()).next_back();
        let start = match before {
            Some(item) => {
                let (key, _) = item.map_err(StorageError::sled("read", &self.path))?;
                match parse_entry_key(&key) {
                    Some((first, _)) => first,
                    None => range.start,
                }
            }
            None => range.start,
        };
        let mut out: Vec<EncodedEntry> = Vec::new();
        let mut bytes = 0_usize;
        for record in Records::from(&self.db, &self.path, start) {
            let record = record?;
            for entry in record.entries {
                if entry.index < range.start {
                    continue;
                }
                bytes = bytes.saturating_add(entry.bytes.len());
                let full = bytes > bytes_max && !out.is_empty();
                if entry.index >= range.end || full {
                    return Ok(out);
                }
                if let Some(last) = out.last()
                    && last.index + 1 != entry.index
                {
                    return Err(super::sled_scan::damaged(
                        &self.path,
                        last.index + 1,
                        Damage::Hole,
                    ));
                }
                out.push(entry);
            }
        }
        Ok(out)
    }
}
