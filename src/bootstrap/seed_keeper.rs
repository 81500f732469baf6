//! Keeps this node's seed fresh and the marker in its place, and as leader removes the seeds of
//! dead nodes.
//!
//! Timestamps of different machines are never compared: a seed is old when its timestamp has not
//! moved for the time-out by this node's own monotonic clock.

use super::ask::{AskError, ask, unix_ms};
use super::founding::Founding;
use super::limits::{ASKS_IN_FLIGHT_MAX, DEFAULT_PORTS};
use super::marker::Marker;
use super::peer_protocol::Question;
use super::peer_responder::PeerResponder;
use super::peer_source::read_marker;
use super::view::MarkerView;
use crate::discovery::tcp_ip::SeedAddress;
use crate::seed::{self, LockInfo, Seed, SeedDirectory, SeedError};
use futures::StreamExt;
use parking_lot::Mutex;
use statekeeper_machine::ClusterId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Clients and embedded members drop a seed after a minute; openLooKeng's own interval.
const HEARTBEAT_MAX: Duration = Duration::from_secs(10);
/// How often marker and seeds are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long an orderly stop may take for the seed: another node may hold the lock for a while.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(8);
/// One question to a node that may be dead.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a seed is written and when it counts as old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedTiming {
    /// The own seed is written so often.
    pub heartbeat: Duration,
    /// A seed that stands still for so long is asked whether its node lives.
    pub timeout: Duration,
    /// Marker and seeds are looked at so often.
    pub look_interval: Duration,
}

impl SeedTiming {
    /// From `seed-store.seed.heartbeat` and its time-out.
    pub fn new(heartbeat: Duration, timeout: Duration) -> Self {
        Self { heartbeat: heartbeat.min(HEARTBEAT_MAX), timeout, look_interval: LOOK_INTERVAL }
    }
}

/// One seed as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedRow {
    /// `host:port` as clients reach the node.
    pub location: String,
    /// When its node says it last wrote it, by that node's clock.
    pub timestamp_ms: i64,
    /// Since its timestamp last moved, by this node's clock.
    pub unchanged_for: Duration,
    /// Whether somebody answered there when last asked; `None`: not asked yet.
    pub reachable: Option<bool>,
    /// It is this node's.
    pub own: bool,
}

/// This node's part in one seed directory.
pub struct SeedKeeper {
    directory: Arc<dyn SeedDirectory>,
    responder: PeerResponder,
    timing: SeedTiming,
    leading: AtomicBool,
    /// Held during a look: two at once would write the seed twice.
    looking: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    seeds: BTreeMap<String, KnownSeed>,
    refreshed: Option<Instant>,
    marker: Option<Marker>,
    trouble: Option<String>,
}

#[derive(Debug)]
struct KnownSeed {
    timestamp_ms: i64,
    since: Instant,
    reachable: Option<bool>,
    asked: Option<Instant>,
}

impl KnownSeed {
    /// Stands still for the time-out, and was not asked in that time: an embedded member that
    /// lives without refreshing its seed logs every connection it does not understand.
    fn is_suspect(&self, timeout: Duration) -> bool {
        let asked_lately = self.asked.is_some_and(|at| at.elapsed() < timeout);
        self.since.elapsed() >= timeout && !asked_lately
    }
}

impl std::fmt::Debug for SeedKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SeedKeeper").field("timing", &self.timing).finish_non_exhaustive()
    }
}

impl SeedKeeper {
    /// Keeps the seed of the node that answers through this responder.
    pub fn new(
        directory: Arc<dyn SeedDirectory>,
        responder: PeerResponder,
        timing: SeedTiming,
    ) -> Self {
        let (leading, known) = (AtomicBool::new(false), Mutex::default());
        let looking = tokio::sync::Mutex::default();
        Self { directory, responder, timing, leading, looking, known }
    }

    /// Looks after seed and marker once a second until the token ends, then removes the own seed.
    pub async fn run(&self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(self.timing.look_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.look() => {}
            }
        }
        match tokio::time::timeout(REMOVAL_TIMEOUT, self.remove_own()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "own seed not removed"),
            Err(_) => tracing::warn!("own seed not removed in time"),
        }
    }

    /// Tells whether this node leads: only the leader removes the seeds of others.
    pub fn set_leading(&self, leading: bool) {
        self.leading.store(leading, Ordering::Relaxed);
    }

    /// The directory.
    pub fn directory(&self) -> &dyn SeedDirectory {
        &*self.directory
    }

    /// All seeds as of the last look, in order of their locations.
    pub fn rows(&self) -> Vec<SeedRow> {
        let known = self.known.lock();
        let rows = known.seeds.iter().map(|(location, seed)| SeedRow {
            location: location.clone(),
            timestamp_ms: seed.timestamp_ms,
            unchanged_for: seed.since.elapsed(),
            reachable: seed.reachable,
            own: *location == self.location(),
        });
        rows.collect()
    }

    /// Asks at every seed whether somebody is there; the rows then say.
    pub async fn probe(&self) {
        let locations: Vec<String> = self.known.lock().seeds.keys().cloned().collect();
        self.reach(locations).await;
    }

    /// Who holds the lock of the directory.
    pub async fn lock_info(&self) -> Result<LockInfo, SeedError> {
        self.directory.lock_info().await
    }

    /// Why the directory could not be used at the last look; `None`: it could.
    pub fn trouble(&self) -> Option<String> {
        self.known.lock().trouble.clone()
    }

    /// Removes the seeds that are old and at whose address nobody answers; gives their locations.
    pub async fn prune(&self) -> Result<Vec<String>, SeedError> {
        let old: Vec<String> = {
            let known = self.known.lock();
            let old = known.seeds.iter().filter(|(location, seed)| {
                **location != self.location() && seed.is_suspect(self.timing.timeout)
            });
            old.map(|(location, _)| location.clone()).collect()
        };
        if old.is_empty() {
            return Ok(Vec::new());
        }
        let dead = self.reach(old).await;
        let judged: BTreeMap<String, i64> = {
            let known = self.known.lock();
            let judged = known.seeds.iter().filter(|(location, _)| dead.contains(*location));
            judged.map(|(location, seed)| (location.clone(), seed.timestamp_ms)).collect()
        };
        if judged.is_empty() {
            return Ok(Vec::new());
        }
        let gone = judged.keys().cloned().collect();
        self.directory.update(seed::without(judged)).await?;
        Ok(gone)
    }

    /// One look: writes the own seed when it is missing or due, the marker when it is missing, and
    /// prunes when this node leads. Trouble is told once, until it is over.
    pub(crate) async fn look(&self) {
        let _one_at_a_time = self.looking.lock().await;
        let trouble = match self.look_once().await {
            Ok(trouble) => trouble,
            Err(error) => Some(error.to_string()),
        };
        let before = std::mem::replace(&mut self.known.lock().trouble, trouble.clone());
        match trouble {
            Some(reason) if before.as_ref() != Some(&reason) => {
                tracing::warn!("seed directory: {reason}");
            }
            None if before.is_some() => tracing::info!("seed directory usable again"),
            Some(_) | None => {}
        }
    }

    async fn look_once(&self) -> Result<Option<String>, SeedError> {
        let seeds = self.directory.read().await?;
        let here = seeds.iter().any(|seed| seed.location == self.location());
        let refreshed = self.known.lock().refreshed;
        let due = refreshed.is_none_or(|at| at.elapsed() >= self.timing.heartbeat);
        let seeds = if here && !due { seeds } else { self.refresh().await? };
        self.note(&seeds);
        let trouble = match self.responder.standing().cluster_id {
            Some(cluster_id) => self.keep_marker(cluster_id).await?,
            None => None,
        };
        if self.leading.load(Ordering::Relaxed) {
            for location in self.prune().await? {
                tracing::info!(location, "removed the seed of a dead node");
            }
        }
        Ok(trouble)
    }

    async fn refresh(&self) -> Result<Vec<Seed>, SeedError> {
        let location = self.location().to_owned();
        let timestamp_ms = i64::try_from(unix_ms()).unwrap_or(i64::MAX);
        let written = self
            .directory
            .update(Box::new(move |mut seeds| {
                seeds.retain(|seed| seed.location != location);
                seeds.push(Seed { location, timestamp_ms });
                seeds
            }))
            .await?;
        self.known.lock().refreshed = Some(Instant::now());
        Ok(written)
    }

    /// Writes the marker again when somebody emptied the directory under a running cluster.
    async fn keep_marker(&self, cluster_id: ClusterId) -> Result<Option<String>, SeedError> {
        match read_marker(&*self.directory, self.responder.terms()).await {
            MarkerView::Present(marker) if marker.founding.cluster_id == cluster_id => {
                self.known.lock().marker = Some(marker);
                Ok(None)
            }
            MarkerView::Present(marker) => {
                let other = marker.founding.cluster_id;
                let reason = "stop one of the two clusters";
                Ok(Some(format!("its marker names cluster {other}, not {cluster_id}; {reason}")))
            }
            MarkerView::Absent => {
                let remembered = self.known.lock().marker.clone();
                let marker = remembered.unwrap_or_else(|| self.new_marker(cluster_id));
                if self.directory.create_marker(marker.encode()).await? {
                    tracing::info!(%cluster_id, "wrote the marker of the seed directory");
                }
                Ok(None)
            }
            MarkerView::Unreadable(reason) => Ok(Some(reason)),
            MarkerView::Unused => Ok(None),
        }
    }

    /// For a node that never saw the marker of its cluster.
    fn new_marker(&self, cluster_id: ClusterId) -> Marker {
        let own = self.responder.own().clone();
        let founding = Founding { founder: own.node, cluster_id, members: vec![own] };
        Marker { cluster_name: self.responder.terms().cluster_name.clone(), founding }
    }

    async fn remove_own(&self) -> Result<Vec<Seed>, SeedError> {
        let location = self.location().to_owned();
        self.directory
            .update(Box::new(move |mut seeds| {
                seeds.retain(|seed| seed.location != location);
                seeds
            }))
            .await
    }

    fn location(&self) -> &str {
        &self.responder.own().client_address
    }

    fn note(&self, seeds: &[Seed]) {
        let mut known = self.known.lock();
        let there: BTreeSet<&str> = seeds.iter().map(|seed| seed.location.as_str()).collect();
        known.seeds.retain(|location, _| there.contains(location.as_str()));
        for Seed { location, timestamp_ms } in seeds {
            let (timestamp_ms, since) = (*timestamp_ms, Instant::now());
            let new = KnownSeed { timestamp_ms, since, reachable: None, asked: None };
            let seed = known.seeds.entry(location.clone()).or_insert(new);
            if seed.timestamp_ms != timestamp_ms {
                (seed.timestamp_ms, seed.since) = (timestamp_ms, since);
            }
        }
    }

    /// Asks at these locations, remembers the outcome, and gives those where nobody is.
    async fn reach(&self, locations: Vec<String>) -> BTreeSet<String> {
        let asked = locations.into_iter().map(|location| async move {
            let alive = is_answered(&location).await;
            (location, alive)
        });
        let asked = futures::stream::iter(asked).buffer_unordered(ASKS_IN_FLIGHT_MAX);
        let answers: Vec<(String, bool)> = asked.collect().await;
        let mut known = self.known.lock();
        for (location, alive) in &answers {
            if let Some(seed) = known.seeds.get_mut(location) {
                (seed.reachable, seed.asked) = (Some(*alive), Some(Instant::now()));
            }
        }
        let dead = answers.into_iter().filter(|(_, alive)| !alive);
        dead.map(|(location, _)| location).collect()
    }
}

/// Whether anything takes a connection there, a node or not: an embedded member lives as well.
async fn is_answered(location: &str) -> bool {
    let Ok(address) = SeedAddress::parse(location) else { return false };
    let resolved = tokio::time::timeout(PROBE_TIMEOUT, address.resolve(&DEFAULT_PORTS)).await;
    let Ok(Ok(addresses)) = resolved else { return false };
    match ask(&*addresses, &Question::Ask, PROBE_TIMEOUT).await {
        Ok(_) | Err(AskError::Foreign | AskError::OtherVersion(_)) => true,
        Err(AskError::Refused | AskError::Timeout | AskError::Unreachable(_)) => false,
    }
}
