//! openLooKeng's own lock on a folder: two files, judged by age. It keeps writers of `seeds.txt`
//! apart and is advisory only: no safety of the cluster rests on it.

use super::files::SeedFiles;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// Untouched for so long, a lock file counts as left behind.
pub const EXPIRY: Duration = Duration::from_millis(5000);
/// How often the holder rewrites its lock file.
const REFRESH: Duration = Duration::from_millis(2500);
/// The pause between tries; the random part keeps nodes from trying in step.
const RETRY_MS: std::ops::Range<u64> = 100..200;

const LOCK_FILE: &str = ".lockFile";
const LOCK_INFO: &str = ".lockInfo";
/// A holder's text is a UUID.
const LOCK_INFO_BYTES_MAX: usize = 64;

/// What the two files say now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockInfo {
    /// Text of `.lockInfo`, when it is there.
    pub holder: Option<String>,
    /// Age of `.lockFile` by the file system's clock, when it is there.
    pub age: Option<Duration>,
}

/// The lock while it is held. Dropped without a release it is left behind, and expires.
#[derive(Debug)]
pub(crate) struct FolderLock {
    files: Arc<dyn SeedFiles>,
    stop: CancellationToken,
    refresher: JoinSet<()>,
}

impl FolderLock {
    /// Tries until the lock is won or the patience is over (`Ok(None)`).
    pub(crate) async fn acquire(
        files: Arc<dyn SeedFiles>,
        patience: Duration,
    ) -> io::Result<Option<Self>> {
        let id = uuid::Uuid::new_v4().to_string();
        let deadline = Instant::now() + patience;
        while !try_win(&*files, &id).await? {
            let pause = Duration::from_millis(rand::random_range(RETRY_MS));
            if Instant::now() + pause > deadline {
                return Ok(None);
            }
            sleep(pause).await;
        }
        touch(&*files).await?;
        let stop = CancellationToken::new();
        let mut refresher = JoinSet::new();
        refresher.spawn(refresh(files.clone(), stop.clone()));
        Ok(Some(Self { files, stop, refresher }))
    }

    /// Gives the lock back.
    pub(crate) async fn release(mut self) {
        self.stop.cancel();
        // The refresher must have ended, else it would write the file again.
        let _ = self.refresher.join_next().await;
        for name in [LOCK_FILE, LOCK_INFO] {
            if let Err(error) = self.files.remove(name).await {
                let folder = self.files.folder();
                tracing::warn!(folder = %folder.display(), %error, "seed lock not removed");
            }
        }
    }
}

async fn refresh(files: Arc<dyn SeedFiles>, stop: CancellationToken) {
    while stop.run_until_cancelled(sleep(REFRESH)).await.is_some() {
        if let Err(error) = touch(&*files).await {
            let folder = files.folder();
            tracing::warn!(folder = %folder.display(), %error, "seed lock not refreshed");
        }
    }
}

/// Reads who holds the lock of a folder.
pub(crate) async fn lock_info(files: &dyn SeedFiles) -> io::Result<LockInfo> {
    let holder = files.read(LOCK_INFO, LOCK_INFO_BYTES_MAX).await?;
    let holder = holder.map(|text| String::from_utf8_lossy(&text).into_owned());
    let age = match files.modified(LOCK_FILE).await? {
        Some(at) => {
            let id = uuid::Uuid::new_v4().to_string();
            Some(clock(files, &id).await?.duration_since(at).unwrap_or_default())
        }
        None => None,
    };
    Ok(LockInfo { holder, age })
}

async fn try_win(files: &dyn SeedFiles, id: &str) -> io::Result<bool> {
    if let Some(written) = files.modified(LOCK_FILE).await? {
        if !expired(files, id, written).await? {
            return Ok(false);
        }
        files.remove(LOCK_FILE).await?;
    }
    if let Some(written) = files.modified(LOCK_INFO).await? {
        if !expired(files, id, written).await? {
            let text = files.read(LOCK_INFO, LOCK_INFO_BYTES_MAX).await?.unwrap_or_default();
            return Ok(text.starts_with(id.as_bytes()));
        }
        files.remove(LOCK_INFO).await?;
    }
    files.create(LOCK_INFO, id.as_bytes()).await
}

async fn expired(files: &dyn SeedFiles, id: &str, written: SystemTime) -> io::Result<bool> {
    // A time in the future is not old: another machine's clock never decides here.
    Ok(clock(files, id).await?.duration_since(written).is_ok_and(|age| age >= EXPIRY))
}

/// The time as the file system that holds the folder sees it.
async fn clock(files: &dyn SeedFiles, id: &str) -> io::Result<SystemTime> {
    let name = format!("{LOCK_FILE}.{id}.tmp");
    files.write(&name, b"checkTime").await?;
    let now = files.modified(&name).await;
    files.remove(&name).await?;
    now?.ok_or_else(|| io::Error::other(format!("{name} vanished; another program removes files")))
}

async fn touch(files: &dyn SeedFiles) -> io::Result<()> {
    files.write(LOCK_FILE, b"update").await
}
