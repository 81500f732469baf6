//! Small files that are replaced whole: magic, version, length, checksum, body.
//!
//! A file is written under a temporary name, synced, renamed, and its directory synced, so that a
//! reader finds the old content or the new one. The checksum tells a flipped byte from both.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::error::{Damage, Place, StorageError};

/// The largest body; what is larger is damage, and is not read into memory.
const BODY_BYTES_MAX: u32 = 64 * 1024;
const HEAD_BYTES: usize = 20;

/// What a sealed file is: its opening bytes and the newest version this release writes and reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seal {
    /// The first eight bytes.
    pub(super) magic: [u8; 8],
    /// The version written.
    pub(super) version: u32,
}

impl Seal {
    /// Replaces the file by one with this body, durably.
    pub(super) fn replace(&self, path: &Path, body: &[u8]) -> Result<(), StorageError> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
        bytes.extend_from_slice(&self.magic);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        // The bodies are ours and bounded far below; a longer one would be refused when read.
        bytes.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes), body);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(body);
        let temporary = temporary_name(path);
        let mut file = File::create(&temporary).map_err(StorageError::io("create", &temporary))?;
        file.write_all(&bytes).map_err(StorageError::io("write", &temporary))?;
        file.sync_all().map_err(StorageError::io("sync", &temporary))?;
        fs::rename(&temporary, path).map_err(StorageError::io("rename", &temporary))?;
        sync_parent(path)
    }

    /// Reads the body, or `None` if there is no such file.
    pub(super) fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, StorageError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StorageError::io("open", path)(error)),
        };
        let mut bytes = Vec::new();
        file.take(u64::from(BODY_BYTES_MAX) + 1 + HEAD_BYTES as u64)
            .read_to_end(&mut bytes)
            .map_err(StorageError::io("read", path))?;
        self.open(path, &bytes).map(Some)
    }

    fn open(&self, path: &Path, bytes: &[u8]) -> Result<Vec<u8>, StorageError> {
        let damaged = |offset, damage| StorageError::damaged(path, Place::Offset(offset), damage);
        let Some((head, body)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
            return Err(damaged(bytes.len() as u64, Damage::Truncated));
        };
        let mut fields = Fields::new(head);
        if fields.take::<8>() != Some(self.magic) {
            return Err(damaged(0, Damage::Magic));
        }
        let (version, length, stored) =
            (fields.u32().unwrap_or(0), fields.u32().unwrap_or(0), fields.u32().unwrap_or(0));
        let calculated = crc32c::crc32c_append(crc32c::crc32c(&head[..HEAD_BYTES - 4]), body);
        if calculated != stored {
            return Err(damaged(16, Damage::Checksum { stored, calculated }));
        }
        if length as usize != body.len() || length > BODY_BYTES_MAX {
            return Err(damaged(12, Damage::Length(length.into())));
        }
        if version > self.version {
            let (found, supported) = (version, self.version);
            return Err(StorageError::NewerFormat { path: path.to_owned(), found, supported });
        }
        Ok(body.to_vec())
    }
}

/// Reads little-endian fields off a byte slice; `None` means that it has ended.
#[derive(Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    pub(super) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A byte string with its length before it.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.bytes(usize::try_from(length).ok()?)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Writes a byte string with its length before it.
pub(super) fn put_string(into: &mut Vec<u8>, bytes: &[u8]) {
    // Longer ones cannot be: every structure that uses this is bounded far below 4 GiB.
    into.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    into.extend_from_slice(bytes);
}

/// The name under which a file is written before it is renamed.
pub(super) fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), StorageError> {
    let directory = File::open(path).map_err(StorageError::io("open", path))?;
    directory.sync_all().map_err(StorageError::io("sync", path))
}

/// Makes a file's name durable.
pub(super) fn sync_parent(path: &Path) -> Result<(), StorageError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        _ => sync_directory(Path::new(".")),
    }
}
