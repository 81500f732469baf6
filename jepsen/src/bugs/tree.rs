//! A copy of the repository's files that follows them: only what differs is written, so that cargo
//! builds again only what a patch has touched or had touched before.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::dependencies::set_modified;

/// Makes `copy` hold what git lists at `root`, and new files that it does not ignore.
pub(super) fn copy(root: &Path, copy: &Path) -> anyhow::Result<()> {
    // Only at first files keep their times, so that what was built of them counts: afterwards a
    // file that is as before again is newer than what was built of it in between.
    let keep_times = !copy.exists();
    fs::create_dir_all(copy).with_context(|| format!("cannot make {}", copy.display()))?;
    let mut wanted = BTreeSet::new();
    for name in listed(root)? {
        // A file that was deleted and not yet committed is listed and not there.
        let Ok(content) = fs::read(root.join(&name)) else { continue };
        let target = copy.join(&name);
        if fs::read(&target).ok().as_ref() != Some(&content) {
            let folder = target.parent().unwrap_or(copy);
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
            fs::write(&target, content)
                .with_context(|| format!("cannot write {}", target.display()))?;
            if keep_times {
                let modified = fs::metadata(root.join(&name)).and_then(|data| data.modified());
                set_modified(&target, modified.with_context(|| name.display().to_string())?)?;
            }
        }
        wanted.insert(target);
    }
    ensure!(!wanted.is_empty(), "git lists no file in {}", root.display());
    remove_others(copy, &wanted)
}

fn listed(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut list = Command::new("git");
    list.current_dir(root);
    list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = list.output().context("cannot run git")?;
    ensure!(
        output.status.success(),
        "git ls-files: {}",
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
}

/// What a patch has made, or was deleted at the root since.
fn remove_others(folder: &Path, wanted: &BTreeSet<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
        if path.is_dir() {
            remove_others(&path, wanted)?;
        } else if !wanted.contains(&path) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    fn git(root: &Path, arguments: &[&str]) {
        let done = Command::new("git").current_dir(root).args(arguments).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }

    #[test]
    fn a_copy_follows_the_working_tree_and_rewrites_only_what_differs() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (root, to) = (from.path(), to.path().join("copy"));
        git(root, &["init", "--quiet"]);
        fs::write(root.join(".gitignore"), "ignored\n").unwrap();
        fs::create_dir(root.join("src")).unwrap();
        for name in ["src/same", "src/changed", "src/gone", "ignored"] {
            fs::write(root.join(name), name).unwrap();
        }
        git(root, &["add", "."]);
        copy(root, &to).unwrap();
        assert!(!to.join("ignored").exists());
        let before = fs::metadata(to.join("src/same")).unwrap().modified().unwrap();

        fs::write(to.join("src/changed"), "patched").unwrap();
        fs::write(to.join("src/made"), "by a patch").unwrap();
        fs::remove_file(root.join("src/gone")).unwrap();
        fs::write(root.join("src/new"), "not committed").unwrap();
        copy(root, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("src/changed")).unwrap(), "src/changed");
        assert_eq!(fs::read_to_string(to.join("src/new")).unwrap(), "not committed");
        assert!(!to.join("src/made").exists() && !to.join("src/gone").exists());
        let after = fs::metadata(to.join("src/same")).unwrap().modified().unwrap();
        assert_eq!(before, after, "a file that did not change was written");
    }
}
