//! What every kind of seed directory must do, local or HDFS: one list for both.

use crate::hadoop::Hadoop;
use futures::future::join_all;
use statekeeper::config::{Filesystem, HdfsConfig, LoadOptions, SeedDirectoryConfig};
use statekeeper::seed::SeedFolder;
use statekeeper::seed::{self, LockInfo, MARKER, Seed, SeedChange, SeedDirectory, SeedError};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

const SEEDS: &str = "seeds.txt";
const LOCK_FILES: [&str; 2] = [".lockFile", ".lockInfo"];
const SHORT_PATIENCE: Duration = Duration::from_millis(1500);
/// A lock file of this age is left behind.
const STALE: Duration = Duration::from_secs(6);

/// A file system, seen from behind the seed directory.
trait Backdoor {
    fn open(&self, cluster: &str) -> SeedFolder;
    fn write(&self, cluster: &str, name: &str, text: &str);
    fn age(&self, cluster: &str, name: &str, by: Duration);
    fn chmod(&self, cluster: &str, name: &str, mode: u32);
    fn mode(&self, cluster: &str, name: &str) -> u32;
    fn names(&self, cluster: &str) -> Vec<String>;
}

struct Mounted(tempfile::TempDir);

impl Mounted {
    fn path(&self, cluster: &str, name: &str) -> PathBuf {
        self.0.path().join(cluster).join(name)
    }
}

impl Backdoor for Mounted {
    fn open(&self, cluster: &str) -> SeedFolder {
        open(Filesystem::Local, self.0.path(), cluster)
    }

    fn write(&self, cluster: &str, name: &str, text: &str) {
        fs::write(self.path(cluster, name), text).unwrap();
    }

    fn age(&self, cluster: &str, name: &str, by: Duration) {
        let file = fs::OpenOptions::new().write(true).open(self.path(cluster, name)).unwrap();
        file.set_modified(SystemTime::now() - by).unwrap();
    }

    fn chmod(&self, cluster: &str, name: &str, mode: u32) {
        fs::set_permissions(self.path(cluster, name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(&self, cluster: &str, name: &str) -> u32 {
        fs::metadata(self.path(cluster, name)).unwrap().permissions().mode() & 0o777
    }

    fn names(&self, cluster: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(cluster, "")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

struct InHdfs {
    hadoop: Hadoop,
    config: HdfsConfig,
}

const HDFS_DIR: &str = "/opt/hetu/seedstore";

impl Backdoor for InHdfs {
    fn open(&self, cluster: &str) -> SeedFolder {
        open(Filesystem::Hdfs(self.config.clone()), Path::new(HDFS_DIR), cluster)
    }

    fn write(&self, cluster: &str, name: &str, text: &str) {
        self.hadoop.ok(&format!("write {HDFS_DIR}/{cluster}/{name} {text}"));
    }

    fn age(&self, cluster: &str, name: &str, by: Duration) {
        let by = by.as_millis();
        self.hadoop.ok(&format!("age {by} {HDFS_DIR}/{cluster}/{name}"));
    }

    fn chmod(&self, cluster: &str, name: &str, mode: u32) {
        self.hadoop.ok(&format!("chmod {mode:o} {HDFS_DIR}/{cluster}/{name}"));
    }

    fn mode(&self, cluster: &str, name: &str) -> u32 {
        let status = self.hadoop.ok(&format!("status {HDFS_DIR}/{cluster}/{name}"));
        u32::from_str_radix(status.rsplit(' ').next().unwrap(), 8).unwrap()
    }

    fn names(&self, cluster: &str) -> Vec<String> {
        let names = self.hadoop.ok(&format!("list {HDFS_DIR}/{cluster}"));
        names.split_whitespace().map(str::to_owned).collect()
    }
}

fn open(filesystem: Filesystem, seed_dir: &Path, cluster: &str) -> SeedFolder {
    let (heartbeat, heartbeat_timeout) = (Duration::from_secs(10), Duration::from_secs(60));
    let seed_dir = seed_dir.to_owned();
    let config = SeedDirectoryConfig { filesystem, seed_dir, heartbeat, heartbeat_timeout };
    seed::open(&config, cluster).unwrap()
}

/// What a node is told by a profile that names this file.
pub(crate) fn hdfs_config(core_site: &Path) -> HdfsConfig {
    let etc = tempfile::tempdir().unwrap();
    let profile = format!(
        "fs.client.type=hdfs\nhdfs.config.resources={}\nhdfs.authentication.type=NONE\n",
        core_site.display()
    );
    for (name, text) in [
        ("state-store.properties", "state-store.type=hazelcast\nhazelcast.discovery.mode=tcp-ip\n"),
        ("seed-store.properties", "seed-store.filesystem.profile=remote\n"),
        ("filesystem/remote.properties", &profile),
    ] {
        crate::support::files::write_file(etc.path(), name, text);
    }
    let options = LoadOptions { etc_dir: etc.path().into(), ..LoadOptions::default() };
    match statekeeper::config::load(&options).unwrap().config.discovery {
        statekeeper::config::Discovery::SeedDirectory(directory) => match directory.filesystem {
            Filesystem::Hdfs(config) => config,
            Filesystem::Local => panic!("a profile with fs.client.type=hdfs gave a local folder"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mounted_seed_directory_conforms() {
    conforms(&Mounted(tempfile::tempdir().unwrap()));
}

#[test]
fn a_seed_directory_in_hdfs_conforms() {
    let hadoop = Hadoop::start(1);
    let config = hdfs_config(&hadoop.core_site());
    conforms(&InHdfs { hadoop, config });
}

fn conforms(place: &dyn Backdoor) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        an_absent_folder_holds_nothing(place).await;
        contending_writers_lose_no_seed_and_leave_nothing(place).await;
        a_fresh_lock_is_respected_and_a_stale_one_taken_over(place).await;
        modes_are_kept_and_new_files_are_readable_by_all(place).await;
        garbage_is_named_and_left_alone(place).await;
        one_of_many_creates_the_marker(place).await;
    });
}

async fn an_absent_folder_holds_nothing(place: &dyn Backdoor) {
    let directory = place.open("absent");
    assert_eq!(directory.read().await.unwrap(), []);
    assert_eq!(directory.read_marker().await.unwrap(), None);
    assert_eq!(directory.lock_info().await.unwrap(), LockInfo { holder: None, age: None });
}

async fn contending_writers_lose_no_seed_and_leave_nothing(place: &dyn Backdoor) {
    let writers: Vec<SeedFolder> = (0..4).map(|_| place.open("contended")).collect();
    let all = writers.iter().enumerate().map(|(n, at)| at.update(add(&format!("10.0.0.{n}:1"))));
    for written in join_all(all).await {
        written.unwrap();
    }
    assert_eq!(writers[0].read().await.unwrap().len(), 4);
    assert_eq!(place.names("contended"), [SEEDS], "no lock and no temporary file is left");
}

async fn a_fresh_lock_is_respected_and_a_stale_one_taken_over(place: &dyn Backdoor) {
    let directory = place.open("locked").with_patience(SHORT_PATIENCE);
    directory.update(add("a:1")).await.unwrap();
    LOCK_FILES.iter().for_each(|name| place.write("locked", name, "someone-else"));
    let info = directory.lock_info().await.unwrap();
    assert_eq!(info.holder.as_deref(), Some("someone-else"));
    assert!(info.age.is_some_and(|age| age < STALE), "{info:?}");
    let refused = directory.update(add("b:1")).await;
    assert!(matches!(refused, Err(SeedError::Locked { .. })), "{refused:?}");
    assert_eq!(directory.read().await.unwrap(), [seed("a:1")], "reading takes no lock");
    LOCK_FILES.iter().for_each(|name| place.age("locked", name, STALE));
    let start = Instant::now();
    directory.update(add("b:1")).await.unwrap();
    assert!(start.elapsed() < STALE, "a stale lock was waited for");
}

async fn modes_are_kept_and_new_files_are_readable_by_all(place: &dyn Backdoor) {
    let directory = place.open("modes");
    directory.update(add("a:1")).await.unwrap();
    assert_eq!(place.mode("modes", SEEDS), 0o644);
    assert_eq!(place.mode("modes", "") & 0o755, 0o755, "others may look into the folder");
    place.chmod("modes", SEEDS, 0o664);
    directory.update(add("b:1")).await.unwrap();
    assert_eq!(place.mode("modes", SEEDS), 0o664);
}

async fn garbage_is_named_and_left_alone(place: &dyn Backdoor) {
    let directory = place.open("damaged");
    directory.update(add("a:1")).await.unwrap();
    place.write("damaged", SEEDS, "rO0ABX");
    let error = directory.update(add("b:1")).await.unwrap_err();
    assert!(matches!(error, SeedError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("damaged/seeds.txt"), "{error}");
    assert_eq!(place.names("damaged"), [SEEDS], "the lock is given back");
    place.write("damaged", SEEDS, &"A".repeat((1 << 20) + 1));
    let error = directory.read().await.unwrap_err();
    assert!(matches!(error, SeedError::TooLarge { .. }), "{error:?}");
}

async fn one_of_many_creates_the_marker(place: &dyn Backdoor) {
    let founders: Vec<SeedFolder> = (0..4).map(|_| place.open("marked")).collect();
    let texts: Vec<Vec<u8>> = (0..4).map(|n| format!("founder-{n}").into_bytes()).collect();
    let all = founders.iter().zip(&texts).map(|(at, text)| at.create_marker(text.clone()));
    let created: Vec<bool> =
        join_all(all).await.into_iter().map(|created| created.unwrap()).collect();
    let winner = created.iter().position(|created| *created).unwrap();
    assert_eq!(created.iter().filter(|created| **created).count(), 1, "{created:?}");
    let marker = founders[0].read_marker().await.unwrap().unwrap();
    assert_eq!(marker, texts[winner], "whole, and the winner's");
    founders[winner].rewrite_marker(b"again".to_vec()).await.unwrap();
    assert_eq!(founders[0].read_marker().await.unwrap().unwrap(), b"again");
    assert_eq!(place.names("marked"), [MARKER]);
}

fn seed(location: &str) -> Seed {
    Seed { location: location.to_owned(), timestamp_ms: 1 }
}

fn add(location: &str) -> SeedChange {
    let seed = seed(location);
    Box::new(move |mut seeds| {
        seeds.push(seed);
        seeds
    })
}
