//! Takes over what cargo has already built: to build it again would take minutes. Of our own crates
//! only those are built again that a patch touches, and what needs them.
//!
//! Cargo looks at names, hashes and times of files. The hashes are made of places below the root of
//! the workspace, so those of a copy are the same.

use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::time::SystemTime;

use anyhow::Context;

/// Small files, which cargo writes in place.
const COPIED: [&str; 2] = ["build", ".fingerprint"];
const LIBRARIES_FOLDER: &str = "deps";
/// Large ones, which it replaces.
const LINKED: [&str; 3] = ["rlib", "rmeta", "so"];

/// Fills a new `target_dir` from `built`, where the checkout itself is built. Does nothing where
/// there is nothing built, or where `target_dir` is in use already.
pub(super) fn take(built: &Path, target_dir: &Path) -> anyhow::Result<()> {
    let (from, to) = (built.join("debug"), target_dir.join("debug"));
    if to.exists() || !from.join(LIBRARIES_FOLDER).is_dir() {
        return Ok(());
    }
    for folder in COPIED {
        copy(&from.join(folder), &to.join(folder))?;
    }
    let deps = to.join(LIBRARIES_FOLDER);
    fs::create_dir_all(&deps).with_context(|| deps.display().to_string())?;
    for entry in fs::read_dir(from.join(LIBRARIES_FOLDER)).context("cannot list what was built")? {
        let path = entry?.path();
        let (Some(name), Some(end)) = (path.file_name(), path.extension()) else { continue };
        let link = end.to_str().is_some_and(|end| LINKED.contains(&end));
        if link {
            fs::hard_link(&path, deps.join(name))
                .with_context(|| format!("cannot link {}", path.display()))?;
        } else if end == "d" {
            copy_file(&path, &deps.join(name))?;
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
        copy_file(&path, &target)?;
    }
    Ok(())
}

fn copy_file(path: &Path, target: &Path) -> anyhow::Result<()> {
    fs::copy(path, target).with_context(|| format!("cannot copy {}", path.display()))?;
    let modified = fs::metadata(path).and_then(|data| data.modified())?;
    set_modified(target, modified)
}

/// Gives a file this time.
pub(super) fn set_modified(target: &Path, modified: SystemTime) -> anyhow::Result<()> {
    let open = File::options().append(true).open(target);
    open.and_then(|file| file.set_times(FileTimes::new().set_modified(modified)))
        .with_context(|| format!("cannot set the time of {}", target.display()))
}
