//! The log in plain segment files: the simulator's store, the yardstick for sled, and the way out.
//!
//! Everything is a checksummed frame at the end of the newest segment: entries, truncations, marks.
//! Opening replays the segments in order. A segment goes when all its entries are purged; each new
//! one therefore begins with the values that an older one may take away.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use parking_lot::Mutex;

use super::error::{Damage, Place, StorageError};
use super::file_frames::{Frame, Frames, SEGMENT_HEAD, begin_segment, encode_frame};
use super::log_store::{EncodedEntry, PurgeMark};
use super::mark::{MarkFile, MarkedEntry};
use super::medium::{Found, LogMedium, Meta};
use super::queued_log::QueuedLog;
use super::sealed::{sync_directory, sync_parent};
use super::stats::StorageStats;

/// A Raft log in segment files.
pub type FileLog = QueuedLog<FileMedium>;

/// A segment is closed when it has reached this size.
const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

impl FileLog {
    /// Opens or creates the log in a directory, with a writer thread and group commit.
    pub fn open(directory: &Path, stats: Arc<StorageStats>) -> Result<Self, StorageError> {
        let (medium, found, mark) = open(directory, stats.clone())?;
        Self::threaded(medium, found, mark, stats)
    }

    /// Opens or creates the log; every write is done and answered on the caller's thread, so that a
    /// simulation has one order of events.
    pub fn open_inline(directory: &Path, stats: Arc<StorageStats>) -> Result<Self, StorageError> {
        let (medium, found, mark) = open(directory, stats.clone())?;
        Self::inline(medium, found, mark, stats)
    }
}

/// The segments. Every entry has a place in memory; the log is bounded by bytes.
#[derive(Debug)]
pub struct FileMedium {
    directory: PathBuf,
    stats: Arc<StorageStats>,
    segments: Mutex<Segments>,
}

#[derive(Debug)]
struct Segments {
    files: BTreeMap<u64, Segment>,
    /// Places of the entries from `first` on.
    places: VecDeque<EntryPlace>,
    first: u64,
    purged: Option<(u64, PurgeMark)>,
    /// Written again at the head of each segment, each with its count of changes.
    metas: [Option<(u64, Vec<u8>)>; 3],
    buffer: Vec<u8>,
}

#[derive(Debug, Clone)]
struct Segment {
    path: PathBuf,
    file: Arc<File>,
    bytes: u64,
    /// The highest index of an entry ever written to it.
    last: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct EntryPlace {
    segment: u64,
    offset: u64,
    length: u32,
    crc: u32,
}

fn slot(meta: Meta) -> usize {
    match meta {
        Meta::Vote => 0,
        Meta::Committed => 1,
        Meta::SnapshotPointer => 2,
    }
}

fn open(
    directory: &Path,
    stats: Arc<StorageStats>,
) -> Result<(FileMedium, Found, MarkFile), StorageError> {
    let mark = MarkFile::beside(directory);
    let path = directory.join("segments");
    fs::create_dir_all(&path).map_err(StorageError::io("create", &path))?;
    let marked = mark.read()?.and_then(|mark| mark.last).map(|last| last.index);
    let segments = Segments {
        files: BTreeMap::new(),
        places: VecDeque::new(),
        first: 0,
        purged: None,
        metas: [None, None, None],
        buffer: Vec::new(),
    };
    let medium = FileMedium { directory: path, stats, segments: Mutex::new(segments) };
    medium.replay()?;
    let found = medium.found(marked)?;
    sync_directory(&medium.directory)?;
    sync_parent(&medium.directory)?;
    sync_parent(directory)?;
    Ok((medium, found, mark))
}

impl FileMedium {
    fn replay(&self) -> Result<(), StorageError> {
        let mut numbers = Vec::new();
        let list = fs::read_dir(&self.directory).map_err(StorageError::io("list", &self.directory));
        for entry in list? {
            let entry = entry.map_err(StorageError::io("list", &self.directory))?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".segment"));
            if let Some(number) = number.and_then(|number| number.parse::<u64>().ok()) {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        let mut segments = self.segments.lock();
        for (position, number) in numbers.iter().enumerate() {
            if position > 0 && numbers[position - 1] + 1 != *number {
                let missing = self.segment_path(number - 1);
                return Err(StorageError::damaged(&missing, Place::File, Damage::Missing));
            }
            let newest = position + 1 == numbers.len();
            self.replay_segment(&mut segments, *number, newest)?;
        }
        if segments.files.is_empty() {
            self.new_segment(&mut segments, 0)?;
        }
        Ok(())
    }

    /// A frame that does not check ends the newest segment: it may be a write that a crash tore.
    /// Whether something acknowledged went with it, the mark says. In an older one it is damage.
    fn replay_segment(
        &self,
        segments: &mut Segments,
        number: u64,
        newest: bool,
    ) -> Result<(), StorageError> {
        let path = self.segment_path(number);
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .open(&path)
            .map_err(StorageError::io("open", &path))?;
        let bytes = fs::read(&path).map_err(StorageError::io("read", &path))?;
        let mut frames = Frames::new(&path, &bytes, newest)?;
        let file = Arc::new(file);
        segments.files.insert(number, Segment { path: path.clone(), file, bytes: 0, last: None });
        while let Some((offset, frame)) = frames.next_frame()? {
            segments.apply(&path, number, offset, frame)?;
        }
        let end = frames.end();
        if let Some(segment) = segments.files.get_mut(&number) {
            segment.bytes = end;
            if end < bytes.len() as u64 {
                tracing::warn!(path = %path.display(), end, "cut a torn write off the log");
                segment.file.set_len(end).map_err(StorageError::io("shorten", &path))?;
                segment.file.sync_all().map_err(StorageError::io("sync", &path))?;
            }
            if end == 0 {
                // The crash came before the first bytes of the segment.
                self.write_head(segments, number)?;
            }
        }
        Ok(())
    }

    fn found(&self, marked: Option<u64>) -> Result<Found, StorageError> {
        let segments = self.segments.lock();
        self.stats.log_bytes.store(segments.bytes(), Ordering::Relaxed);
        let purged = segments.purged.as_ref().map(|(_, mark)| mark.clone());
        let counts = segments.metas.iter().flatten().map(|(change, _)| *change);
        let counts = counts.chain(segments.purged.as_ref().map(|(change, _)| *change));
        let changes = counts.max().unwrap_or(0);
        let mut found = Found { purged, changes, ..Found::default() };
        if let Some(mark) = &found.purged {
            let crc = crc32c::crc32c(&mark.log_id);
            found.last = Some(MarkedEntry { index: mark.index, crc });
        }
        let entry = |index: u64| {
            let place = segments.place(index)?;
            Some(MarkedEntry { index, crc: place.crc })
        };
        if !segments.places.is_empty() {
            if let Some(purged) = &found.purged
                && segments.first != purged.index + 1
            {
                let place = Place::Index(purged.index + 1);
                return Err(StorageError::damaged(&self.directory, place, Damage::Hole));
            }
            found.entries = segments.first..segments.end();
            found.last = entry(segments.end() - 1);
        }
        found.marked = marked.and_then(entry);
        let value = |meta| segments.metas[slot(meta)].as_ref().map(|(_, value)| value.clone());
        found.vote = value(Meta::Vote);
        found.committed = value(Meta::Committed);
        found.snapshot_pointer = value(Meta::SnapshotPointer);
        Ok(found)
    }

    fn segment_path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:012}.segment"))
    }

    fn new_segment(&self, segments: &mut Segments, number: u64) -> Result<(), StorageError> {
        let path = self.segment_path(number);
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(StorageError::io("create", &path))?;
        let segment = Segment { path, file: Arc::new(file), bytes: 0, last: None };
        segments.files.insert(number, segment);
        self.write_head(segments, number)?;
        sync_directory(&self.directory)
    }

    fn write_head(&self, segments: &mut Segments, number: u64) -> Result<(), StorageError> {
        let mut head = begin_segment();
        for meta in [Meta::Vote, Meta::Committed, Meta::SnapshotPointer] {
            if let Some((change, value)) = &segments.metas[slot(meta)] {
                let (change, value) = (*change, value.as_slice());
                encode_frame(&mut head, &Frame::Meta { slot: slot(meta) as u8, change, value });
            }
        }
        if let Some((change, mark)) = &segments.purged {
            let (change, index, log_id) = (*change, mark.index, mark.log_id.as_slice());
            encode_frame(&mut head, &Frame::Purged { change, index, log_id });
        }
        let Some(segment) = segments.files.get_mut(&number) else { return Ok(()) };
        segment.write(&head)?;
        // Its values must be safe before an older segment with the same values may go.
        segment.file.sync_data().map_err(StorageError::io("sync", &segment.path))
    }

    /// Adds a frame to the newest segment and to what memory knows.
    fn frame(&self, frame: Frame<'_>) -> Result<(), StorageError> {
        let segments = &mut *self.segments.lock();
        let newest = segments.files.last_key_value().map(|(number, segment)| (*number, segment));
        let Some((mut number, segment)) = newest else { return Ok(()) };
        if segment.bytes >= SEGMENT_BYTES {
            segment.file.sync_data().map_err(StorageError::io("sync", &segment.path))?;
            number += 1;
            self.new_segment(segments, number)?;
        }
        let mut buffer = std::mem::take(&mut segments.buffer);
        buffer.clear();
        encode_frame(&mut buffer, &frame);
        let Some(segment) = segments.files.get_mut(&number) else { return Ok(()) };
        let (offset, path) = (segment.bytes, segment.path.clone());
        segment.write(&buffer)?;
        buffer.shrink_to(BUFFER_BYTES_KEPT);
        segments.buffer = buffer;
        segments.apply(&path, number, offset, frame)?;
        self.stats.log_bytes.store(segments.bytes(), Ordering::Relaxed);
        Ok(())
    }
}

/// A larger write buffer is given back after use.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;

impl Segment {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let mut file = self.file.as_ref();
        file.write_all(bytes).map_err(StorageError::io("write", &self.path))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

impl Segments {
    fn end(&self) -> u64 {
        self.first + self.places.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.files.values().map(|segment| segment.bytes).sum()
    }

    fn place(&self, index: u64) -> Option<EntryPlace> {
        let position = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.places.get(position).copied()
    }

    /// What a frame means, written just now or read at the start.
    fn apply(
        &mut self,
        path: &Path,
        number: u64,
        offset: u64,
        frame: Frame<'_>,
    ) -> Result<(), StorageError> {
        match frame {
            Frame::Entry { index, bytes } => {
                let purged = self.purged.as_ref().map(|(_, mark)| mark.index);
                if let Some(segment) = self.files.get_mut(&number) {
                    segment.last = Some(segment.last.unwrap_or(0).max(index));
                }
                if purged.is_some_and(|purged| index <= purged) {
                    return Ok(());
                }
                if self.places.is_empty() {
                    self.first = index;
                }
                if index != self.end() {
                    let place = Place::Index(self.end());
                    return Err(StorageError::damaged(path, place, Damage::Hole));
                }
                let offset = offset + Frame::ENTRY_BYTES_BEFORE;
                let (length, crc) = (bytes.len() as u32, crc32c::crc32c(bytes));
                self.places.push_back(EntryPlace { segment: number, offset, length, crc });
            }
            Frame::TruncateAfter { kept } => {
                let end = kept.map_or(0, |kept| kept + 1);
                let keep = usize::try_from(end.saturating_sub(self.first)).unwrap_or(usize::MAX);
                self.places.truncate(keep);
            }
            Frame::Purged { change, index, log_id } => {
                while !self.places.is_empty() && self.first <= index {
                    self.places.pop_front();
                    self.first += 1;
                }
                self.purged = Some((change, PurgeMark { index, log_id: log_id.to_vec() }));
            }
            Frame::Meta { slot, change, value } => match self.metas.get_mut(usize::from(slot)) {
                Some(meta) => *meta = Some((change, value.to_vec())),
                None => {
                    let place = Place::Offset(offset);
                    return Err(StorageError::damaged(path, place, Damage::Undecodable));
                }
            },
        }
        Ok(())
    }
}

impl LogMedium for FileMedium {
    fn path(&self) -> &Path {
        &self.directory
    }

    fn append(&self, entries: &[EncodedEntry]) -> Result<(), StorageError> {
        entries.iter().try_for_each(|entry| {
            self.frame(Frame::Entry { index: entry.index, bytes: &entry.bytes })
        })
    }

    fn truncate_after(&self, last_kept: Option<u64>) -> Result<(), StorageError> {
        self.frame(Frame::TruncateAfter { kept: last_kept })
    }

    fn mark_purged(&self, change: u64, mark: &PurgeMark) -> Result<(), StorageError> {
        self.frame(Frame::Purged { change, index: mark.index, log_id: &mark.log_id })
    }

    fn remove_purged(&self) -> Result<bool, StorageError> {
        let mut segments = self.segments.lock();
        let Some(purged) = segments.purged.as_ref().map(|(_, mark)| mark.index) else {
            return Ok(false);
        };
        let oldest = segments.files.first_key_value();
        let doomed = oldest.filter(|(_, segment)| segment.last.is_none_or(|last| last <= purged));
        let Some((number, path)) = doomed.map(|(number, old)| (*number, old.path.clone())) else {
            return Ok(false);
        };
        if segments.files.len() == 1 {
            return Ok(false);
        }
        fs::remove_file(&path).map_err(StorageError::io("remove", &path))?;
        segments.files.remove(&number);
        self.stats.log_bytes.store(segments.bytes(), Ordering::Relaxed);
        sync_directory(&self.directory).map(|()| true)
    }

    fn put(&self, meta: Meta, change: u64, value: &[u8]) -> Result<(), StorageError> {
        self.frame(Frame::Meta { slot: slot(meta) as u8, change, value })
    }

    fn sync(&self) -> Result<(), StorageError> {
        // Older segments were synced when they were closed.
        let newest =
            self.segments.lock().files.last_key_value().map(|(_, segment)| segment.clone());
        let Some(segment) = newest else { return Ok(()) };
        segment.file.sync_data().map_err(StorageError::io("sync", &segment.path))
    }

    fn inspect(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<EncodedEntry>, StorageError> {
        let mut out: Vec<EncodedEntry> = Vec::new();
        let mut sum = 0_usize;
        let mut index = range.start.max(self.segments.lock().first);
        while index < range.end {
            let found = {
                let segments = self.segments.lock();
                segments.place(index).and_then(|place| {
                    segments.files.get(&place.segment).map(|segment| (place, segment.clone()))
                })
            };
            let Some((place, segment)) = found else { break };
            sum = sum.saturating_add(place.length as usize);
            if sum > bytes_max && !out.is_empty() {
                break;
            }
            let mut bytes = vec![0; place.length as usize];
            segment
                .file
                .read_exact_at(&mut bytes, place.offset)
                .map_err(StorageError::io("read", &segment.path))?;
            let (stored, calculated) = (place.crc, crc32c::crc32c(&bytes));
            if stored != calculated {
                let damage = Damage::Checksum { stored, calculated };
                return Err(StorageError::damaged(&segment.path, Place::Index(index), damage));
            }
            out.push(EncodedEntry { index, bytes: Bytes::from(bytes) });
            index += 1;
        }
        Ok(out)
    }
}

const _: () = assert!(SEGMENT_HEAD < SEGMENT_BYTES);
