//! The files of a seed directory on a file system that this machine mounts.

use super::SeedError;
use super::files::{FileFuture, SeedFiles, absent_is_none, beside};
use super::folder::SeedFolder;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Opens the folder of a cluster in a mounted seed directory; creates it when it is absent.
pub fn open(seed_dir: &Path, cluster_name: &str) -> Result<SeedFolder, SeedError> {
    let folder = seed_dir.join(cluster_name);
    fs::create_dir_all(&folder).map_err(|cause| SeedError::Io { path: folder.clone(), cause })?;
    Ok(SeedFolder::over(LocalFiles { folder }))
}

/// The folder as it is; `None` when it is absent and can be made.
pub fn find(seed_dir: &Path, cluster_name: &str) -> Result<Option<SeedFolder>, SeedError> {
    let folder = seed_dir.join(cluster_name);
    let refused = |path: &Path, cause| SeedError::Io { path: path.to_owned(), cause };
    match fs::metadata(&folder) {
        Ok(found) if found.is_dir() => Ok(Some(SeedFolder::over(LocalFiles { folder }))),
        Ok(_) => Err(refused(&folder, io::ErrorKind::NotADirectory.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = folder.ancestors().find(|above| above.exists());
            above
                .map_or(Ok(()), |above| may_write(above).map_err(|error| refused(above, error)))?;
            Ok(None)
        }
        Err(error) => Err(refused(&folder, error)),
    }
}

/// The files of one folder. Each call is one hop to a thread that may block.
#[derive(Debug)]
struct LocalFiles {
    folder: PathBuf,
}

impl LocalFiles {
    fn run<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> FileFuture<'_, T> {
        let path = self.folder.join(name);
        Box::pin(async move {
            let task = tokio::task::spawn_blocking(move || work(&path));
            task.await.unwrap_or_else(|error| Err(io::Error::other(error)))
        })
    }
}

/// Whether this user may make files in a folder.
fn may_write(folder: &Path) -> io::Result<()> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    let access = Access::WRITE_OK | Access::EXEC_OK;
    Ok(accessat(CWD, folder, access, AtFlags::EACCESS)?)
}

impl SeedFiles for LocalFiles {
    fn folder(&self) -> PathBuf {
        self.folder.clone()
    }

    fn read(&self, name: &str, bytes_max: usize) -> FileFuture<'_, Option<Vec<u8>>> {
        self.run(name, move |path| {
            let Some(file) = absent_is_none(File::open(path))? else { return Ok(None) };
            let mut text = Vec::new();
            file.take(bytes_max as u64).read_to_end(&mut text)?;
            Ok(Some(text))
        })
    }

    fn write(&self, name: &str, text: &[u8]) -> FileFuture<'_, ()> {
        let text = text.to_vec();
        self.run(name, move |path| fs::write(path, text))
    }

    fn create(&self, name: &str, text: &[u8]) -> FileFuture<'_, bool> {
        let text = text.to_vec();
        self.run(name, move |path| create_whole(path, &text))
    }

    fn replace(&self, name: &str, text: &[u8]) -> FileFuture<'_, ()> {
        let text = text.to_vec();
        self.run(name, move |path| replace(path, &text))
    }

    fn remove(&self, name: &str) -> FileFuture<'_, ()> {
        self.run(name, |path| absent_is_none(fs::remove_file(path)).map(|_| ()))
    }

    fn check_writable(&self) -> FileFuture<'_, ()> {
        self.run("", may_write)
    }

    fn modified(&self, name: &str) -> FileFuture<'_, Option<SystemTime>> {
        self.run(name, |path| {
            absent_is_none(fs::metadata(path).and_then(|metadata| metadata.modified()))
        })
    }
}

/// Writes a synced file of a name nobody else uses, beside the one it is to become.
fn write_beside(path: &Path, text: &[u8]) -> io::Result<PathBuf> {
    let beside =
        path.with_file_name(beside(&path.file_name().unwrap_or_default().to_string_lossy()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&beside)?;
    let written = file
        // The mode of `open` is cut by the umask; clients read the file as another user.
        .set_permissions(Permissions::from_mode(0o644))
        .and_then(|()| file.write_all(text))
        .and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(fs::remove_file(&beside)))?;
    Ok(beside)
}

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

    #[test]
    fn whoever_only_looks_makes_no_folder() {
        let temp = tempfile::tempdir().unwrap();
        assert!(find(temp.path(), "c").unwrap().is_none());
        assert!(!temp.path().join("c").exists());
        open(temp.path(), "c").unwrap();
        assert!(find(temp.path(), "c").unwrap().is_some());
        fs::write(temp.path().join("d"), "a file").unwrap();
        assert!(find(temp.path(), "d").is_err());
    }
}
