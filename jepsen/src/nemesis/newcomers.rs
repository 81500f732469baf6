//! Empty nodes that look for their cluster in a seed directory that misleads: emptied just now, or
//! with the seed of a dead node at whose address another cluster answers. They must join the one
//! cluster there is.

use std::time::Duration;

use anyhow::{Context, bail};
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::Rng;
use rand::rngs::StdRng;

use super::patience::Patience;
use super::{Arena, Claim, Fault, Proof, Started, membership, seeds};
use crate::cluster::{Status, Stranger, Unwell, name};

/// Listening for 3 s, a look a second and a join, on busy cores.
const JOINED_WITHIN: Duration = Duration::from_secs(20);
/// The first one and the last one of a race begin within this time, milliseconds.
const RACE_MS: u64 = 2_000;

/// Waits until a node that has just started belongs to this cluster; gives its id.
async fn joined(arena: &Arena, node: usize, wanted: &str) -> anyhow::Result<String> {
    let mut patience = Patience::new(JOINED_WITHIN);
    loop {
        if let Some(Status { cluster_id: Some(cluster_id), node_id, .. }) =
            arena.cluster().status(node).await
        {
            if cluster_id == wanted {
                return Ok(node_id);
            }
            let what = format!("{} is of the cluster {cluster_id}, not of {wanted}", name(node));
            return Err(Unwell(what).into());
        }
        if patience.is_over(arena).await {
            let words = arena.cluster().node(node).last_words();
            let what = format!("{} joined nothing within {JOINED_WITHIN:?}: {words}", name(node));
            return Err(Unwell(what).into());
        }
    }
}

/// The cluster that the leader is of.
async fn cluster_id(arena: &Arena) -> Option<String> {
    arena.cluster().status(arena.leader().await?).await?.cluster_id
}

/// A voter's address is taken by another cluster, its seed stays, and a new node takes its place.
pub(super) struct Foreign {
    claim: Option<Claim>,
    stranger: Option<Stranger>,
    old_id: String,
    wanted: String,
}

impl Foreign {
    pub(super) fn new() -> Self {
        let (old_id, wanted) = Default::default();
        Self { claim: None, stranger: None, old_id, wanted }
    }
}

impl Fault for Foreign {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            let cluster = arena.cluster();
            seeds::demand_directory(cluster)?;
            let spare = membership::spare(arena)?;
            let Some(mut claim) = arena.claim_some(1, draw).await else { return Ok(None) };
            let old = claim.nodes()[0];
            let Some(status) = cluster.status(old).await else { return Ok(None) };
            let Some(wanted) = status.cluster_id else { return Ok(None) };
            if !claim.join(spare) {
                return Ok(None);
            }
            (self.old_id, self.wanted) = (status.node_id, wanted);
            cluster.wait_seeds(&[old], seeds::WRITTEN_WITHIN).await?;
            cluster.node(old).kill()?;
            self.stranger = Some(cluster.start_stranger(old).await?);
            self.claim = Some(claim);
            let detail = format!("another cluster answers at the address of {}", name(old));
            Ok(Some(Started { nodes: vec![old], faulted: vec![old], detail }))
        }
        .boxed()
    }

    fn stop<'a>(&'a mut self, arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move {
            let claim = self.claim.take().context("a voter and a node beside the voters")?;
            let stranger = self.stranger.take().context("a node of another cluster")?;
            let &[old, new] = claim.nodes() else { bail!("not two nodes are claimed") };
            let cluster = arena.cluster();
            let there = u64::from(cluster.is_seed(old) && stranger.cluster_id != self.wanted);
            cluster.node(new).start()?;
            let new_id = joined(arena, new, &self.wanted).await?;
            membership::take_place(arena, (old, &self.old_id), (new, &new_id)).await?;
            drop(stranger);
            // Nobody answers there any more.
            seeds::wait_gone(arena, old).await?;
            Ok(Proof::counted(there, "seeds led to another cluster when an empty node started"))
        }
        .boxed()
    }
}

/// As many empty nodes as the cluster has voters, enough to found another one, start within two
/// seconds of the moment at which the folder was emptied; afterwards they are removed.
pub(super) struct Race {
    claim: Option<Claim>,
    wanted: String,
    newcomers: Vec<usize>,
    emptied: u64,
}

impl Race {
    pub(super) fn new() -> Self {
        let (wanted, newcomers) = Default::default();
        Self { claim: None, wanted, newcomers, emptied: 0 }
    }
}

impl Fault for Race {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            let cluster = arena.cluster();
            seeds::demand_directory(cluster)?;
            // Nodes that stand still cannot write seed and marker again, and whoever founds then
            // cannot know of them.
            let Some(claim) = arena.claim((0..cluster.nodes().len()).collect()) else {
                return Ok(None);
            };
            let Some(wanted) = cluster_id(arena).await else { return Ok(None) };
            let voters = arena.voters();
            let all = 0..cluster.nodes().len();
            self.newcomers = all.filter(|node| !voters.contains(node)).collect();
            self.wanted = wanted;
            cluster.wait_seeds(&voters, seeds::WRITTEN_WITHIN).await?;
            self.emptied += cluster.empty_seed_folder()?;
            for node in &self.newcomers {
                let share = RACE_MS / self.newcomers.len() as u64;
                tokio::time::sleep(Duration::from_millis(draw.random_range(0..share))).await;
                cluster.node(*node).start()?;
            }
            self.claim = Some(claim);
            let detail = "the seed directory is emptied, and empty nodes start".to_owned();
            Ok(Some(Started { nodes: self.newcomers.clone(), faulted: Vec::new(), detail }))
        }
        .boxed()
    }

    fn stop<'a>(&'a mut self, arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move {
            let _claim = self.claim.take();
            let mut joined_ids = Vec::new();
            for node in &self.newcomers {
                joined_ids.push(joined(arena, *node, &self.wanted).await?);
            }
            for (node, id) in self.newcomers.iter().zip(&joined_ids) {
                membership::remove(arena, id).await?;
                membership::empty(arena, *node)?;
            }
            // Before the next race no seed may lead to nobody.
            for node in &self.newcomers {
                seeds::wait_gone(arena, *node).await?;
            }
            let there = if joined_ids.len() >= arena.voters().len() { self.emptied } else { 0 };
            Ok(Proof::counted(there, "files were gone when enough nodes to found started"))
        }
        .boxed()
    }
}
