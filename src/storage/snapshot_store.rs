//! Snapshot files: written under a temporary name, synced, renamed, their directory synced, and
//! then named by a pointer in the log. The newest two are kept.
//!
//! A snapshot's content is a stream of opaque blocks, written and read one at a time, so that a big
//! machine is not doubled in memory. Everything here blocks on the disk: call it on a blocking
//! thread. A file that differs in one bit from what was written is an error that names it.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use parking_lot::Mutex;

use super::error::{Damage, Place, StorageError};
use super::limits::{
    SNAPSHOT_BLOCK_BYTES_MAX, SNAPSHOT_META_BYTES_MAX, SNAPSHOT_SYNC_BYTES, SNAPSHOTS_KEPT,
};
use super::log_store::LogStore;
use super::sealed::{sync_directory, temporary_name};
pub use super::snapshot_format::{SnapshotHeader, SnapshotReader};
use super::snapshot_format::{block_head, trailer};

/// A finished, durable snapshot file. A handle: cheap to clone, holds nothing open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    path: PathBuf,
    pointer: Pointer,
}

/// What the log keeps about the newest snapshot.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Pointer {
    version: u32,
    file_name: String,
    bytes: u64,
    checksum: u32,
    header: SnapshotHeader,
}

const POINTER_VERSION: u32 = 1;

impl SnapshotFile {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says about itself.
    pub fn header(&self) -> &SnapshotHeader {
        &self.pointer.header
    }

    /// Its length on disk.
    pub fn bytes(&self) -> u64 {
        self.pointer.bytes
    }

    /// CRC32C of the whole file, to be sent with it.
    pub fn checksum(&self) -> u32 {
        self.pointer.checksum
    }

    /// Opens it for reading its blocks.
    pub fn blocks(&self) -> Result<SnapshotReader, StorageError> {
        SnapshotReader::open(&self.path, Some(self.pointer.checksum))
    }

    /// Opens it for sending its raw bytes. Goes on working when the file is replaced meanwhile.
    pub fn chunks(&self) -> Result<SnapshotChunks, StorageError> {
        let file = File::open(&self.path).map_err(StorageError::io("open", &self.path))?;
        Ok(SnapshotChunks { path: self.path.clone(), file, bytes: self.pointer.bytes })
    }

    /// Reads the whole file and checks every byte.
    pub fn verify(&self) -> Result<(), StorageError> {
        self.blocks()?.try_for_each(|block| block.map(drop))
    }
}

/// The raw bytes of a snapshot file, in chunks at offsets.
#[derive(Debug)]
pub struct SnapshotChunks {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl SnapshotChunks {
    /// Reads up to `bytes_max` bytes at an offset; empty at the end.
    pub fn read(&self, offset: u64, bytes_max: usize) -> Result<Vec<u8>, StorageError> {
        let left = self.bytes.saturating_sub(offset);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes_max);
        let mut bytes = vec![0; length];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(StorageError::io("read", &self.path))?;
        Ok(bytes)
    }
}

/// The directory of snapshot files.
pub struct SnapshotStore {
    directory: PathBuf,
    log: Arc<dyn LogStore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    current: Option<SnapshotFile>,
    next_number: u64,
}

impl std::fmt::Debug for SnapshotStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotStore").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl SnapshotStore {
    /// Opens the directory; the log is the one that keeps the pointer. Left-overs of writes that
    /// did not end, or were not installed, are removed. The file that the pointer names must be
    /// there, with its length.
    pub fn open(directory: &Path, log: Arc<dyn LogStore>) -> Result<Self, StorageError> {
        fs::create_dir_all(directory).map_err(StorageError::io("create", directory))?;
        let current = match &log.recovered().snapshot_pointer {
            Some(pointer) => Some(named_by(directory, pointer)?),
            None => None,
        };
        let newest = current.as_ref().and_then(|file| number_of(file.name()));
        for (name, path) in list(directory)? {
            // Not ended, or ended and never installed.
            let number = number_of(&name);
            if name.ends_with(".new") || number.is_some_and(|number| Some(number) > newest) {
                fs::remove_file(&path).map_err(StorageError::io("remove", &path))?;
            }
        }
        let next_number = newest.map_or(0, |newest| newest + 1);
        let bytes = current.as_ref().map_or(0, SnapshotFile::bytes);
        log.stats().snapshot_bytes.store(bytes, Ordering::Relaxed);
        let state = Mutex::new(State { current, next_number });
        let store = Self { directory: directory.to_owned(), log, state };
        store.prune()?;
        sync_directory(directory)?;
        Ok(store)
    }

    /// The newest snapshot that was installed or built here.
    pub fn current(&self) -> Option<SnapshotFile> {
        self.state.lock().current.clone()
    }

    /// Begins a new snapshot file.
    pub fn writer(&self, header: SnapshotHeader) -> Result<SnapshotWriter<'_>, StorageError> {
        let mut out = Unfinished::create(self.new_path(header.last_index))?;
        let meta = header.meta.len();
        if meta > SNAPSHOT_META_BYTES_MAX as usize {
            let damage = Damage::Length(meta as u64);
            return Err(StorageError::damaged(&out.path, Place::Record("header"), damage));
        }
        out.write(&header.encode())?;
        Ok(SnapshotWriter { store: self, header, out, blocks: 0, payload_bytes: 0 })
    }

    /// Begins to receive a snapshot file from another node.
    pub fn receiver(&self) -> Result<SnapshotReceiver, StorageError> {
        let out = Unfinished::create(self.new_path(0))?;
        Ok(SnapshotReceiver { directory: self.directory.clone(), out })
    }

    /// Makes a received snapshot the current one. Durable on return.
    pub fn install(&self, file: &SnapshotFile) -> Result<(), StorageError> {
        let encoded = postcard::to_stdvec(&file.pointer)
            .map_err(|source| StorageError::Encode { what: "the snapshot pointer", source })?;
        let (sender, receiver) = mpsc::sync_channel(1);
        // The receiver waits just below, so the answer always finds it.
        let notice = Box::new(move |result| drop(sender.send(result)));
        self.log.save_snapshot_pointer(encoded, notice);
        let stopped = StorageError::Stopped { path: self.directory.clone() };
        receiver.recv().unwrap_or(Err(stopped))?;
        let stats = self.log.stats();
        stats.snapshots.fetch_add(1, Ordering::Relaxed);
        stats.snapshot_bytes.store(file.bytes(), Ordering::Relaxed);
        self.state.lock().current = Some(file.clone());
        self.prune()
    }

    /// Removes what is older than the snapshots to keep. What is newer than the current one may be
    /// on its way to being installed and stays until the next installation or start.
    fn prune(&self) -> Result<(), StorageError> {
        let state = self.state.lock();
        let Some(current) = state.current.as_ref().and_then(|file| number_of(file.name())) else {
            return Ok(());
        };
        let mut files: Vec<_> = list(&self.directory)?
            .into_iter()
            .filter_map(|(name, path)| number_of(&name).map(|number| (number, path)))
            .filter(|(number, _)| *number <= current)
            .collect();
        files.sort();
        let excess = files.len().saturating_sub(SNAPSHOTS_KEPT);
        for (_, path) in files.into_iter().take(excess) {
            fs::remove_file(&path).map_err(StorageError::io("remove", &path))?;
        }
        Ok(())
    }

    fn new_path(&self, last_index: u64) -> PathBuf {
        let mut state = self.state.lock();
        let number = state.next_number;
        state.next_number += 1;
        self.directory.join(format!("{number:010}-{last_index}.snapshot"))
    }
}

impl SnapshotFile {
    fn name(&self) -> &str {
        &self.pointer.file_name
    }
}

/// Writes a snapshot block by block. Dropped before `finish`, it leaves nothing behind.
#[derive(Debug)]
pub struct SnapshotWriter<'a> {
    store: &'a SnapshotStore,
    header: SnapshotHeader,
    out: Unfinished,
    blocks: u64,
    payload_bytes: u64,
}

impl SnapshotWriter<'_> {
    /// Adds a block. Empty ones are left out, since a length of zero ends the file.
    pub fn write_block(&mut self, block: &[u8]) -> Result<(), StorageError> {
        if block.is_empty() {
            return Ok(());
        }
        if block.len() > SNAPSHOT_BLOCK_BYTES_MAX as usize {
            let place = Place::Block(self.blocks);
            let damage = Damage::Length(block.len() as u64);
            return Err(StorageError::damaged(&self.out.path, place, damage));
        }
        self.out.write(&block_head(self.blocks, block))?;
        self.out.write(block)?;
        self.blocks += 1;
        self.payload_bytes += block.len() as u64;
        Ok(())
    }

    /// Ends the file, makes it durable and the current one.
    pub fn finish(mut self) -> Result<SnapshotFile, StorageError> {
        let trailer = trailer(self.blocks, self.payload_bytes, self.out.crc);
        self.out.write(&trailer)?;
        let file = self.out.finish(self.header)?;
        self.store.install(&file)?;
        Ok(file)
    }
}

/// Receives a snapshot file in chunks. Dropped before `finish`, it leaves nothing behind.
#[derive(Debug)]
pub struct SnapshotReceiver {
    directory: PathBuf,
    out: Unfinished,
}

impl SnapshotReceiver {
    /// How many bytes have come; the offset of the next chunk.
    pub fn received(&self) -> u64 {
        self.out.bytes
    }

    /// Adds the next chunk.
    pub fn write_chunk(&mut self, offset: u64, chunk: &[u8]) -> Result<(), StorageError> {
        if offset != self.out.bytes {
            let (expected, found) = (self.out.bytes, offset);
            return Err(StorageError::ChunkOutOfOrder { expected, found });
        }
        self.out.write(chunk)
    }

    /// Ends the transfer: checks length, checksum and every block, and makes the file durable. It
    /// becomes the current one by `SnapshotStore::install`.
    pub fn finish(mut self, bytes: u64, checksum: u32) -> Result<SnapshotFile, StorageError> {
        self.out.flush()?;
        let path = self.out.temporary.clone();
        if self.out.bytes != bytes {
            return Err(StorageError::damaged(&path, Place::File, Damage::Length(self.out.bytes)));
        }
        let mut reader = SnapshotReader::open(&path, Some(checksum))?;
        reader.by_ref().try_for_each(|block| block.map(drop))?;
        debug_assert_eq!((reader.checksum(), reader.offset()), (checksum, bytes));
        let header = reader.header().clone();
        tracing::debug!(directory = %self.directory.display(), bytes, "snapshot received");
        self.out.finish(header)
    }
}

/// A file under its temporary name.
#[derive(Debug)]
struct Unfinished {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<BufWriter<File>>,
    bytes: u64,
    unsynced: u64,
    crc: u32,
}

impl Unfinished {
    fn create(path: PathBuf) -> Result<Self, StorageError> {
        let temporary = temporary_name(&path);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(StorageError::io("create", &temporary))?;
        let file = Some(BufWriter::with_capacity(256 * 1024, file));
        Ok(Self { path, temporary, file, bytes: 0, unsynced: 0, crc: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let file = self.file.as_mut().expect("the file is there until finish takes it");
        file.write_all(bytes).map_err(StorageError::io("write", &self.temporary))?;
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.bytes += bytes.len() as u64;
        self.unsynced += bytes.len() as u64;
        if self.unsynced >= SNAPSHOT_SYNC_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Syncs as it goes: one huge sync at the end would hold up the log's syncs for seconds.
    fn flush(&mut self) -> Result<(), StorageError> {
        let file = self.file.as_mut().expect("the file is there until finish takes it");
        file.flush().map_err(StorageError::io("write", &self.temporary))?;
        file.get_ref().sync_data().map_err(StorageError::io("sync", &self.temporary))?;
        self.unsynced = 0;
        Ok(())
    }

    fn finish(mut self, header: SnapshotHeader) -> Result<SnapshotFile, StorageError> {
        self.flush()?;
        let file = self.file.take().expect("finish takes the file, once");
        file.get_ref().sync_all().map_err(StorageError::io("sync", &self.temporary))?;
        super::failpoint!("snapshot-before-rename");
        // req: R-12
        if let Err(error) = fs::rename(&self.temporary, &self.path) {
            // Taken above, so the drop would not remove it.
            self.file = Some(file);
            return Err(StorageError::io("rename", &self.temporary)(error));
        }
        super::failpoint!("snapshot-after-rename");
        super::sealed::sync_parent(&self.path)?;
        let file_name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (bytes, checksum) = (self.bytes, self.crc);
        let pointer = Pointer { version: POINTER_VERSION, file_name, bytes, checksum, header };
        Ok(SnapshotFile { path: self.path.clone(), pointer })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Removed at the next start if it does not work now.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn named_by(directory: &Path, encoded: &[u8]) -> Result<SnapshotFile, StorageError> {
    let damaged = || {
        let place = Place::Record("snapshot pointer");
        StorageError::damaged(directory, place, Damage::Undecodable)
    };
    let pointer: Pointer = postcard::from_bytes(encoded).map_err(|_| damaged())?;
    if pointer.version != POINTER_VERSION || number_of(&pointer.file_name).is_none() {
        return Err(damaged());
    }
    let path = directory.join(&pointer.file_name);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.len() == pointer.bytes => Ok(SnapshotFile { path, pointer }),
        Ok(metadata) => {
            Err(StorageError::damaged(&path, Place::File, Damage::Length(metadata.len())))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(StorageError::damaged(&path, Place::File, Damage::Missing))
        }
        Err(error) => Err(StorageError::io("read", &path)(error)),
    }
}

fn list(directory: &Path) -> Result<Vec<(String, PathBuf)>, StorageError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(StorageError::io("list", directory))? {
        let entry = entry.map_err(StorageError::io("list", directory))?;
        if let Ok(name) = entry.file_name().into_string() {
            files.push((name, entry.path()));
        }
    }
    Ok(files)
}

/// The running number in a snapshot's file name; `None` for any other file.
fn number_of(name: &str) -> Option<u64> {
    let (number, index) = name.strip_suffix(".snapshot")?.split_once('-')?;
    index.parse::<u64>().ok()?;
    number.parse().ok()
}
