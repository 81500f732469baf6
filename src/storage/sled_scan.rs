//! Reading the log records in sled: whole records from a place on, and the complete scan at start.

use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use sled::{Db, IVec};

use super::error::{Damage, Place, StorageError};
use super::format::{ENTRY_END, Value, entry_key, parse_entry_key, parse_value};
use super::log_store::{EncodedEntry, PurgeMark};
use super::mark::MarkedEntry;
use super::medium::{Found, Meta};
use super::sled_log::{KEY_PURGED, meta_key};

/// One record: consecutive entries, or one entry put together from its pieces.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) entries: Vec<EncodedEntry>,
    /// Bytes of its values in sled.
    pub(super) bytes: u64,
}

/// Iterates over records. Pieces without their first one are skipped and remembered: they are what
/// a crash leaves of an entry that was being written or removed.
pub(super) struct Records<'a> {
    path: &'a Path,
    items: sled::Iter,
    orphans: Vec<(u64, IVec)>,
}

impl<'a> Records<'a> {
    pub(super) fn from(db: &Db, path: &'a Path, first: u64) -> Self {
        let start = entry_key(first, 0);
        let items = db.range(start.as_slice()..ENTRY_END.as_slice());
        Self { path, items, orphans: Vec::new() }
    }

    fn item(&mut self) -> Option<Result<(u64, u16, IVec, IVec), StorageError>> {
        let item = self.items.next()?.map_err(|error| read_error(self.path, error));
        Some(item.and_then(|(key, value)| {
            let (first, piece) = checked_key(self.path, &key)?;
            Ok((first, piece, key, value))
        }))
    }

    fn record(&mut self, first: u64, key: &IVec, value: &IVec) -> Result<Record, StorageError> {
        let path = self.path;
        match parse_value(key, value).map_err(|damage| damaged(path, first, damage))? {
            Value::Meta(_) => Err(damaged(path, first, Damage::Undecodable)),
            Value::Packed(entries) => {
                let entries = (first..)
                    .zip(entries)
                    .map(|(index, bytes)| EncodedEntry {
                        index,
                        bytes: Bytes::copy_from_slice(bytes),
                    })
                    .collect();
                Ok(Record { entries, bytes: value.len() as u64 })
            }
            Value::Piece { pieces, total, bytes } => {
                self.pieces(first, pieces, total, bytes, value.len() as u64)
            }
        }
    }

    fn pieces(
        &mut self,
        first: u64,
        pieces: u16,
        total: u32,
        begin: &[u8],
        mut bytes: u64,
    ) -> Result<Record, StorageError> {
        let path = self.path;
        let mut whole = begin.to_vec();
        for expected in 1..pieces {
            let missing = || damaged(path, first, Damage::MissingPiece(expected));
            let (index, piece, key, value) = self.item().ok_or_else(missing)??;
            if (index, piece) != (first, expected) {
                return Err(missing());
            }
            match parse_value(&key, &value).map_err(|damage| damaged(path, first, damage))? {
                Value::Piece { bytes: more, .. } => whole.extend_from_slice(more),
                Value::Meta(_) | Value::Packed(_) => {
                    return Err(damaged(path, first, Damage::Undecodable));
                }
            }
            bytes += value.len() as u64;
        }
        if whole.len() != total as usize {
            return Err(damaged(path, first, Damage::Length(whole.len() as u64)));
        }
        let entries = vec![EncodedEntry { index: first, bytes: Bytes::from(whole) }];
        Ok(Record { entries, bytes })
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (first, piece, key, value) = match self.item()? {
                Ok(item) => item,
                Err(error) => return Some(Err(error)),
            };
            if piece == 0 {
                return Some(self.record(first, &key, &value));
            }
            self.orphans.push((first, key));
        }
    }
}

/// What a complete scan has found.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) found: Found,
    /// Bytes of all entry records.
    pub(super) bytes: u64,
    /// Keys of left-over pieces, to be removed.
    pub(super) orphans: Vec<IVec>,
}

/// Reads and checks every record.
pub(super) fn scan(db: &Db, path: &Path, marked: Option<u64>) -> Result<Scanned, StorageError> {
    let mut found = Found::default();
    let mut value = |meta_kind, name| -> Result<Option<Vec<u8>>, StorageError> {
        let Some((change, value)) = counted(db, path, meta_key(meta_kind), name)? else {
            return Ok(None);
        };
        found.changes = found.changes.max(change);
        Ok(Some(value))
    };
    let vote = value(Meta::Vote, "vote")?;
    let committed = value(Meta::Committed, "committed")?;
    let snapshot_pointer = value(Meta::SnapshotPointer, "snapshot")?;
    found = Found { vote, committed, snapshot_pointer, ..found };
    if let Some((change, mark)) = purge_mark(db, path)? {
        found.changes = found.changes.max(change);
        found.purged = Some(mark);
    }
    let purged = found.purged.as_ref().map(|mark| mark.index);
    if let Some(mark) = &found.purged {
        let crc = crc32c::crc32c(&mark.log_id);
        found.last = Some(MarkedEntry { index: mark.index, crc });
    }
    let mut bytes = 0;
    let mut entries: Option<Range<u64>> = None;
    let mut records = Records::from(db, path, 0);
    for record in records.by_ref() {
        let record = record?;
        bytes += record.bytes;
        for entry in record.entries {
            if purged.is_some_and(|purged| entry.index <= purged) {
                continue;
            }
            let expected = match (&entries, purged) {
                (Some(entries), _) => entries.end,
                (None, Some(purged)) => purged + 1,
                (None, None) => entry.index,
            };
            if entry.index != expected {
                return Err(damaged(path, expected, Damage::Hole));
            }
            let present = MarkedEntry { index: entry.index, crc: crc32c::crc32c(&entry.bytes) };
            found.last = Some(present);
            if marked == Some(entry.index) {
                found.marked = Some(present);
            }
            entries = Some(entries.map_or(entry.index, |range| range.start)..entry.index + 1);
        }
    }
    if let Some(entries) = entries {
        found.entries = entries;
    }
    let orphans = records.orphans.into_iter().map(|(_, key)| key).collect();
    Ok(Scanned { found, bytes, orphans })
}

fn purge_mark(db: &Db, path: &Path) -> Result<Option<(u64, PurgeMark)>, StorageError> {
    let Some((change, content)) = counted(db, path, KEY_PURGED, "purged")? else {
        return Ok(None);
    };
    let Some((index, log_id)) = content.split_first_chunk::<8>() else {
        let place = Place::Record("purged");
        return Err(StorageError::damaged(&path.join("db"), place, Damage::Truncated));
    };
    let mark = PurgeMark { index: u64::from_le_bytes(*index), log_id: log_id.to_vec() };
    Ok(Some((change, mark)))
}

/// A value with the count of changes before it.
fn counted(
    db: &Db,
    path: &Path,
    key: &[u8],
    name: &'static str,
) -> Result<Option<(u64, Vec<u8>)>, StorageError> {
    let Some(content) = meta(db, path, key, name)? else { return Ok(None) };
    let Some((change, value)) = content.split_first_chunk::<8>() else {
        let place = Place::Record(name);
        return Err(StorageError::damaged(&path.join("db"), place, Damage::Truncated));
    };
    Ok(Some((u64::from_le_bytes(*change), value.to_vec())))
}

fn meta(
    db: &Db,
    path: &Path,
    key: &[u8],
    name: &'static str,
) -> Result<Option<Vec<u8>>, StorageError> {
    let Some(value) = db.get(key).map_err(|error| read_error(path, error))? else {
        return Ok(None);
    };
    let place = Place::Record(name);
    let damaged = |damage| StorageError::damaged(&path.join("db"), place, damage);
    match parse_value(key, &value) {
        Ok(Value::Meta(content)) => Ok(Some(content.to_vec())),
        Ok(Value::Packed(_) | Value::Piece { .. }) => Err(damaged(Damage::Undecodable)),
        Err(damage) => Err(damaged(damage)),
    }
}

/// The parts of an entry record's key.
pub(super) fn checked_key(path: &Path, key: &[u8]) -> Result<(u64, u16), StorageError> {
    parse_entry_key(key).ok_or_else(|| {
        StorageError::damaged(&path.join("db"), Place::Record("entry key"), Damage::Undecodable)
    })
}

/// Damage at a log index.
pub(super) fn damaged(path: &Path, index: u64, damage: Damage) -> StorageError {
    StorageError::damaged(&path.join("db"), Place::Index(index), damage)
}

fn read_error(path: &Path, error: sled::Error) -> StorageError {
    match error {
        sled::Error::Corruption { at: Some(at), .. } => {
            let place = Place::Offset(at.lid());
            StorageError::damaged(&path.join("db"), place, Damage::Undecodable)
        }
        error => StorageError::sled("read", path)(error),
    }
}
