//! The commands that start drivers. Nothing is fetched here: `cargo xtask setup-clients` does that.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use tokio::process::Command;

use super::{Kind, Options};

/// Small and quick to start.
const JVM_FLAGS: [&str; 5] = [
    "-Xmx512m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xshare:auto",
    "-Dhazelcast.phone.home.enabled=false",
];
const GSON: &str = "gson-2.11.0";

/// The command of a driver, with its log and its pipes.
pub(super) fn of(options: &Options) -> anyhow::Result<Command> {
    let mut words: Vec<std::ffi::OsString> = options.prefix.iter().map(Into::into).collect();
    match &options.kind {
        Kind::Java(version) => {
            let jars = [format!("hazelcast-{version}"), GSON.to_owned()];
            let jars = jars.iter().map(|name| fetched(&format!("java/{name}.jar")));
            let jars = jars.collect::<anyhow::Result<Vec<_>>>()?;
            words.push("java".into());
            words.extend(JVM_FLAGS.iter().map(Into::into));
            words.extend(["-cp".into(), std::env::join_paths(jars)?]);
            words.push(sources().join("java/Driver.java").into());
        }
        Kind::Python => {
            words.push(fetched("python/bin/python")?.into());
            words.push(sources().join("python/driver.py").into());
        }
    }
    let log = std::fs::File::create(&options.log)
        .with_context(|| format!("the driver's log {}", options.log.display()))?;
    let (program, arguments) = words.split_first().context("a command of no words")?;
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    Ok(command)
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers")
}

fn fetched(name: &str) -> anyhow::Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/clients").join(name);
    anyhow::ensure!(path.exists(), "{} is missing; run: cargo xtask setup-clients", path.display());
    Ok(path)
}
