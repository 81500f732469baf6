//! Small files of this module in the data directory: a CRC32C, then a postcard encoding; replaced
//! by rename. A file that does not check counts as absent: nothing here is needed for safety.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::RaftError;

const CRC_BYTES: usize = 4;

/// Reads a file; `None` when there is none that checks.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let bytes = fs::read(path).ok()?;
    let (crc, body) = bytes.split_first_chunk::<CRC_BYTES>()?;
    if u32::from_le_bytes(*crc) != crc32c::crc32c(body) {
        return None;
    }
    postcard::from_bytes(body).ok()
}

/// Replaces a file. Durable on return. Blocks.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), RaftError> {
    let failed = |action, path: &Path| {
        let path = path.display().to_string();
        move |source| RaftError::File { action, path, source: Arc::new(source) }
    };
    let body = postcard::to_stdvec(value)
        .map_err(std::io::Error::other)
        .map_err(failed("encode", path))?;
    let new = PathBuf::from(format!("{}.new", path.display()));
    let mut file = File::create(&new).map_err(failed("create", &new))?;
    file.write_all(&crc32c::crc32c(&body).to_le_bytes()).map_err(failed("write", &new))?;
    file.write_all(&body).map_err(failed("write", &new))?;
    file.sync_all().map_err(failed("sync", &new))?;
    fs::rename(&new, path).map_err(failed("rename", &new))?;
    let directory = path.parent().unwrap_or(path);
    let directory_file = File::open(directory).map_err(failed("open", directory))?;
    directory_file.sync_all().map_err(failed("sync", directory))
}
