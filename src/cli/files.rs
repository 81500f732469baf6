//! The files of a node, for verbs that read them as the node does.

use std::path::PathBuf;

use clap::Args;

use super::exit::Exit;
use super::serve;
use crate::config::{self, ConfigError, Loaded};

/// Where the configuration is.
#[derive(Args, Clone, Debug)]
pub(super) struct FileArgs {
    /// The folder of `state-store.properties` and its neighbours; `etc` if there is one.
    #[arg(long, env = "STATEKEEPER_ETC")]
    etc: Option<PathBuf>,
    /// A setting that wins over all files, as `key=value`; give those that the node is given.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = serve::key_and_value)]
    set: Vec<(String, String)>,
}

impl FileArgs {
    /// Reads it as `serve` does; the outer error is told already.
    pub(super) fn load(&self) -> Result<Result<Loaded, ConfigError>, Exit> {
        Ok(config::load(&serve::options(self.etc.as_deref(), &self.set)?))
    }
}
