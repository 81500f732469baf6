//! Flushes and writes of one process that are slow, hang, fail or stop half way.
//!
//! A failed flush leaves the pages as they are and a later one writes them, where a real disk may
//! forget them: with a power cut behind it the fault is as hard as a real one.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use rustix::io::Errno;

use crate::cluster::preload::{Preload, slots};

/// How many calls a fault spoils.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Times {
    /// So many, and then no more.
    Next(u32),
    /// Every one until `heal`.
    Lasting,
}

impl Times {
    fn as_slot(self) -> u64 {
        match self {
            Times::Next(calls) => calls.into(),
            Times::Lasting => slots::LASTING,
        }
    }
}

/// What becomes of a write to a regular file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteFault {
    /// The first half is written, and that is what is answered.
    Short,
    /// Nothing is written: the disk fails (`EIO`).
    Failed,
    /// Nothing is written: the disk is full (`ENOSPC`).
    Full,
}

/// Faults of the disk as one process sees it, by the preloaded library.
#[derive(Clone, Debug)]
pub struct FlushFaults {
    preload: Preload,
}

impl FlushFaults {
    /// Faults of the processes that are started with the block's environment.
    pub fn new(preload: &Preload) -> FlushFaults {
        FlushFaults { preload: preload.clone() }
    }

    /// From now on only files on the device that this file or folder lies on are affected.
    /// `msync` and `sync` name no file and are affected always.
    pub fn only_on(&self, path: &Path) -> anyhow::Result<()> {
        let status = path.metadata().with_context(|| path.display().to_string())?;
        self.preload.write(slots::DEVICE, status.dev())
    }

    /// Each flush takes this much longer.
    pub fn slow(&self, by: Duration) -> anyhow::Result<()> {
        self.preload.write(slots::SLOW_MS, u64::try_from(by.as_millis())?)
    }

    /// Flushes wait until `heal`. The process can be killed.
    pub fn hang(&self) -> anyhow::Result<()> {
        self.preload.write(slots::HANG, 1)
    }

    /// Flushes fail with `EIO`.
    pub fn fail(&self, times: Times) -> anyhow::Result<()> {
        self.preload.write(slots::FAILING_FLUSHES, times.as_slot())
    }

    /// Writes to regular files are spoilt, those to the standard streams excepted.
    pub fn spoil_writes(&self, fault: WriteFault, times: Times) -> anyhow::Result<()> {
        let errno = |errno: Errno| u64::from(errno.raw_os_error().unsigned_abs());
        let answer = match fault {
            WriteFault::Short => slots::SHORT,
            WriteFault::Failed => errno(Errno::IO),
            WriteFault::Full => errno(Errno::NOSPC),
        };
        self.preload.write(slots::SPOILT_WRITES, 0)?;
        self.preload.write(slots::WRITE_ANSWER, answer)?;
        self.preload.write(slots::SPOILT_WRITES, times.as_slot())
    }

    /// Everything passes through again, and what hung goes on. `only_on` stays.
    pub fn heal(&self) -> anyhow::Result<()> {
        for slot in [slots::SLOW_MS, slots::HANG, slots::FAILING_FLUSHES, slots::SPOILT_WRITES] {
            self.preload.write(slot, 0)?;
        }
        Ok(())
    }

    /// Calls that any of these faults has met so far, `heal` or not: the proof.
    pub fn affected(&self) -> anyhow::Result<u64> {
        let [slowed, hung] = [slots::FLUSHES_SLOWED, slots::FLUSHES_HUNG];
        let [failed, spoilt] = [slots::FLUSHES_FAILED, slots::WRITES_SPOILT];
        [slowed, hung, failed, spoilt].iter().map(|slot| self.preload.read(*slot)).sum()
    }

    /// Flushes that the process has asked for so far.
    pub fn flushes(&self) -> anyhow::Result<u64> {
        self.preload.read(slots::FLUSHES)
    }
}
