//! Disks of nodes that lose power, fill up, fail, or come back damaged.
//!
//! - `image`: a file system of its own for each node, in a file.
//! - `power`: the cut, and what the last moments leave on the disk.
//! - `flush`: flushes and writes of one process that are slow, hang, or fail.
//! - `damage`: files of a stopped node that are not what it left.

mod damage;
mod flush;
mod image;
mod power;

pub use damage::{Corruption, Damage, Kind, Part, corrupt, keep_copy};
pub use flush::{FlushFaults, Times, WriteFault};
pub use image::{Disk, FileSystem, private_mounts};
pub use power::PowerCut;
