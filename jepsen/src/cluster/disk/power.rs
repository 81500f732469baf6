//! The power cut: the file system stops between two writes, and what was not flushed is lost.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use rand::Rng as _;
use rand::rngs::StdRng;
use rustix::io::Errno;
use rustix::ioctl;

/// `FS_IOC_SHUTDOWN`, as ext4 and XFS know it: `_IOR('X', 125, u32)`.
const SHUTDOWN: ioctl::Opcode = ioctl::opcode::read::<u32>(b'X', 125);
/// The journal in memory is thrown away.
const WITHOUT_LOG_FLUSH: u32 = 2;
/// More than a file system keeps in an inode, so that it has to write pages.
const PROBE_BYTES: usize = 64 << 10;

/// What was on its way to the disk when the power went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PowerCut {
    /// Pages of the node's files that waited to be written.
    pub dirty_pages: u64,
    /// Those of them that reached the disk, without a flush. In a file that grew nothing can be
    /// seen of them: its new length is lost.
    pub torn_pages: u64,
}

/// Writes a part of the pages that wait to the disk, and nothing of what is known about the files.
pub(super) fn write_back(
    folder: &Path,
    share: f64,
    chance: &mut StdRng,
) -> anyhow::Result<PowerCut> {
    let mut cut = PowerCut::default();
    for path in files_below(folder)? {
        // A file may go while the node runs.
        let Ok(file) = File::open(&path) else { continue };
        let length = file.metadata()?.len();
        let page_bytes = rustix::param::page_size() as u64;
        for page in dirty_pages(file.as_fd(), 0..length.div_ceil(page_bytes))? {
            cut.dirty_pages += 1;
            if chance.random_bool(share) {
                sync_range(file.as_fd(), page * page_bytes, page_bytes)
                    .with_context(|| format!("cannot write back {}", path.display()))?;
                cut.torn_pages += 1;
            }
        }
    }
    Ok(cut)
}

/// In an order that is the same each time.
fn files_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder);
        let entries = entries.with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                Ok(_) | Err(_) => {}
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The pages of a range that wait to be written, by halves: most ranges have none.
fn dirty_pages(file: BorrowedFd<'_>, range: std::ops::Range<u64>) -> anyhow::Result<Vec<u64>> {
    let mut found = Vec::new();
    let mut ranges = vec![range];
    while let Some(range) = ranges.pop() {
        let pages = range.end - range.start;
        if pages == 0 || dirty_in(file, &range)? == 0 {
            continue;
        }
        if pages == 1 {
            found.push(range.start);
        } else {
            let middle = range.start + pages / 2;
            ranges.extend([middle..range.end, range.start..middle]);
        }
    }
    Ok(found)
}

/// How many pages of a range wait to be written or are being written.
#[allow(unsafe_code, reason = "no crate has this system call yet")]
fn dirty_in(file: BorrowedFd<'_>, pages: &std::ops::Range<u64>) -> anyhow::Result<u64> {
    /// The same number on every machine of Linux 6.5 and later.
    const CACHESTAT: libc::c_long = 451;
    let page_bytes = rustix::param::page_size() as u64;
    let range = [pages.start * page_bytes, (pages.end - pages.start) * page_bytes];
    // Pages cached, dirty, under write-back, evicted, recently evicted.
    let mut counts = [0_u64; 5];
    let (range, into) = (range.as_ptr(), counts.as_mut_ptr());
    // SAFETY: both places are ours and have the two and the five numbers the call knows.
    let result = unsafe { libc::syscall(CACHESTAT, file.as_raw_fd(), range, into, 0) };
    if result != 0 {
        let error = std::io::Error::last_os_error();
        return Err(error).context("cachestat (Linux 6.5 and later have it)");
    }
    Ok(counts[1] + counts[2])
}

#[allow(unsafe_code, reason = "rustix has no sync_file_range")]
fn sync_range(file: BorrowedFd<'_>, offset: u64, bytes: u64) -> anyhow::Result<()> {
    let flags = libc::SYNC_FILE_RANGE_WAIT_BEFORE
        | libc::SYNC_FILE_RANGE_WRITE
        | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    let (offset, bytes) = (offset.cast_signed(), bytes.cast_signed());
    // SAFETY: no memory is passed; the descriptor is open.
    match unsafe { libc::sync_file_range(file.as_raw_fd(), offset, bytes, flags) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().into()),
    }
}

/// A file that was written just before the cut and not flushed.
#[derive(Debug)]
pub(super) struct Probe {
    path: PathBuf,
}

/// Stops the file system as a power cut does.
pub(super) fn cut(mount_point: &Path) -> anyhow::Result<Probe> {
    let path = mount_point.join("probe");
    let root = File::open(mount_point)?;
    let mut probe = File::create(&path).context("cannot write the probe of a power cut")?;
    probe.write_all(&[b'p'; PROBE_BYTES]).context("cannot write the probe of a power cut")?;
    shutdown(root.as_fd()).with_context(|| format!("cannot stop {}", mount_point.display()))?;
    match probe.write_all(b"more") {
        Ok(()) => bail!("{}: can be written after the cut", mount_point.display()),
        Err(error) => {
            let failed = error.raw_os_error() == Some(Errno::IO.raw_os_error());
            ensure!(failed, "a write after the cut answers {error}");
        }
    }
    Ok(Probe { path })
}

#[allow(unsafe_code, reason = "no crate has this request")]
fn shutdown(root: BorrowedFd<'_>) -> rustix::io::Result<()> {
    // SAFETY: the request reads one u32, and what it does to files is asked for.
    unsafe { ioctl::ioctl(root, ioctl::Setter::<SHUTDOWN, u32>::new(WITHOUT_LOG_FLUSH)) }
}

impl Probe {
    /// After the next mount: gone, or not as long as it was.
    pub(super) fn expect_lost(self) -> anyhow::Result<()> {
        let Ok(status) = fs::metadata(&self.path) else { return Ok(()) };
        ensure!(
            status.len() < PROBE_BYTES as u64,
            "{}: is whole after a power cut, and was never flushed",
            self.path.display()
        );
        fs::remove_file(&self.path)
            .with_context(|| format!("cannot remove {}", self.path.display()))
    }
}
