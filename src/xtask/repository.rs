//! Where the repository is, and the cargo that builds it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("this program lies two folders below the root")
}

/// A cargo command, run at the root. `--locked`, so that nothing a check runs writes `Cargo.lock`.
///
/// Every check asks for `--workspace`: with the same packages chosen, dependencies are built with
/// the same features and so only once.
pub(crate) fn cargo(verb: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).arg(verb);
    if verb != "fmt" {
        command.arg("--locked");
    }
    command.args(arguments);
    command
}

/// The files below a folder with this extension, in order of their paths.
pub(crate) fn files_below(folder: &Path, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
