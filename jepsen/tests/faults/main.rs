//! Faults of disks and clocks: each takes hold, each is healed, nothing is left.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod calls;
mod clock;
mod damage;
mod full;
mod node;
mod power;
mod residue;

use std::path::Path;

use statekeeper_jepsen::cluster::disk::{Disk, FileSystem, private_mounts};

const MEBIBYTE: u64 = 1 << 20;
const BOTH: [FileSystem; 2] = [FileSystem::Ext4, FileSystem::Xfs];

/// A disk that only the calling test sees.
fn disk(folder: &Path, file_system: FileSystem) -> Disk {
    private_mounts().unwrap();
    let bytes = match file_system {
        FileSystem::Ext4 => 64 * MEBIBYTE,
        FileSystem::Xfs => 300 * MEBIBYTE,
    };
    Disk::new(folder, file_system, bytes).unwrap()
}
