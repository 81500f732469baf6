//! Flushes that are slow, hang, or fail.

use std::time::Duration;

use anyhow::Context;
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::Rng;
use rand::rngs::StdRng;

use super::{Arena, Claim, Fault, Proof, Started};
use crate::cluster::Unwell;
use crate::cluster::disk::{FlushFaults, Times};

/// What flushes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Slow,
    Stalled,
    Failing,
}

/// A node that is cut off from a leader has nothing to flush until another fault ends.
const FLUSHES_WITHIN: Duration = Duration::from_secs(10);
/// After a failed flush a node must stop: what the disk has is unknown from then on.
const STOPS_WITHIN: Duration = Duration::from_secs(10);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

pub(super) struct Flush {
    kind: Kind,
    claim: Option<Claim>,
    before: u64,
}

impl Flush {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, claim: None, before: 0 }
    }
}

fn faults(arena: &Arena, node: usize) -> anyhow::Result<&FlushFaults> {
    let preloads = arena.cluster().node(node).preloads();
    preloads.flush.as_ref().context("a node whose flushes cannot be spoilt")
}

impl Fault for Flush {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            let Some(claim) = arena.claim_some(1, draw).await else { return Ok(None) };
            let nodes = claim.nodes().to_vec();
            let flush = faults(arena, nodes[0])?;
            self.before = flush.affected()?;
            let detail = match self.kind {
                Kind::Slow => {
                    let by = Duration::from_millis(draw.random_range(20..250));
                    flush.slow(by)?;
                    format!("each flush takes {by:?} longer")
                }
                Kind::Stalled => {
                    flush.hang()?;
                    "flushes hang".to_owned()
                }
                Kind::Failing => {
                    arena.cluster().node(nodes[0]).set_may_end(true);
                    flush.fail(Times::Next(1))?;
                    "the next flush fails".to_owned()
                }
            };
            self.claim = Some(claim);
            Ok(Some(Started { faulted: nodes.clone(), nodes, detail }))
        }
        .boxed()
    }

    fn stop<'a>(&'a mut self, arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move {
            let claim = self.claim.take().context("a disk with a fault")?;
            let (number, node) = (claim.nodes()[0], arena.cluster().node(claim.nodes()[0]));
            let flush = faults(arena, number)?;
            let deadline = tokio::time::Instant::now() + FLUSHES_WITHIN;
            while flush.affected()? == self.before && tokio::time::Instant::now() < deadline {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            let affected = flush.affected()? - self.before;
            flush.heal()?;
            if self.kind == Kind::Failing && affected > 0 {
                let deadline = tokio::time::Instant::now() + STOPS_WITHIN;
                while node.ended()?.is_none() {
                    if tokio::time::Instant::now() >= deadline {
                        let what = format!("{} ran on after a failed flush", node.name());
                        return Err(Unwell(what).into());
                    }
                    tokio::time::sleep(LOOK_INTERVAL).await;
                }
            }
            node.revive()?;
            Ok(Proof::counted(affected, &format!("flushes were {:?}", self.kind)))
        }
        .boxed()
    }
}
