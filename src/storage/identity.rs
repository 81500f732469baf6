//! The data directory and who lives in it.
//!
//! One process uses a directory (lock file), one node owns it for ever (identity file). A directory
//! that names a cluster only goes back to that cluster, and it promises one founding at a time;
//! both are on disk before anybody is told. The start count makes the origins of this start differ
//! from those of every earlier one, so it is raised and durable before the directory is used.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

use super::error::{Damage, Place, StorageError};
use super::file_log::FileLog;
use super::log_store::LogStore;
use super::sealed::{Fields, Seal, sync_directory, sync_parent};
use super::sled_log::SledLog;
use super::snapshot_store::SnapshotStore;
use super::stats::StorageStats;

const SEAL: Seal = Seal { magic: *b"SKIDENT\n", version: 1 };
const HAS_CLUSTER: u8 = 1;
const HAS_PROMISE: u8 = 2;
const HAS_LOG: u8 = 4;

/// Who lives in a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The Raft node id; never reused by a directory that was emptied.
    pub node_id: u64,
    /// The uuid that clients see for this member.
    pub member_uuid: Uuid,
    /// The cluster it belongs to, once it does.
    pub cluster_id: Option<Uuid>,
    /// The founding it has promised to take part in, if any.
    pub promise: Option<FoundingPromise>,
    /// How often the directory was opened, this time included.
    pub start_count: u64,
    /// Whether a log was ever made here. One that has vanished is then an error.
    has_log: bool,
}

/// A promise to one founder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundingPromise {
    /// The node id of the founder.
    pub founder: u64,
    /// The cluster id that it has drawn.
    pub cluster_id: Uuid,
}

/// A data directory in use by this process. Dropping it frees the lock.
pub struct DataDir {
    path: PathBuf,
    identity: Mutex<Identity>,
    /// Held for its lock.
    _lock: File,
}

impl fmt::Debug for DataDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataDir").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A data directory as whoever only looks finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDirLook {
    /// Who lives there; `None`: nobody yet.
    pub identity: Option<Identity>,
    /// Whether a process uses it now.
    pub in_use: bool,
    /// That process, where the system tells.
    pub used_by: Option<u32>,
}

impl DataDir {
    /// Looks at a directory without using it or making anything; `None` when it is absent and can
    /// be made. Blocks.
    pub fn look(path: &Path) -> Result<Option<DataDirLook>, StorageError> {
        if !path.exists() {
            let above = path.ancestors().find(|above| above.is_dir());
            // A relative path of one name lies in the folder of this process.
            let above = above.unwrap_or(Path::new("."));
            return may_write(above).map(|()| None);
        }
        may_write(path)?;
        let lock = path.join("lock");
        let in_use = is_locked(&lock)?;
        let used_by = if in_use { lock_holder(&lock) } else { None };
        let identity = read(&path.join("identity"))?;
        Ok(Some(DataDirLook { identity, in_use, used_by }))
    }

    /// Opens the directory, or creates it (mode 0700). A node id that is configured must be the one
    /// on disk; a new directory takes the configured one or else draws a random one. The start
    /// count is raised and durable on return. Blocks.
    pub fn open(path: &Path, configured: Option<u64>) -> Result<Self, StorageError> {
        create_private(path)?;
        let lock = take_lock(&path.join("lock"))?;
        let file = path.join("identity");
        let mut identity = match read(&file)? {
            Some(identity) => identity,
            None => new_identity(path, &file, configured)?,
        };
        if let Some(configured) = configured
            && configured != identity.node_id
        {
            let found = identity.node_id;
            return Err(StorageError::OtherNode { path: file, found, configured });
        }
        identity.start_count += 1;
        write(&file, &identity)?;
        sync_parent(path)?;
        Ok(Self { path: path.to_owned(), identity: Mutex::new(identity), _lock: lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the log lies.
    pub fn log_path(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Where the snapshots lie.
    pub fn snapshot_path(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    /// The identity as it is now.
    pub fn identity(&self) -> Identity {
        self.identity.lock().clone()
    }

    /// How often the directory was opened, this time included.
    pub fn start_count(&self) -> u64 {
        self.identity.lock().start_count
    }

    /// Makes this node a member of the cluster, for ever; a promise is thereby kept. Durable on
    /// return. Another cluster than the one on disk is an error.
    pub fn set_cluster(&self, cluster_id: Uuid) -> Result<(), StorageError> {
        self.change(|identity, path| match identity.cluster_id {
            Some(found) if found != cluster_id => Err(StorageError::OtherCluster {
                path,
                found: found.to_string(),
                wanted: cluster_id.to_string(),
            }),
            Some(_) | None => {
                identity.cluster_id = Some(cluster_id);
                identity.promise = None;
                Ok(())
            }
        })
    }

    /// Promises a founding. Durable on return. The same promise may be given again; another one,
    /// or one by a node that has a cluster, is an error.
    pub fn set_promise(&self, promise: FoundingPromise) -> Result<(), StorageError> {
        self.change(|identity, path| {
            if let Some(found) = identity.cluster_id {
                let (found, wanted) = (found.to_string(), promise.cluster_id.to_string());
                return Err(StorageError::OtherCluster { path, found, wanted });
            }
            match identity.promise {
                Some(given) if given != promise => Err(StorageError::AlreadyPromised {
                    path,
                    found: given.founder,
                    wanted: promise.founder,
                }),
                Some(_) | None => {
                    identity.promise = Some(promise);
                    Ok(())
                }
            }
        })
    }

    /// Takes the promise back, as only its own founder may ask. Durable on return.
    pub fn clear_promise(&self) -> Result<(), StorageError> {
        self.change(|identity, _| {
            identity.promise = None;
            Ok(())
        })
    }

    /// Opens the log of this directory. A log that was here and has vanished is an error: a node
    /// that forgot what it acknowledged may not come back under its id. Blocks.
    pub fn open_log(&self, stats: Arc<StorageStats>) -> Result<SledLog, StorageError> {
        self.open_log_with(|path| SledLog::open(path, stats))
    }

    /// As `open_log`, the log in plain files and without a thread of its own: for simulations.
    pub fn open_file_log(&self, stats: Arc<StorageStats>) -> Result<FileLog, StorageError> {
        self.open_log_with(|path| FileLog::open_inline(path, stats))
    }

    fn open_log_with<L>(
        &self,
        open: impl FnOnce(&Path) -> Result<L, StorageError>,
    ) -> Result<L, StorageError> {
        let path = self.log_path();
        let mark = path.join("mark");
        if self.identity.lock().has_log && !mark.exists() {
            return Err(StorageError::damaged(&mark, Place::File, Damage::Missing));
        }
        let log = open(&path)?;
        self.change(|identity, _| {
            identity.has_log = true;
            Ok(())
        })?;
        Ok(log)
    }

    /// Opens the snapshots of this directory. Blocks.
    pub fn open_snapshots(&self, log: Arc<dyn LogStore>) -> Result<SnapshotStore, StorageError> {
        SnapshotStore::open(&self.snapshot_path(), log)
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Identity, PathBuf) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let file = self.path.join("identity");
        let mut current = self.identity.lock();
        let mut changed = current.clone();
        change(&mut changed, file.clone())?;
        if changed != *current {
            write(&file, &changed)?;
            *current = changed;
        }
        Ok(())
    }
}

fn create_private(path: &Path) -> Result<(), StorageError> {
    if !path.exists() {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(path).map_err(StorageError::io("create", path))?;
    }
    // A directory that was made beforehand, by a package or by hand, holds the users' data as well.
    let metadata = fs::metadata(path).map_err(StorageError::io("read", path))?;
    if metadata.permissions().mode() & 0o777 != 0o700 {
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(path, private).map_err(StorageError::io("protect", path))?;
    }
    Ok(())
}

fn take_lock(path: &Path) -> Result<File, StorageError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(StorageError::io("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(StorageError::Locked { path: path.to_owned() }),
        Err(fs::TryLockError::Error(error)) => Err(StorageError::io("lock", path)(error)),
    }
}

fn may_write(path: &Path) -> Result<(), StorageError> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    let access = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    let allowed = accessat(CWD, path, access, AtFlags::EACCESS);
    allowed.map_err(|error| StorageError::io("use", path)(error.into()))
}

/// Whether another process holds the lock. A shared lock, given back at once: a node that starts
/// in this moment would have to be started again.
fn is_locked(path: &Path) -> Result<bool, StorageError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(StorageError::io("open", path)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(fs::TryLockError::WouldBlock) => Ok(true),
        Err(fs::TryLockError::Error(error)) => Err(StorageError::io("lock", path)(error)),
    }
}

/// The process that holds a lock, from a line such as
/// `1: FLOCK  ADVISORY  WRITE 4711 fd:01:1234 0 EOF`.
fn lock_holder(path: &Path) -> Option<u32> {
    let inode = fs::metadata(path).ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, holder, place, ..] = words[..] else { return None };
        let same = place.rsplit(':').next() == Some(inode.as_str());
        same.then(|| holder.parse().ok()).flatten()
    })
}

/// Only a directory without data may get a new identity.
fn new_identity(
    path: &Path,
    file: &Path,
    configured: Option<u64>,
) -> Result<Identity, StorageError> {
    if path.join("log").exists() || path.join("snapshots").exists() {
        return Err(StorageError::damaged(file, Place::File, Damage::Missing));
    }
    sync_directory(path)?;
    Ok(Identity {
        // Zero is left free for "no node".
        node_id: configured.unwrap_or_else(|| rand::random_range(1..=u64::MAX)),
        member_uuid: Uuid::new_v4(),
        cluster_id: None,
        promise: None,
        start_count: 0,
        has_log: false,
    })
}

fn read(file: &Path) -> Result<Option<Identity>, StorageError> {
    let Some(body) = SEAL.read(file)? else { return Ok(None) };
    let damaged = || StorageError::damaged(file, Place::File, Damage::Undecodable);
    parse(&body).map(Some).ok_or_else(damaged)
}

fn parse(body: &[u8]) -> Option<Identity> {
    let mut fields = Fields::new(body);
    let node_id = fields.u64()?;
    let member_uuid = Uuid::from_bytes(fields.take()?);
    let start_count = fields.u64()?;
    let flags = fields.u8()?;
    let mut cluster_id = None;
    if flags & HAS_CLUSTER != 0 {
        cluster_id = Some(Uuid::from_bytes(fields.take()?));
    }
    let mut promise = None;
    if flags & HAS_PROMISE != 0 {
        let founder = fields.u64()?;
        promise = Some(FoundingPromise { founder, cluster_id: Uuid::from_bytes(fields.take()?) });
    }
    let has_log = flags & HAS_LOG != 0;
    let identity = Identity { node_id, member_uuid, cluster_id, promise, start_count, has_log };
    (fields.is_empty() && flags < 8).then_some(identity)
}

fn write(file: &Path, identity: &Identity) -> Result<(), StorageError> {
    let mut body = Vec::with_capacity(80);
    body.extend_from_slice(&identity.node_id.to_le_bytes());
    body.extend_from_slice(identity.member_uuid.as_bytes());
    body.extend_from_slice(&identity.start_count.to_le_bytes());
    let mut flags = if identity.has_log { HAS_LOG } else { 0 };
    flags |= identity.cluster_id.map_or(0, |_| HAS_CLUSTER);
    flags |= identity.promise.map_or(0, |_| HAS_PROMISE);
    body.push(flags);
    if let Some(cluster_id) = &identity.cluster_id {
        body.extend_from_slice(cluster_id.as_bytes());
    }
    if let Some(promise) = &identity.promise {
        body.extend_from_slice(&promise.founder.to_le_bytes());
        body.extend_from_slice(promise.cluster_id.as_bytes());
    }
    SEAL.replace(file, &body)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_kept_and_each_start_is_counted() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let first = DataDir::open(&path, None).unwrap().identity();
        assert_eq!(first.start_count, 1);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let directory = DataDir::open(&path, Some(first.node_id)).unwrap();
        assert_eq!(directory.identity(), Identity { start_count: 2, ..first });
    }

    #[test]
    fn two_processes_cannot_use_one_directory() {
        let path = tempfile::tempdir().unwrap();
        let held = DataDir::open(path.path(), None).unwrap();
        let second = DataDir::open(path.path(), None);
        assert!(matches!(second, Err(StorageError::Locked { .. })));
        drop(held);
        DataDir::open(path.path(), None).unwrap();
    }

    #[test]
    fn whoever_only_looks_changes_nothing_and_sees_who_uses_it() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        assert_eq!(DataDir::look(&path).unwrap(), None);
        assert!(!path.exists());
        let held = DataDir::open(&path, Some(7)).unwrap();
        let look = DataDir::look(&path).unwrap().unwrap();
        assert_eq!((look.in_use, look.used_by), (true, Some(std::process::id())));
        drop(held);
        let look = DataDir::look(&path).unwrap().unwrap();
        assert!(!look.in_use);
        assert_eq!(look.identity.map(|found| (found.node_id, found.start_count)), Some((7, 1)));
    }

    #[test]
    fn another_configured_node_id_is_refused_by_name() {
        let path = tempfile::tempdir().unwrap();
        drop(DataDir::open(path.path(), Some(7)).unwrap());
        let error = DataDir::open(path.path(), Some(8)).unwrap_err();
        assert!(matches!(error, StorageError::OtherNode { found: 7, configured: 8, .. }));
        assert_eq!(DataDir::open(path.path(), Some(7)).unwrap().start_count(), 2);
    }

    #[test]
    fn a_cluster_is_for_ever_and_a_promise_until_it_is_released() {
        let path = tempfile::tempdir().unwrap();
        let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
        let promise = FoundingPromise { founder: 3, cluster_id: one };
        let directory = DataDir::open(path.path(), None).unwrap();
        directory.set_promise(promise).unwrap();
        drop(directory);

        let directory = DataDir::open(path.path(), None).unwrap();
        assert_eq!(directory.identity().promise, Some(promise));
        let rival = FoundingPromise { founder: 2, cluster_id: other };
        let refused = directory.set_promise(rival).unwrap_err();
        assert!(matches!(refused, StorageError::AlreadyPromised { found: 3, wanted: 2, .. }));
        directory.clear_promise().unwrap();
        directory.set_promise(rival).unwrap();
        directory.set_cluster(other).unwrap();
        drop(directory);

        let directory = DataDir::open(path.path(), None).unwrap();
        assert_eq!(
            (directory.identity().cluster_id, directory.identity().promise),
            (Some(other), None)
        );
        assert!(matches!(directory.set_cluster(one), Err(StorageError::OtherCluster { .. })));
        assert!(matches!(directory.set_promise(promise), Err(StorageError::OtherCluster { .. })));
        directory.set_cluster(other).unwrap();
    }

    #[test]
    fn every_flipped_bit_of_the_identity_is_seen() {
        let path = tempfile::tempdir().unwrap();
        drop(DataDir::open(path.path(), None).unwrap());
        let file = path.path().join("identity");
        let sound = fs::read(&file).unwrap();
        for bit in 0..sound.len() * 8 {
            let mut flipped = sound.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&file, &flipped).unwrap();
            let error = DataDir::open(path.path(), None).unwrap_err();
            assert!(matches!(error, StorageError::Damaged { .. }), "bit {bit}: {error}");
        }
        fs::write(&file, &sound[..sound.len() - 1]).unwrap();
        assert!(DataDir::open(path.path(), None).is_err());
    }

    #[test]
    fn a_newer_format_is_refused_by_its_number() {
        let path = tempfile::tempdir().unwrap();
        let newer = Seal { magic: SEAL.magic, version: 9 };
        newer.replace(&path.path().join("identity"), b"of the future").unwrap();
        let error = DataDir::open(path.path(), None).unwrap_err();
        assert!(matches!(error, StorageError::NewerFormat { found: 9, supported: 1, .. }));
    }

    #[test]
    fn a_log_or_an_identity_that_vanished_stops_the_start() {
        let path = tempfile::tempdir().unwrap();
        let directory = DataDir::open(path.path(), None).unwrap();
        drop(directory.open_log(Arc::default()).unwrap());
        fs::remove_dir_all(directory.log_path()).unwrap();
        let error = directory.open_log(Arc::default()).unwrap_err();
        assert!(matches!(error, StorageError::Damaged { damage: Damage::Missing, .. }));
        drop(directory);

        fs::create_dir(path.path().join("log")).unwrap();
        fs::remove_file(path.path().join("identity")).unwrap();
        assert!(DataDir::open(path.path(), None).is_err());
    }
}
