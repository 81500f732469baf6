//! `ClockFile`: how cluster time and this machine's wall clock stood to each other, so that the
//! time for which this node was down can be counted when it is back.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use statekeeper_machine::ClusterTime;

use super::clock::wall_ms;
use super::error::RaftError;
use super::small_file;

/// One look at both clocks.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Look {
    cluster: ClusterTime,
    wall_ms: u64,
}

/// The file that holds the last look.
#[derive(Clone, Debug)]
pub(crate) struct ClockFile {
    path: PathBuf,
}

impl ClockFile {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join("clock") }
    }

    /// Looks at both clocks. Blocks.
    pub(crate) fn write(&self, cluster: ClusterTime) -> Result<(), RaftError> {
        small_file::write(&self.path, &Look { cluster, wall_ms: wall_ms() })
    }

    /// What cluster time it may be now: the wall clock bridges the downtime, forwards only.
    pub(crate) fn bridge(&self, last: ClusterTime) -> ClusterTime {
        match small_file::read::<Look>(&self.path) {
            None => last,
            Some(look) => last.max(bridged(look, wall_ms())),
        }
    }
}

fn bridged(look: Look, wall_ms: u64) -> ClusterTime {
    look.cluster.plus_ms(wall_ms.saturating_sub(look.wall_ms))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_went_back_bridges_nothing() {
        let look = Look { cluster: ClusterTime(1_000), wall_ms: 500_000 };
        assert_eq!(bridged(look, 500_300), ClusterTime(1_300));
        assert_eq!(bridged(look, 400_000), ClusterTime(1_000));
    }

    #[test]
    fn a_file_that_does_not_check_bridges_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let file = ClockFile::new(directory.path());
        file.write(ClusterTime(9_000)).unwrap();
        assert!(file.bridge(ClusterTime(1)) >= ClusterTime(9_000));
        assert!(file.bridge(ClusterTime(u64::MAX)) == ClusterTime(u64::MAX));
        std::fs::write(directory.path().join("clock"), b"something else").unwrap();
        assert_eq!(file.bridge(ClusterTime(1)), ClusterTime(1));
    }
}
