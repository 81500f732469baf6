//! Where a node's settings come from: openLooKeng's own files, ours, the environment and the
//! command line. One table of keys, one typed result; the rest of the program sees only
//! [`Config`]. Nothing here opens sockets: a busy port is the server's to report.

mod build;
#[expect(clippy::module_inception, reason = "the house names config.rs as the home of Config")]
mod config;
mod docs;
mod hdfs;
mod keys;
mod load;
mod report;
mod values;

#[cfg(test)]
mod broken_tests;
#[cfg(test)]
mod tests;

pub use build::{Loaded, check, load};
pub use config::{
    AdminConfig, ClientConfig, Config, CoordinatorConfig, CpConfig, Discovery, Eviction,
    Filesystem, HdfsConfig, KerberosLogin, LimitsConfig, LogConfig, MapConfig, MulticastConfig,
    NodeConfig, Provenance, RaftConfig, SeedDirectoryConfig, StorageConfig,
};
pub use docs::configuration_page;
pub use keys::{KEYS, KeySpec, Kind, Source, Support};
pub use load::LoadOptions;
pub use report::{ConfigError, Finding, Place, Problem, Severity};
