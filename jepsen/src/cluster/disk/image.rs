//! A file system in a file, mounted where only this process and its children see it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use serde::{Deserialize, Serialize};

use super::power::{self, PowerCut};

/// What mkfs.xfs asks for at least.
const XFS_BYTES_MIN: u64 = 300 << 20;
/// A killed process lets go of its files when the kernel has ended each of its threads.
const BUSY_LIMIT: Duration = Duration::from_secs(20);
const BUSY_LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Gives the calling thread mounts of its own, which threads and children started after it share:
/// with the last of them the mounts are gone, and the loop devices below them, however they ended.
///
/// To be called first in `main`. Needs the right to mount.
pub fn private_mounts() -> anyhow::Result<()> {
    #[allow(unsafe_code, reason = "unsafe for the sake of a flag that is not used")]
    // SAFETY: only the mounts are unshared, not the table of file descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }
        .context("cannot make a mount namespace (root is needed)")?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).context("cannot keep mounts from being seen outside")?;
    PRIVATE.lock().push(own_namespace()?);
    Ok(())
}

/// The namespaces that `private_mounts` has made.
static PRIVATE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The kind of a disk's file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileSystem {
    /// The usual one.
    Ext4,
    /// At least 300 MiB; needs `mkfs.xfs`.
    Xfs,
}

impl FromStr for FileSystem {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        match name {
            "ext4" => Ok(FileSystem::Ext4),
            "xfs" => Ok(FileSystem::Xfs),
            other => bail!("there is no file system {other:?} here: choose ext4 or xfs"),
        }
    }
}

impl FileSystem {
    fn mkfs(self) -> &'static [&'static str] {
        match self {
            // No share for root alone, and everything laid out now: what `fill` sees stays true.
            FileSystem::Ext4 => &[
                "mkfs.ext4",
                "-q",
                "-F",
                "-m",
                "0",
                "-E",
                "lazy_itable_init=0,lazy_journal_init=0",
            ],
            FileSystem::Xfs => &["mkfs.xfs", "-q", "-f"],
        }
    }

    /// Debian's name of what brings its programs.
    fn package(self) -> &'static str {
        match self {
            FileSystem::Ext4 => "e2fsprogs",
            FileSystem::Xfs => "xfsprogs",
        }
    }
}

/// A node's disk. Unmounted when dropped; the image file stays where it was made.
#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
    mount_point: PathBuf,
    /// What is there while the power is off.
    cut: Option<power::Probe>,
}

impl Disk {
    /// Makes the image file `<folder>/image`, of so many bytes (sparse), and mounts it.
    /// `private_mounts` must have been called.
    pub fn new(folder: &Path, file_system: FileSystem, bytes: u64) -> anyhow::Result<Disk> {
        if file_system == FileSystem::Xfs {
            ensure!(bytes >= XFS_BYTES_MIN, "XFS takes {XFS_BYTES_MIN} bytes, not {bytes}");
        }
        let is_private = PRIVATE.lock().contains(&own_namespace()?);
        ensure!(is_private, "mounts of this thread are seen outside: call private_mounts first");
        let (image, mount_point) = (folder.join("image"), folder.join("mount"));
        fs::create_dir_all(&mount_point)
            .with_context(|| format!("cannot make {}", mount_point.display()))?;
        File::create(&image)
            .and_then(|file| file.set_len(bytes))
            .with_context(|| format!("cannot make {}", image.display()))?;
        let mkfs = file_system.mkfs();
        run(mkfs[0], mkfs[1..].iter().map(OsStr::new).chain([image.as_os_str()]))
            .with_context(|| format!("Debian's package is {}", file_system.package()))?;
        let disk = Disk { image, mount_point, cut: None };
        disk.mount()?;
        fs::create_dir(disk.path())?;
        // The folder is there after any cut.
        rustix::fs::syncfs(File::open(&disk.mount_point)?)?;
        Ok(disk)
    }

    /// The data directory, on the disk.
    pub fn path(&self) -> PathBuf {
        self.mount_point.join("data")
    }

    /// Cuts the power under the running node, which the caller kills then. Before the cut, a part
    /// of the pages that wait to be written reaches the disk: `share` of them, by chance.
    ///
    /// An error if something can still be written afterwards.
    pub fn cut_power(&mut self, share: f64, chance: &mut StdRng) -> anyhow::Result<PowerCut> {
        ensure!(self.cut.is_none(), "{}: the power is off already", self.mount_point.display());
        let torn = power::write_back(&self.path(), share, chance)?;
        self.cut = Some(power::cut(&self.mount_point)?);
        Ok(torn)
    }

    /// Brings the disk back once the node is dead: waits until nobody uses it, and lets the file
    /// system repair itself from its journal.
    ///
    /// An error if something is still there that was never flushed: then there was no cut.
    pub fn restore_power(&mut self) -> anyhow::Result<()> {
        let probe = self.cut.take().context("the power is on")?;
        self.unmount()?;
        self.mount()?;
        probe.expect_lost()
    }

    /// Fills the disk until this many bytes are free or a few less. Returns how many are.
    ///
    /// An error if there is room for more.
    pub fn fill(&self, bytes_left: u64) -> anyhow::Result<u64> {
        let path = self.filler();
        let filler = File::options().create(true).append(true).open(&path);
        let mut filler = filler.with_context(|| format!("cannot make {}", path.display()))?;
        let mut length = filler.metadata()?.len();
        let mut step = self.free()?.saturating_sub(bytes_left);
        let block = statvfs(&self.mount_point)?.f_frsize;
        while step >= block {
            match fallocate(&filler, FallocateFlags::empty(), length, step) {
                Ok(()) => {
                    length += step;
                    step = self.free()?.saturating_sub(bytes_left);
                }
                // The blocks that say which blocks it has need room too.
                Err(Errno::NOSPC) => {
                    length = filler.metadata()?.len();
                    step = self.free()?.saturating_sub(bytes_left).min(step / 2);
                }
                Err(error) => return Err(error).context("cannot fill the disk"),
            }
        }
        let free = self.free()?;
        ensure!(free <= bytes_left + 16 * block, "{free} bytes are free, not {bytes_left}");
        let bytes = vec![0; usize::try_from(free + (1 << 20))?];
        if bytes_left == 0 {
            let error = filler.write_all(&bytes).err().context("a full disk takes more")?;
            let full = error.raw_os_error() == Some(Errno::NOSPC.raw_os_error());
            ensure!(full, "a full disk answers {error}");
        }
        self.free()
    }

    /// Takes back what `fill` took.
    pub fn unfill(&self) -> anyhow::Result<()> {
        let (path, before) = (self.filler(), self.free()?);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        // XFS frees in the background.
        let deadline = Instant::now() + BUSY_LIMIT;
        while self.free()? <= before {
            ensure!(Instant::now() < deadline, "removing {} frees nothing", path.display());
            sleep(BUSY_LOOK_INTERVAL);
        }
        Ok(())
    }

    /// Bytes that can still be written.
    pub fn free(&self) -> anyhow::Result<u64> {
        let room = statvfs(&self.mount_point)?;
        Ok(room.f_bavail * room.f_frsize)
    }

    fn filler(&self) -> PathBuf {
        self.mount_point.join("filler")
    }

    fn mount(&self) -> anyhow::Result<()> {
        // The program finds a loop device and has it go with the mount.
        let options = ["-o", "loop,noatime"].map(OsStr::new).into_iter();
        run("mount", options.chain([self.image.as_os_str(), self.mount_point.as_os_str()]))
    }

    fn unmount(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + BUSY_LIMIT;
        loop {
            match unmount(&self.mount_point, UnmountFlags::empty()) {
                Err(Errno::BUSY) if Instant::now() < deadline => sleep(BUSY_LOOK_INTERVAL),
                ended => {
                    let name = self.mount_point.display();
                    return ended.with_context(|| format!("cannot unmount {name}"));
                }
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Gone for everybody at once, and in truth when the last file is closed.
        let _ = unmount(&self.mount_point, UnmountFlags::DETACH);
    }
}

/// The calling thread's mount namespace.
fn own_namespace() -> anyhow::Result<PathBuf> {
    let link = "/proc/thread-self/ns/mnt";
    fs::read_link(link).context(link)
}

fn run<'a>(program: &str, arguments: impl Iterator<Item = &'a OsStr>) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    let output = command.args(arguments).output();
    let output = output.with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {}", output.status, said.trim());
    }
    Ok(())
}
