//! Power that fails: what was not flushed is gone, and what was being written may be torn.

use anyhow::Context;
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::process::Victims;
use super::{Arena, Claim, Fault, Proof, Started};
use crate::cluster::disk::PowerCut;
use crate::cluster::{Cluster, name};

pub(super) struct Power {
    victims: Victims,
    claim: Option<Claim>,
    said: Vec<String>,
}

impl Power {
    pub(super) fn of(victims: Victims) -> Self {
        Self { victims, claim: None, said: Vec::new() }
    }
}

impl Fault for Power {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            let Some(claim) = self.victims.claim(arena, draw).await else { return Ok(None) };
            // In half of the cuts nothing that was not flushed reaches the disk.
            let torn = if draw.random_bool(0.5) { 0.0 } else { draw.random_range(0.0..1.0) };
            let (cluster, nodes, seed) = (arena.cluster(), claim.nodes().to_vec(), draw.random());
            let cuts = tokio::task::block_in_place(|| cut_all(cluster, &nodes, torn, seed))?;
            for (node, cut) in nodes.iter().zip(cuts) {
                self.said.push(format!(
                    "{}: {} of {} waiting pages were written",
                    name(*node),
                    cut.torn_pages,
                    cut.dirty_pages
                ));
            }
            self.claim = Some(claim);
            let detail = self.said.join(", ");
            Ok(Some(Started { faulted: nodes.clone(), nodes, detail }))
        }
        .boxed()
    }

    fn stop<'a>(&'a mut self, arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move {
            let claim = self.claim.take();
            let nodes: Vec<usize> = claim.iter().flat_map(Claim::nodes).copied().collect();
            for number in &nodes {
                let node = arena.cluster().node(*number);
                let disk = node.disk().context("nodes without disks of their own")?;
                // What was never flushed is gone, or this is an error.
                tokio::task::block_in_place(|| disk.lock().restore_power())?;
                node.start()?;
            }
            Ok(Proof::counted(
                nodes.len() as u64,
                &format!("disks lost what was not flushed; {}", self.said.join(", ")),
            ))
        }
        .boxed()
    }
}

/// All at once: whoever were cut later could still flush what the first ones have lost.
fn cut_all(
    cluster: &Cluster,
    nodes: &[usize],
    torn: f64,
    seed: u64,
) -> anyhow::Result<Vec<PowerCut>> {
    std::thread::scope(|scope| {
        let cutting: Vec<_> = nodes
            .iter()
            .map(|number| {
                scope.spawn(move || {
                    let node = cluster.node(*number);
                    let disk = node.disk().context("nodes without disks of their own")?;
                    let mut draw = StdRng::seed_from_u64(seed ^ *number as u64);
                    let cut = disk.lock().cut_power(torn, &mut draw)?;
                    node.kill()?;
                    Ok(cut)
                })
            })
            .collect();
        let cut = cutting.into_iter().map(|thread| match thread.join() {
            Ok(cut) => cut,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        cut.collect()
    })
}
