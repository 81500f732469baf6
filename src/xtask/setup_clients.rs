//! `cargo xtask setup-clients`: fetches what the suites of real processes need, each part by the
//! ordinary client of its package source. What is present is left alone: a second run does nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::debian::{self, Need, execute, fetch};
use crate::repository::root;

/// The Java clients under test. The newest of each line that user expectations name.
const JAVA_CLIENTS: [&str; 4] = ["5.1", "4.2.8", "5.3.8", "5.7.0"];
const GSON: &str = "com.google.code.gson:gson:2.11.0";
/// A NameNode and a DataNode that fit in one process, and what they need beside them.
const HADOOP: [&str; 6] = [
    "org.apache.hadoop:hadoop-client-api:3.3.6",
    "org.apache.hadoop:hadoop-client-runtime:3.3.6",
    "org.apache.hadoop:hadoop-client-minicluster:3.3.6",
    "org.slf4j:slf4j-api:1.7.36",
    "ch.qos.reload4j:reload4j:1.2.25",
    "commons-logging:commons-logging:1.2",
];
/// Named with its version, so that no other one is looked for.
const COPY_GOAL: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";
const PROGRAMS: [Need; 15] = [
    // Network namespaces, for cut-off nodes and multicast.
    Need { probe: &["ip", "-Version"], package: "iproute2" },
    // Clients behind a translated address.
    Need { probe: &["nft", "--version"], package: "nftables" },
    // For the sample that stands in front of coordinators.
    Need { probe: &["nginx", "-v"], package: "nginx" },
    Need { probe: &["java", "-version"], package: "default-jdk-headless" },
    Need { probe: &["javac", "-version"], package: "default-jdk-headless" },
    Need { probe: &["mvn", "--version"], package: "maven" },
    Need { probe: &["python3", "-m", "ensurepip", "--version"], package: "python3-venv" },
    // For a seed directory in an HDFS that asks for Kerberos.
    Need { probe: &["sh", "-c", "ls /usr/lib/*/libgssapi_krb5.so.2"], package: "libgssapi-krb5-2" },
    // For the allocator's own build.
    Need { probe: &["make", "--version"], package: "make" },
    // Disks for the harness to break.
    Need { probe: &["mount", "--version"], package: "mount" },
    Need { probe: &["mkfs.ext4", "-V"], package: "e2fsprogs" },
    Need { probe: &["mkfs.xfs", "-V"], package: "xfsprogs" },
    // A clock that is wrong, for one process.
    Need { probe: &["faketime", "--version"], package: "faketime" },
    Need { probe: &["node", "--version"], package: "nodejs" },
    Need { probe: &["npm", "--version"], package: "npm" },
];

/// Installs runtimes and clients that are missing.
pub(crate) fn run() -> anyhow::Result<()> {
    let cache = root().join("target/clients");
    debian::ensure(&PROGRAMS)?;
    java(&cache.join("java"))?;
    python(root(), &cache.join("python"))?;
    node(root(), &cache.join("node"))
}

fn java(cache: &Path) -> anyhow::Result<()> {
    let clients = JAVA_CLIENTS.map(|version| format!("com.hazelcast:hazelcast:{version}"));
    for artifact in clients.iter().map(String::as_str).chain([GSON]).chain(HADOOP) {
        if !jar(cache, artifact)?.exists() {
            fetch(|| {
                let mut command = Command::new("mvn");
                command.args(["-q", "-B", COPY_GOAL]);
                command.arg(format!("-Dartifact={artifact}"));
                command.arg(format!("-DoutputDirectory={}", cache.display()));
                command
            })?;
        }
    }
    Ok(())
}

/// Where the copy goal puts an artifact: `<name>-<version>.jar`.
fn jar(cache: &Path, artifact: &str) -> anyhow::Result<PathBuf> {
    let mut parts = artifact.split(':').skip(1);
    let (Some(name), Some(version)) = (parts.next(), parts.next()) else {
        bail!("{artifact} is not group:name:version");
    };
    Ok(cache.join(format!("{name}-{version}.jar")))
}

fn python(root: &Path, cache: &Path) -> anyhow::Result<()> {
    let wanted = root.join("tests/clients/python/requirements.txt");
    if is_fresh(&wanted, cache)? {
        return Ok(());
    }
    execute(Command::new("python3").args(["-m", "venv", "--clear"]).arg(cache))?;
    fetch(|| {
        let mut command = Command::new(cache.join("bin/python"));
        command.args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r"]);
        command.arg(&wanted);
        command
    })?;
    mark_fresh(&wanted, cache)
}

fn node(root: &Path, cache: &Path) -> anyhow::Result<()> {
    let sources = root.join("tests/clients/node");
    let lock = sources.join("package-lock.json");
    if is_fresh(&lock, cache)? {
        return Ok(());
    }
    std::fs::create_dir_all(cache)?;
    for file in ["package.json", "package-lock.json", ".npmrc"] {
        std::fs::copy(sources.join(file), cache.join(file)).context(file)?;
    }
    fetch(|| {
        let mut command = Command::new("npm");
        command.args(["ci", "--silent"]).current_dir(cache);
        command
    })?;
    mark_fresh(&lock, cache)
}

/// Whether a folder was filled from exactly this list. The copy of the list is written last, so a
/// fetch that was cut off is done again.
fn is_fresh(list: &Path, cache: &Path) -> anyhow::Result<bool> {
    let wanted = std::fs::read(list).with_context(|| list.display().to_string())?;
    Ok(std::fs::read(stamp(cache)).is_ok_and(|have| have == wanted))
}

fn mark_fresh(list: &Path, cache: &Path) -> anyhow::Result<()> {
    std::fs::copy(list, stamp(cache))?;
    Ok(())
}

fn stamp(cache: &Path) -> PathBuf {
    cache.join("filled-from")
}
