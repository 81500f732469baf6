//! `cargo xtask setup-clients`: fetches what `tests/clients/` needs, each part by the ordinary
//! client of its package source. What is present is left alone, so a second run does nothing.

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The Java clients under test. The newest of each line that user expectations name.
const JAVA_CLIENTS: [&str; 4] = ["5.1", "4.2.8", "5.3.8", "5.7.0"];
const GSON: &str = "com.google.code.gson:gson:2.11.0";
/// Named with its version, so that no other one is looked for.
const COPY_GOAL: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";
/// A command that must run, and the Debian package that brings it.
const RUNTIMES: [(&[&str], &str); 6] = [
    (&["java", "-version"], "default-jdk-headless"),
    (&["javac", "-version"], "default-jdk-headless"),
    (&["mvn", "--version"], "maven"),
    (&["python3", "-m", "ensurepip", "--version"], "python3-venv"),
    (&["node", "--version"], "nodejs"),
    (&["npm", "--version"], "npm"),
];

/// Installs runtimes and clients that are missing.
pub(crate) fn run() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .context("the program lies two folders below the root")?;
    let cache = root.join("target/clients");
    runtimes()?;
    java(&cache.join("java"))?;
    python(root, &cache.join("python"))?;
    node(root, &cache.join("node"))
}

fn runtimes() -> anyhow::Result<()> {
    let mut missing: Vec<&str> =
        RUNTIMES.iter().filter(|(probe, _)| !runs(probe)).map(|(_, package)| *package).collect();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    if !runs(&["apt-get", "--version"]) || !is_root() {
        bail!("please install (these are Debian's names): {}", missing.join(" "));
    }
    execute(Command::new("apt-get").args(["update", "-q"]))?;
    execute(
        Command::new("apt-get")
            .args(["install", "-q", "-y", "--no-install-recommends"])
            .args(&missing)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

fn java(cache: &Path) -> anyhow::Result<()> {
    let clients = JAVA_CLIENTS.map(|version| format!("com.hazelcast:hazelcast:{version}"));
    for artifact in clients.iter().map(String::as_str).chain([GSON]) {
        if !jar(cache, artifact)?.exists() {
            execute(
                Command::new("mvn")
                    .args(["-q", "-B", COPY_GOAL])
                    .arg(format!("-Dartifact={artifact}"))
                    .arg(format!("-DoutputDirectory={}", cache.display())),
            )?;
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
    execute(
        Command::new(cache.join("bin/python"))
            .args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r"])
            .arg(&wanted),
    )?;
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
    execute(Command::new("npm").args(["ci", "--silent"]).current_dir(cache))?;
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

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

fn runs(probe: &[&str]) -> bool {
    let status = Command::new(probe[0])
        .args(&probe[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn execute(command: &mut Command) -> anyhow::Result<()> {
    eprintln!("setup-clients: {command:?}");
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
