//! Where the clients are, and the command that starts a driver. Nothing is fetched here.

use crate::support::kind::Kind;
use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Small and quick to start: a driver does little, and several run beside each other.
const JVM_FLAGS: [&str; 5] = [
    "-Xmx256m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xshare:auto",
    "-Dhazelcast.phone.home.enabled=false",
];
/// The jars of a Hadoop cluster in one process.
const HADOOP: [&str; 6] = [
    "hadoop-client-api-3.3.6",
    "hadoop-client-runtime-3.3.6",
    "hadoop-client-minicluster-3.3.6",
    "slf4j-api-1.7.36",
    "reload4j-1.2.25",
    "commons-logging-1.2",
];
/// The real members that stand in for statekeeper when the tests themselves are proven.
const MEMBER_VERSION: &str = "5.3.8";

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn cache() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients")
}

/// The command that starts the driver of a client.
pub(crate) fn driver(kind: Kind) -> Command {
    match kind {
        Kind::Java(version) => java(version, &sources().join("java"), "Driver", &["gson-2.11.0"]),
        Kind::Python => {
            let mut command = Command::new(present(&cache().join("python/bin/python")));
            command.arg(sources().join("python/driver.py"));
            command
        }
        Kind::Node => {
            let modules = cache().join("node/node_modules");
            present(&modules.join("hazelcast-client"));
            let mut command = Command::new("node");
            command.arg(sources().join("node/driver.js")).env("NODE_PATH", modules);
            command
        }
    }
}

/// The command that starts a real Hazelcast member.
pub(crate) fn member() -> Command {
    let mut command = java(MEMBER_VERSION, &sources().join("java/member"), "Member", &[]);
    command.env("LANG", "C");
    command
}

/// The command that starts a real Hadoop cluster.
pub(crate) fn hadoop() -> Command {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openlookeng/hdfs");
    program("3.3.6", &sources, "MiniHdfs", &HADOOP)
}

/// The command that starts the stand-in for a coordinator.
pub(crate) fn coordinator() -> Command {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openlookeng/java");
    let classes = compile("jdk", &sources, "Coordinator", &[]);
    let mut command = Command::new("java");
    command.args(JVM_FLAGS).arg("-cp").arg(classes).arg("Coordinator");
    command
}

fn java(version: &str, sources: &Path, main: &str, libraries: &[&str]) -> Command {
    let client = format!("hazelcast-{version}");
    let jars: Vec<&str> = [&*client].into_iter().chain(libraries.iter().copied()).collect();
    program(version, sources, main, &jars)
}

fn program(version: &str, sources: &Path, main: &str, jars: &[&str]) -> Command {
    let jars: Vec<PathBuf> =
        jars.iter().map(|name| present(&cache().join(format!("java/{name}.jar")))).collect();
    let classes = compile(version, sources, main, &jars);
    let mut command = Command::new("java");
    command.args(JVM_FLAGS).arg("-cp").arg(class_path(&jars, &classes)).arg(main);
    command
}

/// Compiles once for each client version and state of the sources. Tests run in several processes:
/// each compiles beside and renames, and whoever comes second uses what is there.
fn compile(version: &str, sources: &Path, main: &str, jars: &[PathBuf]) -> PathBuf {
    let mut files: Vec<PathBuf> = fs::read_dir(sources)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "java"))
        .collect();
    files.sort();
    let mut hash = DefaultHasher::new();
    for file in &files {
        fs::read(file).unwrap().hash(&mut hash);
    }
    let name = format!("{}-{version}-{:016x}", main.to_lowercase(), hash.finish());
    let classes = cache().join("java/classes").join(name);
    if classes.is_dir() {
        return classes;
    }
    fs::create_dir_all(classes.parent().unwrap()).unwrap();
    let fresh = tempfile::tempdir_in(classes.parent().unwrap()).unwrap();
    let mut command = Command::new("javac");
    command.args(["-nowarn", "-Xlint:-removal", "-Xlint:-deprecation", "--release", "11", "-d"]);
    command.arg(fresh.path()).arg("-cp").arg(class_path(jars, fresh.path())).args(files);
    let Output { status, stderr, .. } = command.output().unwrap_or_else(|error| {
        panic!("javac cannot be started ({error}); run: cargo xtask setup-clients")
    });
    assert!(status.success(), "javac failed: {}", String::from_utf8_lossy(&stderr));
    let fresh = fresh.keep();
    if fs::rename(&fresh, &classes).is_err() {
        fs::remove_dir_all(&fresh).unwrap();
    }
    classes
}

fn class_path(jars: &[PathBuf], classes: &Path) -> OsString {
    std::env::join_paths(jars.iter().map(PathBuf::as_path).chain([classes])).unwrap()
}

fn present(path: &Path) -> PathBuf {
    assert!(path.exists(), "{} is missing; run: cargo xtask setup-clients", path.display());
    path.to_owned()
}
