//! The library that is preloaded into a process, and the block through which it is told what to
//! do: one of each for flushes, writes and the clock.

use std::env;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

/// Only the list of slots is shared: linked in, the library would stand before the harness's own
/// calls.
#[path = "../../preload/slots.rs"]
pub(super) mod slots;

const LIBRARY: &str = "libstatekeeper_preload.so";
const SLOT_BYTES: u64 = 8;

/// The control block of a process. Clones are the same block.
///
/// It is written and read as a file: the process has it mapped, and the kernel keeps the two one.
#[derive(Clone, Debug)]
pub struct Preload {
    library: PathBuf,
    path: PathBuf,
    file: Arc<File>,
}

impl Preload {
    /// Makes a block of zeros, with which everything passes through. The file must not lie on a
    /// disk that is to fail.
    ///
    /// An error if the library was not built.
    pub fn new(path: &Path) -> anyhow::Result<Preload> {
        let library = library()?;
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path);
        let file = file.with_context(|| format!("cannot make {}", path.display()))?;
        file.set_len(slots::SLOTS as u64 * SLOT_BYTES)?;
        let path = path.canonicalize().with_context(|| path.display().to_string())?;
        Ok(Preload { library, path, file: Arc::new(file) })
    }

    /// What a process is started with to obey the block; its children obey it too.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        vec![
            ("LD_PRELOAD".to_owned(), text(&self.library)),
            ("JEPSEN_FAULTS".to_owned(), text(&self.path)),
        ]
    }

    /// How many processes have obeyed the block so far.
    pub fn loaded(&self) -> anyhow::Result<u64> {
        self.read(slots::LOADED)
    }

    pub(super) fn read(&self, slot: usize) -> anyhow::Result<u64> {
        let mut bytes = [0; SLOT_BYTES as usize];
        self.file
            .read_exact_at(&mut bytes, slot as u64 * SLOT_BYTES)
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(u64::from_ne_bytes(bytes))
    }

    pub(super) fn write(&self, slot: usize, value: u64) -> anyhow::Result<()> {
        self.file
            .write_all_at(&value.to_ne_bytes(), slot as u64 * SLOT_BYTES)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Cargo puts it beside a program that it was asked to build, and into `deps` as what another
/// crate needs.
fn library() -> anyhow::Result<PathBuf> {
    let own = env::current_exe().context("where this program lies")?;
    let folders = own.ancestors().skip(1).take(2);
    let mut places = folders.flat_map(|folder| [folder.join("deps"), folder.to_owned()]);
    let Some(found) = places.find_map(|folder| {
        let path = folder.join(LIBRARY);
        path.is_file().then_some(path)
    }) else {
        bail!("{LIBRARY} is not near {}; run: cargo build -p statekeeper-jepsen", own.display());
    };
    Ok(found)
}
