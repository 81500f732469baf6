//! The frames of the segmented file log. See docs/formats.md.

use std::path::Path;

use super::error::{Damage, Place, StorageError};
use super::limits::ENTRY_BYTES_MAX;
use super::sealed::Fields;

const MAGIC: [u8; 8] = *b"SKSEGM\r\n";
const VERSION: u32 = 1;
/// Magic and version.
pub(super) const SEGMENT_HEAD: u64 = 12;

const KIND_ENTRY: u8 = 1;
const KIND_TRUNCATE: u8 = 2;
const KIND_PURGED: u8 = 3;
const KIND_META: u8 = 4;

/// One change of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Entry { index: u64, bytes: &'a [u8] },
    TruncateAfter { kept: Option<u64> },
    Purged { change: u64, index: u64, log_id: &'a [u8] },
    Meta { slot: u8, change: u64, value: &'a [u8] },
}

impl Frame<'_> {
    /// Length, checksum, kind and index come before an entry's bytes.
    pub(super) const ENTRY_BYTES_BEFORE: u64 = 17;
}

/// The first bytes of a segment.
pub(super) fn begin_segment() -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(&VERSION.to_le_bytes());
    head
}

/// Adds a frame to a buffer: length of the content, checksum, content.
pub(super) fn encode_frame(into: &mut Vec<u8>, frame: &Frame<'_>) {
    let start = into.len();
    into.extend_from_slice(&[0; 8]);
    match frame {
        Frame::Entry { index, bytes } => {
            into.push(KIND_ENTRY);
            into.extend_from_slice(&index.to_le_bytes());
            into.extend_from_slice(bytes);
        }
        Frame::TruncateAfter { kept } => {
            into.push(KIND_TRUNCATE);
            // What is kept ends before this index.
            into.extend_from_slice(&kept.map_or(0, |kept| kept + 1).to_le_bytes());
        }
        Frame::Purged { change, index, log_id } => {
            into.push(KIND_PURGED);
            into.extend_from_slice(&change.to_le_bytes());
            into.extend_from_slice(&index.to_le_bytes());
            into.extend_from_slice(log_id);
        }
        Frame::Meta { slot, change, value } => {
            into.push(KIND_META);
            into.push(*slot);
            into.extend_from_slice(&change.to_le_bytes());
            into.extend_from_slice(value);
        }
    }
    let length = (into.len() - start - 8) as u32;
    into[start..start + 4].copy_from_slice(&length.to_le_bytes());
    let crc = frame_crc(length, &into[start + 8..]);
    into[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

fn frame_crc(length: u32, content: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length.to_le_bytes()), content)
}

/// Reads the frames of a segment that lies in memory.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    offset: usize,
    /// Whether a frame that does not check is the end, and no error.
    newest: bool,
}

impl<'a> Frames<'a> {
    pub(super) fn new(path: &'a Path, bytes: &'a [u8], newest: bool) -> Result<Self, StorageError> {
        let mut frames = Self { path, bytes, offset: 0, newest };
        let mut fields = Fields::new(bytes);
        match (fields.take::<8>(), fields.u32()) {
            (Some(MAGIC), Some(found)) if found > VERSION => {
                let path = path.to_owned();
                return Err(StorageError::NewerFormat { path, found, supported: VERSION });
            }
            (Some(MAGIC), Some(_)) => frames.offset = SEGMENT_HEAD as usize,
            // Torn while it was made: whole again when it is written next.
            _ if newest && bytes.len() < SEGMENT_HEAD as usize => frames.bytes = &[],
            _ => return Err(StorageError::damaged(path, Place::Offset(0), Damage::Magic)),
        }
        Ok(frames)
    }

    /// Where the sound part ends.
    pub(super) fn end(&self) -> u64 {
        self.offset as u64
    }

    /// The next frame and its offset.
    pub(super) fn next_frame(&mut self) -> Result<Option<(u64, Frame<'a>)>, StorageError> {
        let offset = self.offset as u64;
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        match parse(rest) {
            Ok((frame, length)) => {
                self.offset += length;
                Ok(Some((offset, frame)))
            }
            Err(_) if self.newest => Ok(None),
            Err(damage) => Err(StorageError::damaged(self.path, Place::Offset(offset), damage)),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<(Frame<'_>, usize), Damage> {
    let mut fields = Fields::new(bytes);
    let length = fields.u32().ok_or(Damage::Truncated)?;
    let stored = fields.u32().ok_or(Damage::Truncated)?;
    if length as usize > ENTRY_BYTES_MAX + Frame::ENTRY_BYTES_BEFORE as usize {
        return Err(Damage::Length(length.into()));
    }
    let content = fields.bytes(length as usize).ok_or(Damage::Truncated)?;
    let calculated = frame_crc(length, content);
    if stored != calculated {
        return Err(Damage::Checksum { stored, calculated });
    }
    let frame = parse_content(content).ok_or(Damage::Undecodable)?;
    Ok((frame, 8 + content.len()))
}

fn parse_content(content: &[u8]) -> Option<Frame<'_>> {
    let mut fields = Fields::new(content);
    match fields.u8()? {
        KIND_ENTRY => Some(Frame::Entry { index: fields.u64()?, bytes: content.get(9..)? }),
        KIND_TRUNCATE => Some(Frame::TruncateAfter { kept: fields.u64()?.checked_sub(1) }),
        KIND_PURGED => {
            let (change, index) = (fields.u64()?, fields.u64()?);
            Some(Frame::Purged { change, index, log_id: content.get(17..)? })
        }
        KIND_META => {
            let (slot, change) = (fields.u8()?, fields.u64()?);
            Some(Frame::Meta { slot, change, value: content.get(10..)? })
        }
        _ => None,
    }
}
