//! A node that was away while the others threw the log away: it comes back by a snapshot, under
//! load.

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
const FILLERS: usize = 200;
const FILLER_KEYS: usize = 20;
const WITHIN: Duration = Duration::from_secs(5);
/// A snapshot is made beside everything else.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(20);
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(20);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

pub(super) struct Lag {
    claim: Option<Claim>,
    /// The end of its log when it was killed.
    knew: u64,
    /// Where the others' snapshots begin to be needed.
    thrown_away: u64,
}

impl Lag {
    pub(super) fn new() -> Self {
        Self { claim: None, knew: 0, thrown_away: 0 }
    }

    /// Writes until the leader has a snapshot past what the node knows.
    async fn fill(&mut self, arena: &Arena) {
        let cluster = arena.cluster();
        let deadline = tokio::time::Instant::now() + SNAPSHOT_WITHIN;
        let text = "x".repeat(FILLER_BYTES);
        let mut number = 0;
        while tokio::time::Instant::now() < deadline {
            let Some(leader) = arena.leader().await else {
                tokio::time::sleep(LOOK_INTERVAL).await;
                continue;
            };
            let address = cluster.admin_address(leader);
            if number < FILLERS || number.is_multiple_of(10) {
                let path = format!("/v1/maps/filler/entries/{}", number % FILLER_KEYS);
                let body = Some(json!({"value": text}));
                // A filling that is refused is no operation of the workload.
                let _ = cluster.admin().ask(Method::PUT, address, &path, body, WITHIN).await;
            } else {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            number += 1;
            if number.is_multiple_of(10)
                && let Some(status) = cluster.status(leader).await
                && status.snapshot_index > self.knew
            {
                self.thrown_away = status.snapshot_index;
                if number >= FILLERS {
                    return;
                }
            }
        }
    }
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
            cluster.node(nodes[0]).kill()?;
            self.knew = status.last_log_index;
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
            cluster.node(node).start()?;
            let deadline = tokio::time::Instant::now() + CAUGHT_UP_WITHIN;
            let mut installed = 0;
            while self.thrown_away > 0 && tokio::time::Instant::now() < deadline {
                if let Some(status) = cluster.status(node).await
                    && status.applied_index >= self.thrown_away
                {
                    installed = status.snapshot_index;
                    break;
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
