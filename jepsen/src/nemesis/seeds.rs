//! What befalls a seed directory: somebody empties it under running nodes, or a node dies and its
//! seed stays. Both must be mended by the nodes that live, within a time.

use std::time::Duration;

use anyhow::bail;
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::rngs::StdRng;

use super::patience::Patience;
use super::{Arena, Claim, Fault, Proof, Started};
use crate::cluster::{Cluster, Unwell, name};

/// A look a second, behind a lock that a wiped or killed holder leaves for five.
pub(super) const WRITTEN_WITHIN: Duration = Duration::from_secs(12);
/// The time-out of a seed (4 s in a run), one question (2 s), and what is above.
const REMOVED_WITHIN: Duration = Duration::from_secs(20);

/// Refuses a run that has no seed directory.
pub(super) fn demand_directory(cluster: &Cluster) -> anyhow::Result<()> {
    if !cluster.setup().seed_directory {
        bail!("there is no seed directory: choose --workload seed-directory");
    }
    Ok(())
}

/// Waits until the seed of a node that is dead has gone.
pub(super) async fn wait_gone(arena: &Arena, node: usize) -> anyhow::Result<()> {
    let mut patience = Patience::new(REMOVED_WITHIN);
    while arena.cluster().is_seed(node) {
        if patience.is_over(arena).await {
            let called = name(node);
            let what = format!("after {REMOVED_WITHIN:?} the seed of {called} is still there");
            return Err(Unwell(what).into());
        }
    }
    Ok(())
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// All files of the folder are removed.
    Wipe,
    /// A node dies by SIGKILL and stays away until its seed has gone.
    Dead,
}

pub(super) struct Seeds {
    kind: Kind,
    claim: Option<Claim>,
    count: u64,
}

impl Seeds {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, claim: None, count: 0 }
    }
}

impl Fault for Seeds {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            let cluster = arena.cluster();
            demand_directory(cluster)?;
            // Whoever is claimed for a wipe is not broken meanwhile, so it must write its seed.
            let claim = match self.kind {
                Kind::Wipe => arena.claim(arena.voters()),
                Kind::Dead => arena.claim_some(1, draw).await,
            };
            let Some(claim) = claim else { return Ok(None) };
            let nodes = claim.nodes().to_vec();
            // A node that has just come back may not have written it.
            cluster.wait_seeds(&nodes, WRITTEN_WITHIN).await?;
            let (faulted, detail) = match self.kind {
                Kind::Wipe => {
                    self.count += cluster.empty_seed_folder()?;
                    (Vec::new(), "the seed directory is emptied")
                }
                Kind::Dead => {
                    cluster.node(nodes[0]).kill()?;
                    self.count += u64::from(cluster.is_seed(nodes[0]));
                    (nodes.clone(), "SIGKILL, and the seed stays")
                }
            };
            self.claim = Some(claim);
            Ok(Some(Started { nodes, faulted, detail: detail.to_owned() }))
        }
        .boxed()
    }

    fn stop<'a>(&'a mut self, arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move {
            let cluster = arena.cluster();
            let claim = self.claim.take();
            let nodes = claim.as_ref().map(Claim::nodes).unwrap_or_default();
            match self.kind {
                Kind::Wipe => {
                    cluster.wait_seeds(nodes, WRITTEN_WITHIN).await?;
                    Ok(Proof::counted(self.count, "files were removed"))
                }
                Kind::Dead => {
                    for node in nodes {
                        let gone = wait_gone(arena, *node).await;
                        cluster.node(*node).start()?;
                        gone?;
                    }
                    Ok(Proof::counted(self.count, "seeds of dead nodes were there"))
                }
            }
        }
        .boxed()
    }
}
