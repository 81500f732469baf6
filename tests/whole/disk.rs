//! The simulated disk: real files in memory, of which a power cut leaves what was synced, and by
//! chance more.
//!
//! Every sync of the process comes here. A file's sync makes its bytes durable, a directory's sync
//! the names in it. A node that starts again gets a directory of its own, made of what its last one
//! holds or, after a power cut, of what is durable there: whatever the dead one still does reaches
//! nobody.

use std::collections::BTreeMap;
use std::ffi::{OsString, c_int};
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::random::Random;

static DISK: Mutex<Disk> = Mutex::new(Disk::new());

/// What is to happen to the syncs below one directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyncFault {
    /// So many succeed, then one fails, and all after it.
    FailsAfter(u64),
    /// So many succeed, then the power goes.
    CutAfter(u64),
    /// The power is gone or a sync has failed.
    Gone {
        /// By a power cut.
        cut: bool,
    },
}

/// What a process leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All it wrote: the system goes on.
    Killed,
    /// What was synced, and by chance some of the rest.
    PowerCut,
}

struct Disk {
    /// Durable bytes by inode.
    files: BTreeMap<u64, Vec<u8>>,
    /// Durable names by directory.
    names: BTreeMap<PathBuf, BTreeMap<OsString, u64>>,
    faults: BTreeMap<PathBuf, SyncFault>,
}

impl Disk {
    const fn new() -> Self {
        Self { files: BTreeMap::new(), names: BTreeMap::new(), faults: BTreeMap::new() }
    }

    fn fails(&mut self, path: &Path) -> bool {
        let Some(fault) = self.faults.iter_mut().find(|(root, _)| path.starts_with(root)) else {
            return false;
        };
        let fault = fault.1;
        *fault = match *fault {
            SyncFault::FailsAfter(0) => SyncFault::Gone { cut: false },
            SyncFault::CutAfter(0) => SyncFault::Gone { cut: true },
            SyncFault::FailsAfter(left) => SyncFault::FailsAfter(left - 1),
            SyncFault::CutAfter(left) => SyncFault::CutAfter(left - 1),
            gone @ SyncFault::Gone { .. } => gone,
        };
        matches!(fault, SyncFault::Gone { .. })
    }
}

/// Sets what happens to the syncs below a directory.
pub(crate) fn set_fault(root: &Path, fault: SyncFault) {
    DISK.lock().faults.insert(root.to_owned(), fault);
}

/// What was set, as far as it has come.
pub(crate) fn fault(root: &Path) -> Option<SyncFault> {
    DISK.lock().faults.get(root).copied()
}

/// The file or directory behind the descriptor is synced.
pub(crate) fn synced(descriptor: c_int) -> Result<(), c_int> {
    let Ok(path) = fs::read_link(format!("/proc/self/fd/{descriptor}")) else {
        return Err(libc::EBADF);
    };
    let disk = &mut *DISK.lock();
    if disk.fails(&path) {
        return Err(libc::EIO);
    }
    let Ok(metadata) = fs::metadata(&path) else { return Ok(()) };
    if metadata.is_dir() {
        disk.names.insert(path.clone(), listing(&path));
    } else {
        let durable = disk.files.entry(metadata.ino()).or_default();
        grow(durable, &path, metadata.len());
    }
    Ok(())
}

/// Takes over what a file holds now. Files only grow or are cut: what is known is not read again.
fn grow(durable: &mut Vec<u8>, path: &Path, length: u64) {
    let known = durable.len() as u64;
    if length < known {
        durable.clear();
    }
    let mut file = fs::File::open(path).unwrap();
    file.seek(SeekFrom::Start(durable.len() as u64)).unwrap();
    file.read_to_end(durable).unwrap();
}

fn listing(path: &Path) -> BTreeMap<OsString, u64> {
    let entries = fs::read_dir(path).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name(), entry.ino())).collect()
}

/// Makes the directory of the next start out of that of the last one.
pub(crate) fn carry_over(from: &Path, to: &Path, end: End, random: &mut Random) {
    let disk = &mut *DISK.lock();
    fs::create_dir_all(to).unwrap();
    match end {
        End::Killed => carry_all(disk, from, to),
        End::PowerCut => carry_durable(disk, from, to, random),
    }
    disk.faults.remove(from);
}

/// Files and names as they are; what is durable of them stays so, and no more than that.
fn carry_all(disk: &mut Disk, from: &Path, to: &Path) {
    let known = disk.names.get(from).cloned().unwrap_or_default();
    let mut durable = BTreeMap::new();
    for (name, inode) in listing(from) {
        let (old, new) = (from.join(&name), to.join(&name));
        if old.is_dir() {
            fs::create_dir(&new).unwrap();
            carry_all(disk, &old, &new);
        } else {
            fs::copy(&old, &new).unwrap();
            if let Some(bytes) = disk.files.get(&inode).cloned() {
                disk.files.insert(fs::metadata(&new).unwrap().ino(), bytes);
            }
        }
        if known.get(&name) == Some(&inode) {
            durable.insert(name, fs::metadata(&new).unwrap().ino());
        }
    }
    disk.names.insert(to.to_owned(), durable);
}

fn carry_durable(disk: &mut Disk, from: &Path, to: &Path, random: &mut Random) {
    let current = listing(from);
    let durable = disk.names.get(from).cloned().unwrap_or_default();
    // Names that nobody synced may have reached the disk all the same.
    let names = if random.one_in(3) { current.clone() } else { durable };
    for (name, inode) in &names {
        let (old, new) = (from.join(name), to.join(name));
        if current.get(name) == Some(inode) && old.is_dir() {
            fs::create_dir(&new).unwrap();
            carry_durable(disk, &old, &new, random);
            continue;
        }
        let mut bytes = disk.files.get(inode).cloned().unwrap_or_default();
        if current.get(name) == Some(inode) {
            let written = fs::read(&old).unwrap();
            if written.starts_with(&bytes) {
                bytes.extend(unsynced_part(&written[bytes.len()..], random));
            }
        }
        fs::write(&new, &bytes).unwrap();
        disk.files.insert(fs::metadata(&new).unwrap().ino(), bytes);
    }
    disk.names.insert(to.to_owned(), listing(to));
}

/// What a power cut leaves of bytes that were written and not synced: nothing, all, or a beginning
/// whose end may be torn.
fn unsynced_part(written: &[u8], random: &mut Random) -> Vec<u8> {
    if written.is_empty() || random.one_in(2) {
        return Vec::new();
    }
    if random.one_in(2) {
        return written.to_vec();
    }
    let length = usize::try_from(random.below(written.len() as u64 + 1)).unwrap();
    let mut left = written[..length].to_vec();
    if let Some(last) = left.last_mut()
        && random.one_in(2)
    {
        *last ^= 0x5a;
    }
    left
}

/// All syncs succeed again.
pub(crate) fn clear_fault(root: &Path) {
    DISK.lock().faults.remove(root);
}
