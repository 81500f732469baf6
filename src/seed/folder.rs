//! A seed directory over any files: seeds under openLooKeng's lock, and the marker.

use super::file::{self, Seed};
use super::files::SeedFiles;
use super::lock::{self, FolderLock, LockInfo};
use super::{SeedChange, SeedDirectory, SeedError, SeedFuture};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// The marker's name; the dot keeps it away from openLooKeng's own files.
pub const MARKER: &str = ".statekeeper-cluster";
const SEEDS: &str = "seeds.txt";
/// openLooKeng writes in place: a short file is whole again after this.
const SECOND_LOOK: Duration = Duration::from_millis(200);
/// Longer than a lock left behind lives, several times over.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);
const FILE_BYTES_MAX: usize = 1 << 20;

/// The folder `<seed-dir>/<cluster>`, on whatever file system.
#[derive(Debug, Clone)]
pub struct SeedFolder {
    files: Arc<dyn SeedFiles>,
    patience: Duration,
    work: TaskTracker,
}

impl SeedFolder {
    pub(super) fn over(files: impl SeedFiles) -> Self {
        Self { files: Arc::new(files), patience: LOCK_PATIENCE, work: TaskTracker::new() }
    }

    /// Waits for the lock no longer than this.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The folder, as messages name it.
    pub fn path(&self) -> PathBuf {
        self.files.folder()
    }

    /// Works in a task of its own: whoever stops waiting leaves no lock behind.
    fn run<T, F>(&self, work: impl FnOnce(Self) -> F) -> SeedFuture<'_, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SeedError>> + Send + 'static,
    {
        let work = work(self.clone());
        Box::pin(async move {
            let stopped = || SeedError::Stopped { path: self.path() };
            self.work.spawn(work).await.unwrap_or_else(|_| Err(stopped()))
        })
    }

    /// A file, or the folder itself where it has no name.
    fn shown(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.path() } else { self.path().join(name) }
    }

    fn error(&self, name: &str) -> impl FnOnce(io::Error) -> SeedError + use<> {
        let path = self.shown(name);
        move |cause| SeedError::Io { path, cause }
    }

    async fn read_bounded(&self, name: &str) -> Result<Option<Vec<u8>>, SeedError> {
        let read = self.files.read(name, FILE_BYTES_MAX + 1).await;
        let text = read.map_err(self.error(name))?;
        if text.as_ref().is_some_and(|text| text.len() > FILE_BYTES_MAX) {
            let path = self.shown(name);
            return Err(SeedError::TooLarge { path, bytes_max: FILE_BYTES_MAX });
        }
        Ok(text)
    }

    async fn read_once(&self) -> Result<Vec<Seed>, SeedError> {
        let text = self.read_bounded(SEEDS).await?.unwrap_or_default();
        file::decode(&text).map_err(|cause| SeedError::Damaged { path: self.shown(SEEDS), cause })
    }

    async fn read_now(self) -> Result<Vec<Seed>, SeedError> {
        match self.read_once().await {
            Err(SeedError::Damaged { .. }) => {
                tokio::time::sleep(SECOND_LOOK).await;
                self.read_once().await
            }
            read => read,
        }
    }

    async fn update_now(self, change: SeedChange) -> Result<Vec<Seed>, SeedError> {
        let held = FolderLock::acquire(self.files.clone(), self.patience)
            .await
            .map_err(self.error(""))?
            .ok_or_else(|| SeedError::Locked { path: self.path() })?;
        let updated = self.update_held(change).await;
        held.release().await;
        updated
    }

    async fn update_held(self, change: SeedChange) -> Result<Vec<Seed>, SeedError> {
        let seeds = change(self.clone().read_now().await?);
        let text = file::encode(&seeds)
            .map_err(|cause| SeedError::Damaged { path: self.shown(SEEDS), cause })?;
        self.files.replace(SEEDS, &text).await.map_err(self.error(SEEDS))?;
        Ok(seeds)
    }
}

impl SeedDirectory for SeedFolder {
    fn read(&self) -> SeedFuture<'_, Vec<Seed>> {
        self.run(Self::read_now)
    }

    fn update(&self, change: SeedChange) -> SeedFuture<'_, Vec<Seed>> {
        self.run(|folder| folder.update_now(change))
    }

    fn create_marker(&self, text: Vec<u8>) -> SeedFuture<'_, bool> {
        self.run(|folder| async move {
            folder.files.create(MARKER, &text).await.map_err(folder.error(MARKER))
        })
    }

    fn read_marker(&self) -> SeedFuture<'_, Option<Vec<u8>>> {
        self.run(|folder| async move { folder.read_bounded(MARKER).await })
    }

    fn rewrite_marker(&self, text: Vec<u8>) -> SeedFuture<'_, ()> {
        self.run(|folder| async move {
            folder.files.replace(MARKER, &text).await.map_err(folder.error(MARKER))
        })
    }

    fn check_writable(&self) -> SeedFuture<'_, ()> {
        self.run(
            |folder| async move { folder.files.check_writable().await.map_err(folder.error("")) },
        )
    }

    fn lock_info(&self) -> SeedFuture<'_, LockInfo> {
        self.run(
            |folder| async move { lock::lock_info(&*folder.files).await.map_err(folder.error("")) },
        )
    }
}
