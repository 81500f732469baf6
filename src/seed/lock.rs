//! openLooKeng's own lock on a folder: two files, judged by age. It keeps writers of `seeds.txt`
//! apart and is advisory only: no safety of the cluster rests on it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// Untouched for so long, a lock file counts as left behind.
pub const EXPIRY: Duration = Duration::from_millis(5000);
/// How often the holder rewrites its lock file.
const REFRESH: Duration = Duration::from_millis(2500);
/// The pause between tries; the random part keeps nodes from trying in step.
const RETRY_MS: std::ops::Range<u64> = 100..200;

const LOCK_FILE: &str = ".lockFile";
const LOCK_INFO: &str = ".lockInfo";

/// What the two files say now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockInfo {
    /// Text of `.lockInfo`, when it is there.
    pub holder: Option<String>,
    /// Age of `.lockFile` by the file system's clock, when it is there.
    pub age: Option<Duration>,
}

/// The lock while it is held; dropping it unlocks.
#[derive(Debug)]
pub(crate) struct FolderLock {
    folder: PathBuf,
    refresher: Option<(SyncSender<()>, JoinHandle<()>)>,
}

impl FolderLock {
    /// Tries until the lock is won or the patience is over (`Ok(None)`). Blocks.
    pub(crate) fn acquire(folder: &Path, patience: Duration) -> io::Result<Option<Self>> {
        let id = uuid::Uuid::new_v4().to_string();
        let deadline = Instant::now() + patience;
        while !try_win(folder, &id)? {
            let pause = Duration::from_millis(rand::random_range(RETRY_MS));
            if Instant::now() + pause > deadline {
                return Ok(None);
            }
            std::thread::sleep(pause);
        }
        touch(folder)?;
        // Nothing is ever sent: the end of the sender is the sign.
        let (stop, stopped) = sync_channel::<()>(0);
        let path = folder.to_owned();
        let refresher = std::thread::Builder::new().name("seed-lock".into()).spawn(move || {
            while stopped.recv_timeout(REFRESH) == Err(RecvTimeoutError::Timeout) {
                if let Err(error) = touch(&path) {
                    tracing::warn!(folder = %path.display(), %error, "seed lock not refreshed");
                }
            }
        })?;
        Ok(Some(Self { folder: folder.to_owned(), refresher: Some((stop, refresher)) }))
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        if let Some((stop, refresher)) = self.refresher.take() {
            drop(stop);
            // The refresher must have ended, else it would write the file again.
            let _ = refresher.join();
        }
        for name in [LOCK_FILE, LOCK_INFO] {
            if let Err(error) = remove(&self.folder.join(name)) {
                tracing::warn!(folder = %self.folder.display(), %error, "seed lock not removed");
            }
        }
    }
}

/// Reads who holds the lock of a folder.
pub(crate) fn lock_info(folder: &Path) -> io::Result<LockInfo> {
    let holder = absent_is_none(fs::read(folder.join(LOCK_INFO)))?
        .map(|text| String::from_utf8_lossy(&text[..text.len().min(64)]).into_owned());
    let age = match modified(&folder.join(LOCK_FILE))? {
        Some(at) => Some(clock(folder, "info")?.duration_since(at).unwrap_or_default()),
        None => None,
    };
    Ok(LockInfo { holder, age })
}

fn try_win(folder: &Path, id: &str) -> io::Result<bool> {
    let lock_file = folder.join(LOCK_FILE);
    let lock_info = folder.join(LOCK_INFO);
    if let Some(written) = modified(&lock_file)? {
        if !expired(folder, id, written)? {
            return Ok(false);
        }
        remove(&lock_file)?;
    }
    if let Some(written) = modified(&lock_info)? {
        if !expired(folder, id, written)? {
            let text = absent_is_none(fs::read(&lock_info))?.unwrap_or_default();
            return Ok(text.starts_with(id.as_bytes()));
        }
        remove(&lock_info)?;
    }
    match OpenOptions::new().write(true).create_new(true).open(&lock_info) {
        Ok(mut file) => file.write_all(id.as_bytes()).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn expired(folder: &Path, id: &str, written: SystemTime) -> io::Result<bool> {
    // A time in the future is not old: another machine's clock never decides here.
    Ok(clock(folder, id)?.duration_since(written).is_ok_and(|age| age >= EXPIRY))
}

/// The time as the file system that holds the folder sees it.
fn clock(folder: &Path, id: &str) -> io::Result<SystemTime> {
    let path = folder.join(format!("{LOCK_FILE}.{id}.tmp"));
    let mut file = File::create(&path)?;
    let now = file.write_all(b"checkTime").and_then(|()| fs::metadata(&path)?.modified());
    remove(&path)?;
    now
}

fn touch(folder: &Path) -> io::Result<()> {
    fs::write(folder.join(LOCK_FILE), b"update")
}

fn modified(path: &Path) -> io::Result<Option<SystemTime>> {
    absent_is_none(fs::metadata(path).and_then(|metadata| metadata.modified()))
}

fn remove(path: &Path) -> io::Result<()> {
    absent_is_none(fs::remove_file(path)).map(|_| ())
}

pub(super) fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
