//! openLooKeng's seed directory: how nodes and clients find a cluster through a shared folder,
//! in openLooKeng's own file format and under its own lock. Beside the seeds lies one marker
//! that names the cluster, so that two foundings over one folder cannot both succeed.

#[cfg(test)]
mod broken_tests;
pub mod file;
mod files;
mod folder;
pub mod hdfs;
pub mod java_serialization;
pub mod local;
pub mod lock;

pub use file::Seed;
pub use folder::{MARKER, SeedFolder};
pub use lock::LockInfo;

use crate::config::{Config, Discovery, Filesystem, SeedDirectoryConfig};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

/// Opens the folder of a cluster in the seed directory that the configuration names. Blocks on a
/// mounted one; needs a runtime.
pub fn open(config: &SeedDirectoryConfig, cluster_name: &str) -> Result<SeedFolder, SeedError> {
    match &config.filesystem {
        Filesystem::Local => local::open(&config.seed_dir, cluster_name),
        Filesystem::Hdfs(hdfs) => hdfs::open(hdfs, &config.seed_dir, cluster_name),
    }
}

/// The same folder for whoever only looks: nothing is made, and `None` says that it is absent and
/// can be made. Blocks on a mounted one; needs a runtime.
pub fn find(
    config: &SeedDirectoryConfig,
    cluster_name: &str,
) -> Result<Option<SeedFolder>, SeedError> {
    match &config.filesystem {
        Filesystem::Local => local::find(&config.seed_dir, cluster_name),
        // Nothing is asked of HDFS yet, and a folder that is absent holds no seeds.
        Filesystem::Hdfs(_) => open(config, cluster_name).map(Some),
    }
}

/// Where the seed directory is, as messages name it: without the cluster's folder.
pub fn shown(config: &SeedDirectoryConfig) -> PathBuf {
    match &config.filesystem {
        Filesystem::Local => config.seed_dir.clone(),
        Filesystem::Hdfs(hdfs) => hdfs::shown(hdfs, &config.seed_dir),
    }
}

/// The cluster's folder in the seed directory, there or not; `None`: nodes are found in another
/// way.
pub fn folder_of(config: &Config) -> Option<String> {
    match &config.discovery {
        Discovery::SeedDirectory(seeds) => {
            Some(shown(seeds).join(&config.node.cluster_name).display().to_string())
        }
        Discovery::None | Discovery::StaticSeeds(_) | Discovery::Multicast(_) => None,
    }
}

/// Removes seeds as they were judged, location and time stamp: one that has moved since belongs to
/// a node that is back, and stays.
pub fn without(judged: BTreeMap<String, i64>) -> SeedChange {
    Box::new(move |mut seeds| {
        seeds.retain(|seed| judged.get(&seed.location) != Some(&seed.timestamp_ms));
        seeds
    })
}

/// What a call to a seed directory gives: boxed, so that the node can hold either kind.
pub type SeedFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, SeedError>> + Send + 'a>>;

/// What becomes of the seeds under the lock.
pub type SeedChange = Box<dyn FnOnce(Vec<Seed>) -> Vec<Seed> + Send>;

/// The folder of one cluster, wherever it is kept.
pub trait SeedDirectory: Send + Sync {
    /// All seeds; none when there is no file. Takes no lock.
    fn read(&self) -> SeedFuture<'_, Vec<Seed>>;
    /// Reads, changes and replaces the seeds under the lock; gives what was written.
    fn update(&self, change: SeedChange) -> SeedFuture<'_, Vec<Seed>>;
    /// Creates the marker; `false` when there already is one.
    fn create_marker(&self, text: Vec<u8>) -> SeedFuture<'_, bool>;
    /// The marker, when there is one.
    fn read_marker(&self) -> SeedFuture<'_, Option<Vec<u8>>>;
    /// Replaces the marker.
    fn rewrite_marker(&self, text: Vec<u8>) -> SeedFuture<'_, ()>;
    /// Who holds the lock.
    fn lock_info(&self) -> SeedFuture<'_, LockInfo>;
    /// Whether this user may write here, as far as that can be told without writing.
    fn check_writable(&self) -> SeedFuture<'_, ()>;
}

/// Why a seed directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The file system refused.
    #[error(
        "SK0020 cannot use {}: {cause}; check its owner and mode, and that its file system answers",
        path.display()
    )]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        cause: std::io::Error,
    },
    /// The file still does not decode after a second look.
    #[error(
        "SK0021 {} does not decode: {cause}; repair it, or remove it and let nodes write it again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which entry and why.
        cause: file::EntryError,
    },
    /// Somebody else kept the lock.
    #[error("SK0022 the lock in {} is held by another process; stop what keeps it", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// A file is larger than any seed file.
    #[error("SK0023 {} is larger than {bytes_max} bytes; remove it", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        bytes_max: usize,
    },
    /// The task that worked on the folder was stopped with the runtime.
    #[error("SK0020 the work on {} was stopped; start the node again", path.display())]
    Stopped {
        /// The folder.
        path: PathBuf,
    },
}
