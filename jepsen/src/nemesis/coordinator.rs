//! The coordinator that is registered dies, and another one must be in its place within a time.

use std::time::Duration;

use anyhow::bail;
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::rngs::StdRng;
use reqwest::Method;

use super::patience::Patience;
use super::{Arena, Claim, Fault, Proof, Started};
use crate::cluster::{Unwell, name};

/// A check of 500 ms finds it silent for 3 s, a new leader listens for the same time; the rest is
/// for busy cores.
const MOVES_WITHIN: Duration = Duration::from_secs(7);
const CALL_WITHIN: Duration = Duration::from_secs(2);

pub(super) struct Dead {
    claim: Option<Claim>,
    owner: Option<usize>,
    moved: u64,
}

impl Dead {
    pub(super) fn new() -> Self {
        Self { claim: None, owner: None, moved: 0 }
    }
}

/// The node whose coordinator is registered alone, as the cluster tells an operator.
async fn registered(arena: &Arena) -> Option<usize> {
    let cluster = arena.cluster();
    let leader = arena.leader().await?;
    let path = "/v1/maps/discovery-service/entries?limit=10";
    let asked =
        cluster.admin().ask(Method::GET, cluster.admin_address(leader), path, None, CALL_WITHIN);
    let told = asked.await.ok()?;
    let [record] = told["items"].as_array()?.as_slice() else { return None };
    let part = |part: &str| record[part]["value"].as_str().map(str::to_owned);
    let record = (part("key")?, part("value")?);
    (0..cluster.nodes().len()).find(|node| cluster.coordinators().record(*node) == record)
}

/// Waits until one is registered that is another than this one.
async fn wait_other(arena: &Arena, than: Option<usize>) -> anyhow::Result<usize> {
    let mut patience = Patience::new(MOVES_WITHIN);
    loop {
        let now = registered(arena).await;
        match now {
            Some(owner) if now != than => return Ok(owner),
            Some(_) | None => {}
        }
        if patience.is_over(arena).await {
            let dead = than
                .map_or_else(String::new, |dead| format!(", and that of {} is dead", name(dead)));
            let what = match now {
                Some(owner) => format!("the coordinator beside {} is registered", name(owner)),
                None => "not exactly one coordinator is registered".to_owned(),
            };
            return Err(Unwell(format!("after {MOVES_WITHIN:?} {what}{dead}")).into());
        }
    }
}

impl Fault for Dead {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        _draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            let coordinators = arena.cluster().coordinators();
            if coordinators.is_empty() {
                bail!("there are no coordinators: choose --workload discovery-record");
            }
            // The others must be able to take its place.
            let Some(claim) = arena.claim(arena.voters()) else { return Ok(None) };
            let owner = wait_other(arena, None).await?;
            coordinators.kill(owner).await;
            self.owner = Some(owner);
            self.claim = Some(claim);
            let detail = "the coordinator that is registered dies".to_owned();
            Ok(Some(Started { nodes: vec![owner], faulted: Vec::new(), detail }))
        }
        .boxed()
    }

    fn stop<'a>(&'a mut self, arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move {
            let _claim = self.claim.take();
            if let Some(dead) = self.owner.take() {
                let moved = wait_other(arena, Some(dead)).await;
                arena.cluster().coordinators().start(dead)?;
                moved?;
                self.moved += 1;
            }
            Ok(Proof::counted(self.moved, "times another coordinator took its place"))
        }
        .boxed()
    }
}
