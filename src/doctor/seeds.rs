//! The seed directory from outside: what lies in it, and the removal of what is dead.

use super::address::{AddressFound, AddressSource, reach_each};
use crate::bootstrap::{Marker, unix_ms};
use crate::config::{Config, Discovery};
use crate::seed::{self, LockInfo, Seed, SeedDirectory, SeedError, SeedFolder, lock};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The seed directory of a configuration.
pub struct SeedStore {
    directory: SeedFolder,
    path: String,
    cluster_name: String,
    heartbeat_timeout: Duration,
}

impl std::fmt::Debug for SeedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SeedStore").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What lies in it.
#[derive(Clone, Debug)]
pub struct SeedLook {
    /// The folder.
    pub directory: String,
    /// `state-store.cluster`.
    pub cluster_name: String,
    /// `seed-store.seed.heartbeat.timeout`.
    pub heartbeat_timeout: Duration,
    /// The marker.
    pub marker: MarkerFound,
    /// The lock.
    pub lock: LockFound,
    /// The seeds, in the file's order.
    pub seeds: Vec<SeedFound>,
}

/// The marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkerFound {
    /// There is none: no cluster was founded over this folder.
    Absent,
    /// It names a cluster.
    Present(Marker),
    /// It cannot be read: why.
    Unusable(String),
}

/// The lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockFound {
    /// Nobody holds it.
    Free,
    /// It is held.
    Held {
        /// What the holder calls itself.
        holder: String,
        /// Since its last sign, by the file system's clock.
        age: Option<Duration>,
    },
    /// It lies there without a sign of its holder for longer than it lives: the next writer takes
    /// it over.
    LeftBehind {
        /// What the holder called itself.
        holder: String,
    },
    /// It cannot be told: why.
    Unknown(String),
}

/// One seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedFound {
    /// As it is written.
    pub seed: Seed,
    /// Since its time stamp, by this machine's clock; `None`: that is in the future.
    pub age: Option<Duration>,
    /// Whether it is older than the time-out.
    pub old: bool,
}

impl SeedFound {
    /// As it looks at a moment.
    pub fn at(seed: Seed, now_ms: u64, heartbeat_timeout: Duration) -> Self {
        let age_ms = i128::from(now_ms) - i128::from(seed.timestamp_ms);
        let age = u64::try_from(age_ms).ok().map(Duration::from_millis);
        Self { seed, age, old: age.is_some_and(|age| age > heartbeat_timeout) }
    }
}

impl SeedStore {
    /// Finds the folder that the configuration names. `Ok(None)`: nodes are found in another way,
    /// or the folder is absent and can be made; `seed::folder_of` tells which. Blocks.
    pub fn find(config: &Config) -> Result<Option<Self>, SeedError> {
        let Discovery::SeedDirectory(seeds) = &config.discovery else { return Ok(None) };
        let name = &config.node.cluster_name;
        let Some(directory) = seed::find(seeds, name)? else { return Ok(None) };
        Ok(Some(Self {
            path: directory.path().display().to_string(),
            directory,
            cluster_name: name.clone(),
            heartbeat_timeout: seeds.heartbeat_timeout,
        }))
    }

    /// Reads everything, changes nothing.
    ///
    /// # Errors
    /// Why the seeds cannot be read. A marker or a lock that cannot is part of the look.
    pub async fn look(&self) -> Result<SeedLook, SeedError> {
        let seeds = self.directory.read().await?;
        let now_ms = unix_ms();
        let seeds =
            seeds.into_iter().map(|seed| SeedFound::at(seed, now_ms, self.heartbeat_timeout));
        Ok(SeedLook {
            directory: self.path.clone(),
            cluster_name: self.cluster_name.clone(),
            heartbeat_timeout: self.heartbeat_timeout,
            marker: self.marker().await,
            lock: self.lock().await,
            seeds: seeds.collect(),
        })
    }

    /// Whether this user may write there.
    pub async fn check_writable(&self) -> Result<(), SeedError> {
        self.directory.check_writable().await
    }

    /// Who holds the lock now.
    pub async fn lock(&self) -> LockFound {
        match self.directory.lock_info().await {
            Ok(LockInfo { holder: None, age: None }) => LockFound::Free,
            Ok(LockInfo { holder, age }) => {
                let holder = holder.unwrap_or_else(|| "somebody without a name".to_owned());
                match age {
                    Some(age) if age >= lock::EXPIRY => LockFound::LeftBehind { holder },
                    Some(_) | None => LockFound::Held { holder, age },
                }
            }
            Err(error) => LockFound::Unknown(error.to_string()),
        }
    }

    /// Removes exactly these seeds, under the lock; one that has moved since it was judged belongs
    /// to a node that is back, and stays. Gives the locations that are gone.
    pub async fn remove(&self, judged: Vec<Seed>) -> Result<BTreeSet<String>, SeedError> {
        let asked: BTreeSet<String> = judged.iter().map(|seed| seed.location.clone()).collect();
        let judged: BTreeMap<String, i64> =
            judged.into_iter().map(|seed| (seed.location, seed.timestamp_ms)).collect();
        let left = self.directory.update(seed::without(judged)).await?;
        let left: BTreeSet<String> = left.into_iter().map(|seed| seed.location).collect();
        Ok(asked.difference(&left).cloned().collect())
    }

    async fn marker(&self) -> MarkerFound {
        match self.directory.read_marker().await {
            Ok(None) => MarkerFound::Absent,
            Ok(Some(text)) => match Marker::decode(&text) {
                Ok(marker) => MarkerFound::Present(marker),
                Err(error) => MarkerFound::Unusable(format!("its marker {error}")),
            },
            Err(error) => MarkerFound::Unusable(error.to_string()),
        }
    }
}

/// The seeds of a look, judged.
#[derive(Clone, Debug, Default)]
pub struct Sorted {
    /// All of them, in the file's order.
    pub seeds: Vec<SortedSeed>,
}

/// A seed and what is to become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortedSeed {
    /// The seed.
    pub seed: Seed,
    /// What is to become of it.
    pub judged: Judged,
}

/// What is to become of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It goes: why.
    Remove(String),
    /// It stays: why.
    Keep(String),
}

impl Sorted {
    /// Judges the seeds; only the old ones are asked for, since an embedded member logs every
    /// connection that it does not understand.
    pub async fn of(look: &SeedLook) -> Self {
        let old = look.seeds.iter().filter(|found| found.old);
        let old: Vec<String> = old.map(|found| found.seed.location.clone()).collect();
        let reached = reach_each(old, AddressSource::SeedDirectory).await.into_iter();
        let reached: BTreeMap<String, bool> =
            reached.map(|found| (found.address, found.reached.is_alive())).collect();
        let seeds = look.seeds.iter().map(|found| SortedSeed {
            seed: found.seed.clone(),
            judged: judge(found, reached.get(&found.seed.location), look.heartbeat_timeout),
        });
        Self { seeds: seeds.collect() }
    }

    /// The seeds that are to go.
    pub fn dead(&self) -> Vec<Seed> {
        let dead = self.seeds.iter().filter(|sorted| matches!(sorted.judged, Judged::Remove(_)));
        dead.map(|sorted| sorted.seed.clone()).collect()
    }
}

/// A seed goes only when it is old and nobody answers at its address.
fn judge(found: &SeedFound, answers: Option<&bool>, timeout: Duration) -> Judged {
    let limit = timeout.as_secs();
    match (found.age.map(|age| age.as_secs()), found.old, answers) {
        (None, _, _) => Judged::Keep("its time stamp is ahead of this machine's clock".to_owned()),
        (Some(age), false, _) => {
            Judged::Keep(format!("it is {age} s old, not older than the time-out of {limit} s"))
        }
        (Some(age), true, Some(false)) => {
            Judged::Remove(format!("it is {age} s old and nobody answers there"))
        }
        (Some(age), true, Some(true) | None) => {
            Judged::Keep(format!("it is {age} s old, but somebody answers there"))
        }
    }
}

impl SeedLook {
    /// Who answers at each seed, in their order.
    pub async fn probe(&self) -> Vec<AddressFound> {
        let locations = self.seeds.iter().map(|found| found.seed.location.clone()).collect();
        reach_each(locations, AddressSource::SeedDirectory).await
    }
}
