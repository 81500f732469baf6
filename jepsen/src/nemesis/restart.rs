//! Nodes that are stopped and started one after the other, as operators do it; with a newer build
//! if the cluster began with an older one.

use std::time::Duration;

use anyhow::bail;
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::{Arena, Claim, Fault, Proof, Started};

/// Which build nodes come back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Build {
    Same,
    Newer,
}

const READY_WITHIN: Duration = Duration::from_secs(30);

pub(super) struct Rolling {
    build: Build,
    claim: Option<Claim>,
    order: Vec<usize>,
    /// Who is away right now.
    away: Option<usize>,
    restarted: u64,
    failure: Option<anyhow::Error>,
}

impl Rolling {
    pub(super) fn new(build: Build) -> Self {
        Self { build, claim: None, order: Vec::new(), away: None, restarted: 0, failure: None }
    }

    /// Stops a node and waits until it serves again.
    async fn restart(&self, arena: &Arena, node: usize) -> anyhow::Result<()> {
        let cluster = arena.cluster();
        let status = cluster.node(node).stop().await?;
        if !status.success() {
            bail!("{} ended with {status} after SIGTERM", cluster.node(node).name());
        }
        cluster.node(node).set_binary(&cluster.setup().binary);
        cluster.node(node).start()?;
        cluster.wait_ready(node, READY_WITHIN).await
    }
}

impl Fault for Rolling {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            if self.build == Build::Newer && arena.cluster().setup().old_binary.is_none() {
                bail!("an upgrade needs --upgrade-from, the build that the nodes start with");
            }
            let Some(claim) = arena.claim(arena.voters()) else { return Ok(None) };
            self.order = claim.nodes().to_vec();
            self.order.shuffle(draw);
            self.claim = Some(claim);
            let nodes = self.order.clone();
            let detail = format!("rolling restart, {:?} build", self.build);
            // One node at a time is away; which one changes.
            Ok(Some(Started { faulted: nodes.clone(), nodes, detail }))
        }
        .boxed()
    }

    fn hold<'a>(&'a mut self, arena: &'a Arena, lasts: Duration) -> BoxFuture<'a, ()> {
        async move {
            // Versions are mixed for the whole time.
            let between = lasts / u32::try_from(self.order.len().max(1)).unwrap_or(1);
            for node in self.order.clone() {
                self.away = Some(node);
                if let Err(error) = self.restart(arena, node).await {
                    self.failure = Some(error);
                    return;
                }
                self.away = None;
                self.restarted += 1;
                tokio::time::sleep(between).await;
            }
        }
        .boxed()
    }

    fn stop<'a>(&'a mut self, arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move {
            self.claim = None;
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            // The run may have ended in the middle of it.
            if let Some(away) = self.away.take() {
                let node = arena.cluster().node(away);
                node.set_binary(&arena.cluster().setup().binary);
                node.wait_stopped().await?;
                node.revive()?;
                self.restarted += 1;
            }
            Ok(Proof::counted(self.restarted, "nodes were restarted by SIGTERM"))
        }
        .boxed()
    }
}
