//! What we build on: licences, sources and second versions, as the lock file has them.
//!
//! Stands in for cargo-deny, which would have to be built first (decision 8). Not here: security
//! advisories, which need a list from the network.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::repository::cargo;

/// What is built and shipped; other platforms' dependencies are in the lock file only.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";
const SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// Licences that go with Apache-2.0 and ask for no more than a notice.
const LICENCES: [&str; 6] = ["Apache-2.0", "BSD-3-Clause", "ISC", "MIT", "Unicode-3.0", "Zlib"];
/// Crates of which two versions are built, and why that is borne.
const TWICE: [(&str, &str); 10] = [
    ("base64", "reqwest is on 0.23 already; ours follows with the next change of its callers"),
    ("cpufeatures", "sha2 0.10, of openraft's quorum-set, against chacha20 of rand 0.10"),
    ("embedded-io", "postcard offers both; neither is compiled, both are features switched off"),
    ("getrandom", "rand 0.9 of ours against rand 0.10 of openraft"),
    ("itertools", "criterion, for benchmarks only, is on 0.13; openraft on 0.15"),
    ("parking_lot", "sled 0.34 is pinned and stays on 0.11"),
    ("parking_lot_core", "with parking_lot"),
    ("rand", "ours is 0.9; openraft needs 0.10; 0.8 is of the feature failpoints only"),
    ("rand_core", "with rand"),
    ("syn", "at build time only: derive macros move from 2 to 3 one by one"),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
}

/// Fails with every dependency that breaks a rule.
pub(crate) fn check() -> anyhow::Result<()> {
    let output = cargo("metadata", &["--format-version", "1", "--filter-platform", PLATFORM])
        .output()
        .context("cannot start cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let mut metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    let built: BTreeSet<&str> = metadata.resolve.nodes.iter().map(|node| &*node.id).collect();
    metadata.packages.retain(|package| built.contains(&*package.id));
    let faults = faults(&metadata.packages, &TWICE);
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

fn faults(packages: &[Package], twice: &[(&str, &str)]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        let Package { name, version, .. } = package;
        versions.entry(name).or_default().push(version);
        // Our own: no source, and the licence of the workspace.
        if package.source.as_deref().is_some_and(|source| source != SOURCE) {
            faults.push(format!("{name} {version} does not come from crates.io"));
        }
        let licence = package.license.as_deref().unwrap_or_default();
        if !allows(licence, &LICENCES) {
            faults.push(format!("{name} {version} has the licence \"{licence}\""));
        }
    }
    for (name, versions) in &versions {
        if versions.len() > 1 && !twice.iter().any(|(known, _)| known == name) {
            faults.push(format!("{name} is built as {}: say why in TWICE", versions.join(", ")));
        }
    }
    for (name, _) in twice {
        if versions.get(name).is_none_or(|versions| versions.len() < 2) {
            faults.push(format!("{name} is built once: remove it from TWICE"));
        }
    }
    faults
}

/// Whether an SPDX expression can be met with these licences. `/` is the old way to write `OR`.
fn allows(expression: &str, licences: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    let allowed = any(&mut rest, licences);
    allowed == Some(true) && rest.is_empty()
}

/// `None` when the expression cannot be read.
fn any(words: &mut &[&str], licences: &[&str]) -> Option<bool> {
    let mut allowed = all(words, licences)?;
    while words.first() == Some(&"OR") {
        *words = &words[1..];
        allowed |= all(words, licences)?;
    }
    Some(allowed)
}

fn all(words: &mut &[&str], licences: &[&str]) -> Option<bool> {
    let mut allowed = one(words, licences)?;
    while words.first() == Some(&"AND") {
        *words = &words[1..];
        allowed &= one(words, licences)?;
    }
    Some(allowed)
}

fn one(words: &mut &[&str], licences: &[&str]) -> Option<bool> {
    let (first, rest) = words.split_first()?;
    *words = rest;
    if *first == "(" {
        let allowed = any(words, licences)?;
        let rest = words.strip_prefix(&[")"])?;
        *words = rest;
        return Some(allowed);
    }
    // An exception only ever allows more, but which one it is would have to be read.
    if let [with, _, rest @ ..] = *words
        && *with == "WITH"
    {
        *words = rest;
        return Some(false);
    }
    Some(licences.contains(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_expressions_are_read_as_spdx_means_them() {
        let allowed = |expression| allows(expression, &["MIT", "BSD-3-Clause"]);
        for good in [
            "MIT",
            "MIT OR Apache-2.0",
            "Apache-2.0/MIT",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "(Apache-2.0 OR MIT) AND BSD-3-Clause",
        ] {
            assert!(allowed(good), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT MIT", "MIT WITH something"] {
            assert!(!allowed(bad), "{bad}");
        }
    }

    fn package(name: &str, version: &str, license: &str, source: &str) -> Package {
        let source = Some(source.to_owned()).filter(|source| !source.is_empty());
        let license = Some(license.to_owned());
        Package { id: String::new(), name: name.into(), version: version.into(), license, source }
    }

    #[test]
    fn each_broken_rule_is_named() {
        let packages = [
            package("ours", "1.0.0", "Apache-2.0", ""),
            package("good", "1.0.0", "MIT", SOURCE),
            package("good", "2.0.0", "MIT", SOURCE),
            package("borne", "1.0.0", "MIT", SOURCE),
            package("borne", "2.0.0", "MIT", SOURCE),
            package("copyleft", "1.0.0", "GPL-3.0", SOURCE),
            package("forked", "1.0.0", "MIT", "git+https://example.org/forked"),
        ];
        let found = faults(&packages, &[("borne", "a reason"), ("gone", "a reason")]).join("\n");
        assert_eq!(
            found,
            "copyleft 1.0.0 has the licence \"GPL-3.0\"\n\
             forked 1.0.0 does not come from crates.io\n\
             good is built as 1.0.0, 2.0.0: say why in TWICE\n\
             gone is built once: remove it from TWICE"
        );
    }
}
