//! A disk without room: the node refuses, or stops and says so; it loses nothing.

use anyhow::Context;
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::Rng;
use rand::rngs::StdRng;

use super::{Arena, Claim, Fault, Proof, Started};

/// Room that is left: none, less than a node wants to have, just enough for some entries.
const LEFT: [u64; 3] = [0, 256 * 1024, 2 * 1024 * 1024];

pub(super) struct Full {
    claim: Option<Claim>,
    left: u64,
}

impl Full {
    pub(super) fn new() -> Self {
        Self { claim: None, left: 0 }
    }
}

impl Fault for Full {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            let Some(claim) = arena.claim_some(1, draw).await else { return Ok(None) };
            let node = arena.cluster().node(claim.nodes()[0]);
            // It may stop: there is nowhere to write to.
            node.set_may_end(true);
            let disk = node.disk().context("a node without a disk of its own")?;
            let wanted = LEFT[draw.random_range(0..LEFT.len())];
            self.left = tokio::task::block_in_place(|| disk.lock().fill(wanted))?;
            let nodes = claim.nodes().to_vec();
            self.claim = Some(claim);
            let detail = format!("{} bytes are left", self.left);
            Ok(Some(Started { faulted: nodes.clone(), nodes, detail }))
        }
        .boxed()
    }

    fn stop<'a>(&'a mut self, arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move {
            let claim = self.claim.take().context("a disk that was filled")?;
            let node = arena.cluster().node(claim.nodes()[0]);
            let disk = node.disk().context("a node without a disk of its own")?;
            let (filled, free) = tokio::task::block_in_place(|| {
                let disk = disk.lock();
                let free = disk.free()?;
                disk.unfill()?;
                anyhow::Ok((free <= self.left + self.left / 2, free))
            })?;
            let ended = node.revive()?;
            let says = match ended {
                Some(status) => format!("{free} bytes were left at its end; it stopped ({status})"),
                None => format!("{free} bytes were left at its end; it ran on"),
            };
            // A node that makes room by itself, such as by a snapshot, was full before.
            Ok(Proof { took_hold: filled || ended.is_some(), says })
        }
        .boxed()
    }
}
