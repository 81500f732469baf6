//! Whether this machine offers what runs need. Each part is tried, since a program that is there
//! may lack a right, a device or a module of the kernel.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::ways::JAVA_VERSION;
use crate::client::driver::{Driver, Kind, Options};
use crate::cluster::disk::{Disk, FileSystem};
use crate::cluster::net::Net;
use crate::cluster::preload::Preload;
use crate::cluster::server_beside_us;

/// Room for either file system.
const DISK_BYTES: u64 = 300 << 20;

/// A part of the machine, and what is wrong with it.
#[derive(Debug)]
pub struct Probed {
    /// What runs need it for.
    pub part: &'static str,
    /// Why it cannot be had; none: it can.
    pub lacking: Option<anyhow::Error>,
}

/// Tries every part, in a folder that is the caller's to remove. `disk::private_mounts` comes
/// first in `main`.
pub fn probe(folder: &Path) -> Vec<Probed> {
    let tried = [
        ("the server", server_beside_us().map(drop)),
        ("networks of nodes", Net::new(2, 1, 0).map(drop).context("namespaces and TUN devices")),
        ("power cuts, full disks on ext4", disk(&folder.join("ext4"), FileSystem::Ext4)),
        ("power cuts, full disks on XFS", disk(&folder.join("xfs"), FileSystem::Xfs)),
        ("false clocks, spoilt flushes", library(folder)),
        ("the Java client", driver(folder, Kind::Java(JAVA_VERSION.to_owned()))),
        ("the Python client", driver(folder, Kind::Python)),
    ];
    tried.into_iter().map(|(part, tried)| Probed { part, lacking: tried.err() }).collect()
}

fn disk(folder: &Path, file_system: FileSystem) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut disk = Disk::new(folder, file_system, DISK_BYTES)?;
    disk.cut_power(0.0, &mut StdRng::seed_from_u64(0))?;
    disk.restore_power()
}

fn library(folder: &Path) -> anyhow::Result<()> {
    let preload = Preload::new(&folder.join("faults"))?;
    let mut command = Command::new("true");
    let status = command.envs(preload.environment()).status().context("cannot run true")?;
    ensure!(status.success(), "with the library, true ends with {status}");
    ensure!(preload.loaded()? > 0, "the library is not loaded into processes");
    Ok(())
}

fn driver(folder: &Path, kind: Kind) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let options = Options::new(kind, "probe", folder.join("driver.log"));
    runtime.block_on(async { Driver::start(options).map(drop) })
}
