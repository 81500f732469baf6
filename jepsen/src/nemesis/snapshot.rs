//! A node that was away while the others threw the log away: it comes back by a snapshot, under
//! load.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::json;

use super::{Arena, Claim, Fault, Proof, Started};

/// A record of the filling, of which a few hundred are more than the log may hold.
const FILLER_BYTES: usize = 16 * 1024;
const FILLERS_AT_ONCE: usize = 10;
const FILLER_KEYS: usize = 20;
const WITHIN: Duration = Duration::from_secs(5);
/// A snapshot is made beside everything else.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(20);
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(20);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// A node tells of a snapshot a moment after it has applied it.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// How a node is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Away {
    /// Its process is killed, and started again.
    Killed,
    /// Its process stands still: its clients stay connected to it and do not know.
    Paused,
}

pub(super) struct Lag {
    away: Away,
    claim: Option<Claim>,
    /// The end of its log when it was killed.
    knew: u64,
    /// The others' logs at that time.
    before: BTreeMap<usize, Log>,
    /// The leader's snapshot when its log began after what the node knew.
    thrown_away: u64,
}

impl Lag {
    pub(super) fn new(away: Away) -> Self {
        Self { away, claim: None, knew: 0, before: BTreeMap::new(), thrown_away: 0 }
    }

    /// Writes until the leader's log begins after what the node knows.
    async fn fill(&mut self, arena: &Arena) {
        let deadline = tokio::time::Instant::now() + SNAPSHOT_WITHIN;
        let mut number = 0;
        while tokio::time::Instant::now() < deadline {
            let Some(leader) = arena.leader().await else {
                tokio::time::sleep(LOOK_INTERVAL).await;
                continue;
            };
            for _ in 0..FILLERS_AT_ONCE {
                write_filler(arena, leader, number).await;
                number += 1;
            }
            let Some(status) = arena.cluster().status(leader).await else { continue };
            let (Some(before), Some(now)) =
                (self.before.get(&leader), Log::of(arena, leader).await)
            else {
                continue;
            };
            if now.bytes < now.appended.saturating_sub(before.appended) {
                self.thrown_away = status.snapshot_index;
                return;
            }
        }
    }
}

/// Figures of a node's log.
struct Log {
    /// Bytes of entries in it.
    bytes: u64,
    /// Bytes of entries that were ever appended since the node's start.
    appended: u64,
}

impl Log {
    async fn of(arena: &Arena, node: usize) -> Option<Self> {
        let address = arena.cluster().admin_address(node);
        let text = arena.cluster().admin().text(address, "/metrics").await.ok()?;
        let figure = |name: &str| {
            let line = text.lines().find(|line| line.split(' ').next() == Some(name))?;
            line.split(' ').nth(1)?.parse::<f64>().ok().map(|figure| figure as u64)
        };
        let bytes = figure("statekeeper_storage_log_bytes")?;
        let appended = figure("statekeeper_storage_appended_bytes_total")?;
        Some(Self { bytes, appended })
    }
}

async fn write_filler(arena: &Arena, leader: usize, number: usize) {
    let address = arena.cluster().admin_address(leader);
    let path = format!("/v1/maps/filler/entries/{}", number % FILLER_KEYS);
    let body = Some(json!({"value": "x".repeat(FILLER_BYTES)}));
    // A filling that is refused is no operation of the workload.
    let _ = arena.cluster().admin().ask(Method::PUT, address, &path, body, WITHIN).await;
}

impl Fault for Lag {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            if arena.voters().len() < 3 {
                bail!("a node can only lag behind two others");
            }
            let Some(claim) = arena.claim_some(1, draw).await else { return Ok(None) };
            let nodes = claim.nodes().to_vec();
            let cluster = arena.cluster();
            let Some(status) = cluster.status(nodes[0]).await else { return Ok(None) };
            match self.away {
                Away::Killed => drop(cluster.node(nodes[0]).kill()?),
                Away::Paused => cluster.node(nodes[0]).pause().await?,
            }
            self.knew = status.last_log_index;
            for other in arena.voters().into_iter().filter(|other| *other != nodes[0]) {
                if let Some(log) = Log::of(arena, other).await {
                    self.before.insert(other, log);
                }
            }
            self.claim = Some(claim);
            let detail = format!("away from log index {} on", self.knew);
            Ok(Some(Started { faulted: nodes.clone(), nodes, detail }))
        }
        .boxed()
    }

    fn hold<'a>(&'a mut self, arena: &'a Arena, _lasts: Duration) -> BoxFuture<'a, ()> {
        self.fill(arena).boxed()
    }

    fn stop<'a>(&'a mut self, arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move {
            let Some(claim) = self.claim.take() else {
                return Ok(Proof::counted(0, "nodes were away"));
            };
            let (cluster, node) = (arena.cluster(), claim.nodes()[0]);
            match self.away {
                Away::Killed => cluster.node(node).start()?,
                Away::Paused => cluster.node(node).resume()?,
            }
            let mut deadline = tokio::time::Instant::now() + CAUGHT_UP_WITHIN;
            let mut installed = 0;
            while self.thrown_away > 0 && tokio::time::Instant::now() < deadline {
                if let Some(status) = cluster.status(node).await
                    && status.applied_index >= self.thrown_away
                {
                    installed = status.snapshot_index;
                    if installed > self.knew {
                        break;
                    }
                    deadline = deadline.min(tokio::time::Instant::now() + TOLD_WITHIN);
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            let says = format!(
                "its log ended at {}, the leader's snapshot at {}, the one it came back with at {}",
                self.knew, self.thrown_away, installed
            );
            Ok(Proof { took_hold: installed > self.knew, says })
        }
        .boxed()
    }
}
