//! Takes over what cargo has already built of other people's crates: to build them again would take
//! minutes, and nothing of a bug is in them.
//!
//! Cargo looks at names, hashes and times of files. Ours are built again in any case: their hashes
//! are made of the path they lie at.

use std::fs::{self, File, FileTimes};
use std::path::Path;

use anyhow::Context;

/// Small files, which cargo writes in place.
const COPIED: [&str; 2] = ["build", ".fingerprint"];
/// Large ones, which it replaces.
const LINKED: &str = "deps";
const LIBRARIES: [&str; 4] = ["rlib", "rmeta", "so", "d"];

/// Fills a new `target_dir` from `built`, where the checkout itself is built. Does nothing where
/// there is nothing built, or where `target_dir` is in use already.
pub(super) fn take(built: &Path, target_dir: &Path) -> anyhow::Result<()> {
    let (from, to) = (built.join("debug"), target_dir.join("debug"));
    if to.exists() || !from.join(LINKED).is_dir() {
        return Ok(());
    }
    for folder in COPIED {
        copy(&from.join(folder), &to.join(folder))?;
    }
    let deps = to.join(LINKED);
    fs::create_dir_all(&deps).with_context(|| deps.display().to_string())?;
    for entry in fs::read_dir(from.join(LINKED)).context("cannot list what was built")? {
        let path = entry?.path();
        let wanted = path.extension().and_then(|end| end.to_str());
        // A library of ours is never the one that is asked for, and large.
        let ours = path.to_string_lossy().contains("statekeeper");
        let Some(name) = path.file_name().filter(|_| !ours) else { continue };
        if wanted.is_some_and(|end| LIBRARIES.contains(&end)) {
            fs::hard_link(&path, deps.join(name))
                .with_context(|| format!("cannot link {}", path.display()))?;
        }
    }
    Ok(())
}

/// With the times of the files.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let (entry, path) = entry.map(|entry| (entry.file_name(), entry.path()))?;
        let target = to.join(entry);
        if path.is_dir() {
            copy(&path, &target)?;
            continue;
        }
        fs::copy(&path, &target).with_context(|| format!("cannot copy {}", path.display()))?;
        let modified = fs::metadata(&path).and_then(|data| data.modified())?;
        let open = File::options().append(true).open(&target);
        open.and_then(|file| file.set_times(FileTimes::new().set_modified(modified)))
            .with_context(|| format!("cannot set the time of {}", target.display()))?;
    }
    Ok(())
}
