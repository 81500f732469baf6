//! A voter is exchanged for a node that was none: add, promote, remove, wipe.

use std::time::Duration;

use anyhow::{Context, bail};
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Arena, Claim, Fault, Proof, Started};
use crate::cluster::Status;

/// The cluster may be without a leader for other reasons meanwhile.
const EACH_WITHIN: Duration = Duration::from_secs(40);
const CALL_WITHIN: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(200);

pub(super) struct Replace {
    claim: Option<Claim>,
    done: u64,
    said: Vec<String>,
}

impl Replace {
    pub(super) fn new() -> Self {
        Self { claim: None, done: 0, said: Vec::new() }
    }

    async fn replace(&mut self, arena: &Arena, old: usize, new: usize) -> anyhow::Result<()> {
        let old_id = id_of(arena, old).await.context("the voter that goes")?;
        exchange(arena, old, &old_id, new).await?;
        self.done += 1;
        let name = |node| arena.cluster().node(node).name();
        self.said.push(format!("{} for {}", name(new), name(old)));
        Ok(())
    }
}

/// A node that is neither a voter nor runs.
pub(super) fn spare(arena: &Arena) -> anyhow::Result<usize> {
    let voters = arena.voters();
    let all = 0..arena.cluster().nodes().len();
    let found = all.into_iter().find(|node| !voters.contains(node));
    found.context("a voter can only be exchanged where there is a node beside the voters")
}

/// The new node first and the old one afterwards, so that there is never a voter less. The old one
/// ends, and is a new node when it comes again.
pub(super) async fn exchange(
    arena: &Arena,
    old: usize,
    old_id: &str,
    new: usize,
) -> anyhow::Result<()> {
    let cluster = arena.cluster();
    cluster.node(new).start()?;
    let new_id = id_of(arena, new).await.context("the node that comes")?;
    take_place(arena, (old, old_id), (new, &new_id)).await
}

/// The second half of an exchange, when the new node belongs to the cluster; nodes with their ids.
pub(super) async fn take_place(
    arena: &Arena,
    (old, old_id): (usize, &str),
    (new, new_id): (usize, &str),
) -> anyhow::Result<()> {
    let vote = Some(json!({"voter": true}));
    let votes = |status: &Status| status.voters.iter().any(|voter| voter == new_id);
    until(arena, Method::PATCH, new_id, vote, votes).await?;
    remove(arena, old_id).await?;
    let mut voters = arena.voters();
    voters.retain(|voter| *voter != old);
    voters.push(new);
    arena.set_voters(voters);
    // It asks nobody any more.
    empty(arena, old)
}

/// Takes a node out of the cluster, whether it votes or not.
pub(super) async fn remove(arena: &Arena, id: &str) -> anyhow::Result<()> {
    let gone =
        |status: &Status| !status.voters.iter().chain(&status.learners).any(|member| member == id);
    until(arena, Method::DELETE, id, None, gone).await
}

/// Ends a node, which is a new one when it comes again.
pub(super) fn empty(arena: &Arena, old: usize) -> anyhow::Result<()> {
    let cluster = arena.cluster();
    cluster.node(old).end();
    let data = cluster.node(old).data();
    std::fs::remove_dir_all(data).with_context(|| data.display().to_string())
}

impl Fault for Replace {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            let spare = spare(arena)?;
            let Some(mut claim) = arena.claim_some(1, draw).await else { return Ok(None) };
            if !claim.join(spare) {
                return Ok(None);
            }
            let old = claim.nodes()[0];
            self.claim = Some(claim);
            self.replace(arena, old, spare).await?;
            let nodes = vec![old, spare];
            // A change of members takes nothing from a majority.
            Ok(Some(Started { nodes, faulted: Vec::new(), detail: self.said.join(", ") }))
        }
        .boxed()
    }

    fn stop<'a>(&'a mut self, _arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move {
            self.claim = None;
            Ok(Proof::counted(self.done, "voters were exchanged, as the leader tells"))
        }
        .boxed()
    }
}

async fn id_of(arena: &Arena, node: usize) -> anyhow::Result<String> {
    let deadline = tokio::time::Instant::now() + EACH_WITHIN;
    loop {
        // Before it belongs to a cluster it has an id, and nobody that counts it.
        if let Some(Status { cluster_id: Some(_), node_id, .. }) =
            arena.cluster().status(node).await
        {
            return Ok(node_id);
        }
        if tokio::time::Instant::now() >= deadline {
            let node = arena.cluster().node(node);
            bail!("{} joined no cluster: {}", node.name(), node.last_words());
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Asks the leader again and again until the voters are as they should be: a change that was
/// refused because another is on its way, or that timed out, may be asked for again.
async fn until(
    arena: &Arena,
    method: Method,
    node: &str,
    body: Option<Value>,
    reached: impl Fn(&Status) -> bool,
) -> anyhow::Result<()> {
    let cluster = arena.cluster();
    let deadline = tokio::time::Instant::now() + EACH_WITHIN;
    let mut why = "nobody led".to_owned();
    loop {
        if let Some(leader) = arena.leader().await {
            if let Some(status) = cluster.status(leader).await
                && reached(&status)
            {
                return Ok(());
            }
            let (address, path) = (cluster.admin_address(leader), format!("/v1/nodes/{node}"));
            let asked =
                cluster.admin().ask(method.clone(), address, &path, body.clone(), CALL_WITHIN);
            if let Err(error) = asked.await {
                why = format!("{error:#}");
            }
        }
        if tokio::time::Instant::now() >= deadline {
            bail!("{method} of node {node} came to nothing within {EACH_WITHIN:?}: {why}");
        }
        tokio::time::sleep(AGAIN).await;
    }
}
