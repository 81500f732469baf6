//! The bytes of a snapshot file: header, blocks, trailer. See docs/formats.md.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::error::{Damage, Place, StorageError};
use super::limits::{SNAPSHOT_BLOCK_BYTES_MAX, SNAPSHOT_META_BYTES_MAX};
use super::sealed::{Fields, put_string};

const MAGIC: [u8; 8] = *b"SKSNAP\r\n";
const VERSION: u32 = 1;
/// Magic, version, length of the body, checksum.
const HEAD_BYTES: usize = 20;
/// Zero in the place of a block's length, then blocks, payload bytes, checksum of the file so far.
pub(super) const TRAILER_BYTES: usize = 24;

/// What a snapshot says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SnapshotHeader {
    /// The index of the last log entry it includes.
    pub last_index: u64,
    /// How many records its blocks hold, as counted by the machine.
    pub records: u64,
    /// The snapshot's log id and membership as the raft module encodes them; opaque here.
    pub meta: Vec<u8>,
}

impl SnapshotHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(20 + self.meta.len());
        body.extend_from_slice(&self.last_index.to_le_bytes());
        body.extend_from_slice(&self.records.to_le_bytes());
        put_string(&mut body, &self.meta);
        let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes), &body);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }

    fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(body);
        let (last_index, records) = (fields.u64()?, fields.u64()?);
        let meta = fields.string()?.to_vec();
        fields.is_empty().then_some(Self { last_index, records, meta })
    }
}

/// The head of a block: its length and a checksum over its number and content.
pub(super) fn block_head(number: u64, block: &[u8]) -> [u8; 8] {
    let mut head = [0; 8];
    head[..4].copy_from_slice(&(block.len() as u32).to_le_bytes());
    head[4..].copy_from_slice(&block_crc(number, block).to_le_bytes());
    head
}

fn block_crc(number: u64, block: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&number.to_le_bytes()), block)
}

/// The trailer of a file with so many blocks, whose bytes so far have the given checksum.
pub(super) fn trailer(blocks: u64, payload_bytes: u64, crc: u32) -> [u8; TRAILER_BYTES] {
    let mut bytes = [0; TRAILER_BYTES];
    bytes[4..12].copy_from_slice(&blocks.to_le_bytes());
    bytes[12..20].copy_from_slice(&payload_bytes.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &bytes[..20]);
    bytes[20..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Reads a snapshot block by block and checks every byte on the way. The last item is an error if
/// the trailer or the whole-file checksum does not fit, so a caller that has seen the end without
/// an error has seen exactly what was written.
#[derive(Debug)]
pub struct SnapshotReader {
    path: PathBuf,
    file: BufReader<File>,
    header: SnapshotHeader,
    crc: u32,
    offset: u64,
    blocks: u64,
    payload_bytes: u64,
    /// The checksum of the whole file by which it is known, if it is known.
    expected: Option<u32>,
    done: bool,
}

impl SnapshotReader {
    /// Opens a file and reads its header.
    pub(super) fn open(path: &Path, expected: Option<u32>) -> Result<Self, StorageError> {
        let file = File::open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                StorageError::damaged(path, Place::File, Damage::Missing)
            }
            _ => StorageError::io("open", path)(error),
        })?;
        let mut reader = Self {
            path: path.to_owned(),
            file: BufReader::with_capacity(64 * 1024, file),
            header: SnapshotHeader::default(),
            crc: 0,
            offset: 0,
            blocks: 0,
            payload_bytes: 0,
            expected,
            done: false,
        };
        reader.read_header()?;
        Ok(reader)
    }

    /// The header.
    pub fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// The checksum of everything read so far; of the whole file at its end.
    pub(super) fn checksum(&self) -> u32 {
        self.crc
    }

    /// The bytes read so far; the file's length at its end.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    fn read_header(&mut self) -> Result<(), StorageError> {
        let head: [u8; HEAD_BYTES] = self.array()?;
        let mut fields = Fields::new(&head);
        if fields.take::<8>() != Some(MAGIC) {
            return Err(self.damaged(Place::Offset(0), Damage::Magic));
        }
        let (version, length, stored) =
            (fields.u32().unwrap_or(0), fields.u32().unwrap_or(0), fields.u32().unwrap_or(0));
        if length > SNAPSHOT_META_BYTES_MAX + 20 {
            return Err(self.damaged(Place::Offset(12), Damage::Length(length.into())));
        }
        let body = self.exactly(length as usize)?;
        let calculated = crc32c::crc32c_append(crc32c::crc32c(&head[..HEAD_BYTES - 4]), &body);
        if calculated != stored {
            let damage = Damage::Checksum { stored, calculated };
            return Err(self.damaged(Place::Record("header"), damage));
        }
        if version > VERSION {
            let (found, supported) = (version, VERSION);
            return Err(StorageError::NewerFormat { path: self.path.clone(), found, supported });
        }
        self.header = SnapshotHeader::decode(&body)
            .ok_or_else(|| self.damaged(Place::Record("header"), Damage::Undecodable))?;
        Ok(())
    }

    fn next_block(&mut self) -> Result<Option<Bytes>, StorageError> {
        let before = self.crc;
        let number = self.blocks;
        let length = u32::from_le_bytes(self.array()?);
        if length == 0 {
            return self.read_trailer(before).map(|()| None);
        }
        if length > SNAPSHOT_BLOCK_BYTES_MAX {
            return Err(self.damaged(Place::Block(number), Damage::Length(length.into())));
        }
        let stored = u32::from_le_bytes(self.array()?);
        let block = self.exactly(length as usize)?;
        let calculated = block_crc(number, &block);
        if calculated != stored {
            let damage = Damage::Checksum { stored, calculated };
            return Err(self.damaged(Place::Block(number), damage));
        }
        self.blocks += 1;
        self.payload_bytes += u64::from(length);
        Ok(Some(Bytes::from(block)))
    }

    fn read_trailer(&mut self, before: u32) -> Result<(), StorageError> {
        let rest: [u8; TRAILER_BYTES - 4] = self.array()?;
        let expected = trailer(self.blocks, self.payload_bytes, before);
        if rest != expected[4..] {
            return Err(self.damaged(Place::Record("trailer"), Damage::OtherContent));
        }
        let mut byte = [0];
        match self.file.read(&mut byte) {
            Ok(0) => {}
            Ok(_) => return Err(self.damaged(Place::Offset(self.offset), Damage::TrailingBytes)),
            Err(error) => return Err(StorageError::io("read", &self.path)(error)),
        }
        match self.expected {
            Some(expected) if expected != self.crc => {
                let damage = Damage::Checksum { stored: expected, calculated: self.crc };
                Err(self.damaged(Place::File, damage))
            }
            _ => Ok(()),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StorageError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>, StorageError> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), StorageError> {
        self.file.read_exact(bytes).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                self.damaged(Place::Offset(self.offset), Damage::Truncated)
            }
            _ => StorageError::io("read", &self.path)(error),
        })?;
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn damaged(&self, place: Place, damage: Damage) -> StorageError {
        StorageError::damaged(&self.path, place, damage)
    }
}

impl Iterator for SnapshotReader {
    type Item = Result<Bytes, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.next_block().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}
