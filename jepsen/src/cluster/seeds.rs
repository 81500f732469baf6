//! The seed directory of a run, as somebody sees it who only reads its file.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{CLUSTER_NAME, Cluster, LOOK_INTERVAL, Setup, Unwell};

/// The seed's own interval and time-out in a run, milliseconds: a run sees both pass.
pub(super) const TIMING: &str =
    "seed-store.seed.heartbeat=1000\nseed-store.seed.heartbeat.timeout=4000\n";

/// The directory that all nodes mount.
pub(super) fn directory(setup: &Setup) -> PathBuf {
    setup.folder.join("seeds")
}

/// Whether a seed file names this location. A location stands in an entry with its length in two
/// bytes before it, so a longer one that ends alike is another.
fn names(text: &str, location: &str) -> bool {
    let length = u16::try_from(location.len()).unwrap_or(u16::MAX).to_be_bytes();
    let wanted = [&length[..], location.as_bytes()].concat();
    text.split(',')
        .filter_map(|entry| STANDARD.decode(entry.trim()).ok())
        .any(|entry| entry.windows(wanted.len()).any(|part| part == wanted.as_slice()))
}

impl Cluster {
    /// The folder of the cluster in the seed directory.
    pub fn seed_folder(&self) -> PathBuf {
        directory(&self.setup).join(CLUSTER_NAME)
    }

    /// Whether the seed file names a node now.
    pub fn is_seed(&self, node: usize) -> bool {
        let text = fs::read_to_string(self.seed_folder().join("seeds.txt")).unwrap_or_default();
        names(&text, &self.client_address(node).to_string())
    }

    /// Removes everything in the folder of the cluster; gives how many files there were.
    ///
    /// # Errors
    /// The folder cannot be read, or a file not removed.
    pub fn empty_seed_folder(&self) -> anyhow::Result<u64> {
        let folder = self.seed_folder();
        let mut removed = 0;
        for file in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = file?.path();
            match fs::remove_file(&path) {
                Ok(()) => removed += 1,
                // A lock's file goes by itself.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).context(path.display().to_string()),
            }
        }
        Ok(removed)
    }

    /// Waits until the seed file names each of these nodes.
    ///
    /// # Errors
    /// It does not within the time.
    pub async fn wait_seeds(&self, nodes: &[usize], within: Duration) -> anyhow::Result<()> {
        let begin = Instant::now();
        while let Some(node) = nodes.iter().find(|node| !self.is_seed(**node)) {
            if begin.elapsed() >= within {
                let called = super::name(*node);
                let what = format!("after {within:?} the seed file does not name {called}");
                return Err(Unwell(what).into());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_named_by_its_whole_location() {
        let entry = |location: &str| {
            let length = u8::try_from(location.len()).unwrap();
            STANDARD.encode([&[0xac, 0xed, 0, length], location.as_bytes(), b"t"].concat())
        };
        let text = format!("{},{}", entry("10.0.0.1:5701"), entry("10.0.0.12:5701"));
        assert!(names(&text, "10.0.0.1:5701") && names(&text, "10.0.0.12:5701"));
        assert!(!names(&text, "0.0.0.1:5701") && !names(&text, "10.0.0.2:5701"));
        assert!(!names("", "10.0.0.1:5701") && !names("%%", "10.0.0.1:5701"));
    }
}
