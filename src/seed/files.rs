//! The files of one folder, wherever it is kept: all that a seed directory asks of a file system.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::SystemTime;

/// What a call gives: boxed, so that lock and seeds need not know the file system.
pub(crate) type FileFuture<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// The files of one folder. Names are those of files in it; an absent file is no error.
pub(crate) trait SeedFiles: fmt::Debug + Send + Sync + 'static {
    /// The folder as messages name it.
    fn folder(&self) -> PathBuf;
    /// The first bytes of a file, no more than so many.
    fn read(&self, name: &str, bytes_max: usize) -> FileFuture<'_, Option<Vec<u8>>>;
    /// Writes a file in place: others may see it empty or short.
    fn write(&self, name: &str, text: &[u8]) -> FileFuture<'_, ()>;
    /// Creates a file with its whole text or not at all; `false` when the name is taken.
    fn create(&self, name: &str, text: &[u8]) -> FileFuture<'_, bool>;
    /// Replaces a file in one step, so that no reader sees half of it; mode and owner stay.
    fn replace(&self, name: &str, text: &[u8]) -> FileFuture<'_, ()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> FileFuture<'_, ()>;
    /// Whether this user may write here, as far as that can be told without writing.
    fn check_writable(&self) -> FileFuture<'_, ()>;
    /// When a file was last written, by the file system's own clock.
    fn modified(&self, name: &str) -> FileFuture<'_, Option<SystemTime>>;
}

/// The name of a file that nobody else uses, which is to become `name`.
pub(crate) fn beside(name: &str) -> String {
    format!(".{}.{}.tmp", name.trim_start_matches('.'), uuid::Uuid::new_v4())
}

/// Takes an absent file for none.
pub(crate) fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
