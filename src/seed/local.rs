//! A seed directory on a file system this machine mounts.

use super::file::{self, Seed};
use super::lock::{self, FolderLock, LockInfo, absent_is_none};
use super::{SeedChange, SeedDirectory, SeedError, SeedFuture};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The marker's name; the dot keeps it away from openLooKeng's own files.
pub const MARKER: &str = ".statekeeper-cluster";
const SEEDS: &str = "seeds.txt";
/// openLooKeng writes in place: a short file is whole again after this.
const SECOND_LOOK: Duration = Duration::from_millis(200);
/// Longer than a lock left behind lives, several times over.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The folder `<seed-dir>/<cluster>`.
#[derive(Debug, Clone)]
pub struct LocalSeedDirectory {
    folder: PathBuf,
    patience: Duration,
}

impl LocalSeedDirectory {
    /// Creates the folder when it is absent.
    pub fn open(seed_dir: &Path, cluster_name: &str) -> Result<Self, SeedError> {
        let folder = seed_dir.join(cluster_name);
        fs::create_dir_all(&folder).map_err(|error| io_error(&folder, error))?;
        Ok(Self { folder, patience: LOCK_PATIENCE })
    }

    /// The folder as it is; `None` when it is absent and can be made.
    pub fn find(seed_dir: &Path, cluster_name: &str) -> Result<Option<Self>, SeedError> {
        let folder = seed_dir.join(cluster_name);
        match fs::metadata(&folder) {
            Ok(found) if found.is_dir() => Ok(Some(Self { folder, patience: LOCK_PATIENCE })),
            Ok(_) => Err(io_error(&folder, io::ErrorKind::NotADirectory.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let above = folder.ancestors().find(|above| above.exists());
                above.map_or(Ok(()), may_write).map(|()| None)
            }
            Err(error) => Err(io_error(&folder, error)),
        }
    }

    /// Waits for the lock no longer than this.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, SeedError> + Send + 'static,
    ) -> SeedFuture<'_, T> {
        let directory = self.clone();
        Box::pin(async move {
            let path = directory.folder.clone();
            let task = tokio::task::spawn_blocking(move || work(&directory));
            task.await.unwrap_or(Err(SeedError::Stopped { path }))
        })
    }

    fn read_now(&self) -> Result<Vec<Seed>, SeedError> {
        let path = self.folder.join(SEEDS);
        let once = || {
            file::decode(&read_bounded(&path)?.unwrap_or_default())
                .map_err(|source| SeedError::Damaged { path: path.clone(), source })
        };
        once().or_else(|error| match error {
            SeedError::Damaged { .. } => {
                std::thread::sleep(SECOND_LOOK);
                once()
            }
            other => Err(other),
        })
    }

    fn update_now(&self, change: SeedChange) -> Result<Vec<Seed>, SeedError> {
        let held = FolderLock::acquire(&self.folder, self.patience)
            .map_err(|error| io_error(&self.folder, error))?
            .ok_or_else(|| SeedError::Locked { path: self.folder.clone() })?;
        let seeds = change(self.read_now()?);
        let path = self.folder.join(SEEDS);
        let text = file::encode(&seeds)
            .map_err(|source| SeedError::Damaged { path: path.clone(), source })?;
        replace(&path, &text).map_err(|error| io_error(&path, error))?;
        drop(held);
        Ok(seeds)
    }
}

impl SeedDirectory for LocalSeedDirectory {
    fn read(&self) -> SeedFuture<'_, Vec<Seed>> {
        self.run(Self::read_now)
    }

    fn update(&self, change: SeedChange) -> SeedFuture<'_, Vec<Seed>> {
        self.run(|directory| directory.update_now(change))
    }

    fn create_marker(&self, text: Vec<u8>) -> SeedFuture<'_, bool> {
        self.run(move |directory| {
            let path = directory.folder.join(MARKER);
            create_whole(&path, &text).map_err(|error| io_error(&path, error))
        })
    }

    fn read_marker(&self) -> SeedFuture<'_, Option<Vec<u8>>> {
        self.run(|directory| read_bounded(&directory.folder.join(MARKER)))
    }

    fn rewrite_marker(&self, text: Vec<u8>) -> SeedFuture<'_, ()> {
        self.run(move |directory| {
            let path = directory.folder.join(MARKER);
            replace(&path, &text).map_err(|error| io_error(&path, error))
        })
    }

    fn lock_info(&self) -> SeedFuture<'_, LockInfo> {
        self.run(|directory| {
            lock::lock_info(&directory.folder).map_err(|error| io_error(&directory.folder, error))
        })
    }

    fn check_writable(&self) -> SeedFuture<'_, ()> {
        self.run(|directory| may_write(&directory.folder))
    }
}

/// Whether this user may make files in a folder.
fn may_write(folder: &Path) -> Result<(), SeedError> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    let access = Access::WRITE_OK | Access::EXEC_OK;
    accessat(CWD, folder, access, AtFlags::EACCESS).map_err(|error| io_error(folder, error.into()))
}

fn io_error(path: &Path, source: io::Error) -> SeedError {
    SeedError::Io { path: path.to_owned(), source }
}

fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, SeedError> {
    let opened = absent_is_none(fs::File::open(path)).map_err(|error| io_error(path, error))?;
    let Some(file) = opened else { return Ok(None) };
    let mut text = Vec::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text);
    read.map_err(|error| io_error(path, error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(SeedError::TooLarge { path: path.to_owned(), bytes_max: FILE_BYTES_MAX });
    }
    Ok(Some(text))
}

/// Writes a synced file of a name nobody else uses, beside the one it is to become.
fn write_beside(path: &Path, text: &[u8]) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.tmp", uuid::Uuid::new_v4()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&beside)?;
    let written = file
        // The mode of `open` is cut by the umask; clients read the file as another user.
        .set_permissions(Permissions::from_mode(0o644))
        .and_then(|()| file.write_all(text))
        .and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(fs::remove_file(&beside)))?;
    Ok(beside)
}

/// Replaces a file by rename, so that no reader sees half of it; mode and owner stay.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let beside = write_beside(path, text)?;
    let kept = || -> io::Result<()> {
        if let Some(old) = absent_is_none(fs::metadata(path))? {
            let new = fs::metadata(&beside)?;
            if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                chown(&beside, Some(old.uid()), Some(old.gid()))?;
            }
            fs::set_permissions(&beside, Permissions::from_mode(old.mode() & 0o7777))?;
        }
        fs::rename(&beside, path)
    };
    kept().inspect_err(|_| drop(fs::remove_file(&beside)))
}

/// Creates a file with its whole text or not at all, unless it is there.
fn create_whole(path: &Path, text: &[u8]) -> io::Result<bool> {
    let beside = write_beside(path, text)?;
    // A link fails when the name is taken, and never shows half a text.
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use std::time::{Instant, SystemTime};

    fn seed(location: &str) -> Seed {
        Seed { location: location.to_owned(), timestamp_ms: 1 }
    }

    fn add(location: &str) -> SeedChange {
        let seed = seed(location);
        Box::new(move |mut seeds| {
            seeds.push(seed);
            seeds
        })
    }

    #[tokio::test]
    async fn contending_writers_lose_no_seed_and_leave_no_lock() {
        let temp = tempfile::tempdir().unwrap();
        let directory = LocalSeedDirectory::open(temp.path(), "c").unwrap();
        let all = (0..4).map(|n| directory.update(add(&format!("10.0.0.{n}:5701"))));
        for result in futures::future::join_all(all).await {
            result.unwrap();
        }
        assert_eq!(directory.read().await.unwrap().len(), 4);
        let info = directory.lock_info().await.unwrap();
        assert_eq!(info, LockInfo { holder: None, age: None });
    }

    #[tokio::test]
    async fn a_stale_lock_is_taken_over_and_a_fresh_one_respected() {
        let temp = tempfile::tempdir().unwrap();
        let directory = LocalSeedDirectory::open(temp.path(), "c").unwrap();
        let directory = directory.with_patience(Duration::from_millis(300));
        for name in [".lockFile", ".lockInfo"] {
            fs::write(directory.folder().join(name), "someone else").unwrap();
        }
        let refused = directory.update(add("a:1")).await;
        assert!(matches!(refused, Err(SeedError::Locked { .. })), "{refused:?}");
        let old = SystemTime::now() - Duration::from_secs(6);
        for name in [".lockFile", ".lockInfo"] {
            let file = OpenOptions::new().write(true).open(directory.folder().join(name)).unwrap();
            file.set_modified(old).unwrap();
        }
        let start = Instant::now();
        directory.update(add("a:1")).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(2));
    }

    #[tokio::test]
    async fn mode_is_kept_and_new_files_are_readable_by_all() {
        let temp = tempfile::tempdir().unwrap();
        let directory = LocalSeedDirectory::open(temp.path(), "c").unwrap();
        directory.update(add("a:1")).await.unwrap();
        let path = directory.folder().join(SEEDS);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
        fs::set_permissions(&path, Permissions::from_mode(0o664)).unwrap();
        directory.update(add("b:1")).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o664);
    }

    #[tokio::test]
    async fn garbage_is_named_with_its_file_and_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let directory = LocalSeedDirectory::open(temp.path(), "c").unwrap();
        let path = directory.folder().join(SEEDS);
        fs::write(&path, "rO0ABX").unwrap();
        let error = directory.update(add("a:1")).await.unwrap_err();
        assert!(error.to_string().contains("seeds.txt"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"rO0ABX");
    }

    #[test]
    fn whoever_only_looks_makes_no_folder() {
        let temp = tempfile::tempdir().unwrap();
        assert!(LocalSeedDirectory::find(temp.path(), "c").unwrap().is_none());
        assert!(!temp.path().join("c").exists());
        LocalSeedDirectory::open(temp.path(), "c").unwrap();
        assert!(LocalSeedDirectory::find(temp.path(), "c").unwrap().is_some());
        fs::write(temp.path().join("d"), "a file").unwrap();
        assert!(LocalSeedDirectory::find(temp.path(), "d").is_err());
    }

    #[tokio::test]
    async fn only_one_marker_is_created() {
        let temp = tempfile::tempdir().unwrap();
        let directory = LocalSeedDirectory::open(temp.path(), "c").unwrap();
        assert_eq!(directory.read_marker().await.unwrap(), None);
        assert!(directory.create_marker(b"one".to_vec()).await.unwrap());
        assert!(!directory.create_marker(b"two".to_vec()).await.unwrap());
        assert_eq!(directory.read_marker().await.unwrap().unwrap(), b"one");
        directory.rewrite_marker(b"three".to_vec()).await.unwrap();
        assert_eq!(directory.read_marker().await.unwrap().unwrap(), b"three");
    }
}
