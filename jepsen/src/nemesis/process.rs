//! Processes that die, stand still, or hardly run.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rand::rngs::StdRng;

use super::{Arena, Claim, Fault, Proof, Started};

/// Who it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victims {
    One,
    Leader,
    Majority,
    All,
}

impl Victims {
    /// A claim on them, if they are free.
    pub(super) async fn claim(self, arena: &Arena, draw: &mut StdRng) -> Option<Claim> {
        let voters = arena.voters();
        match self {
            Self::One => arena.claim_some(1, draw).await,
            Self::Leader => arena.claim(vec![arena.leader().await?]),
            Self::Majority => arena.claim_some(voters.len() / 2 + 1, draw).await,
            Self::All => arena.claim(voters),
        }
    }
}

fn started(claim: &Claim, detail: &str) -> Started {
    let nodes = claim.nodes().to_vec();
    Started { faulted: nodes.clone(), nodes, detail: detail.to_owned() }
}

/// SIGKILL, and a new process on the same data.
pub(super) struct Kill {
    victims: Victims,
    claim: Option<Claim>,
    died: u64,
}

impl Kill {
    pub(super) fn of(victims: Victims) -> Self {
        Self { victims, claim: None, died: 0 }
    }
}

impl Fault for Kill {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            let Some(claim) = self.victims.claim(arena, draw).await else { return Ok(None) };
            for node in claim.nodes() {
                let status = arena.cluster().node(*node).kill()?;
                let by_signal = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
                self.died += u64::from(by_signal);
            }
            let started = started(&claim, "SIGKILL");
            self.claim = Some(claim);
            Ok(Some(started))
        }
        .boxed()
    }

    fn stop<'a>(&'a mut self, arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move {
            let claim = self.claim.take();
            for node in claim.iter().flat_map(Claim::nodes) {
                arena.cluster().node(*node).start()?;
            }
            Ok(Proof::counted(self.died, "processes died of SIGKILL"))
        }
        .boxed()
    }
}

/// SIGSTOP: to the others as dead, and back with everything it believed.
pub(super) struct Pause {
    victims: Victims,
    claim: Option<Claim>,
}

impl Pause {
    pub(super) fn of(victims: Victims) -> Self {
        Self { victims, claim: None }
    }
}

impl Fault for Pause {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            let Some(claim) = self.victims.claim(arena, draw).await else { return Ok(None) };
            for node in claim.nodes() {
                arena.cluster().node(*node).pause().await?;
            }
            let started = started(&claim, "SIGSTOP");
            self.claim = Some(claim);
            Ok(Some(started))
        }
        .boxed()
    }

    fn stop<'a>(&'a mut self, arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move {
            let claim = self.claim.take();
            let nodes: Vec<usize> = claim.iter().flat_map(Claim::nodes).copied().collect();
            let stood = nodes.iter().filter(|node| arena.cluster().node(**node).stands()).count();
            for node in &nodes {
                arena.cluster().node(*node).resume()?;
            }
            let says = format!("{stood} of {} processes stood still to the end", nodes.len());
            Ok(Proof { took_hold: stood == nodes.len(), says })
        }
        .boxed()
    }
}

/// A node that gets a tenth of the time: it runs 10 ms and stands 90 ms.
pub(super) struct Starve {
    claim: Option<Claim>,
    stood: u64,
}

const RUNS: Duration = Duration::from_millis(10);
const STANDS: Duration = Duration::from_millis(90);

impl Starve {
    pub(super) fn new() -> Self {
        Self { claim: None, stood: 0 }
    }
}

impl Fault for Starve {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            let Some(claim) = arena.claim_some(1, draw).await else { return Ok(None) };
            let started = started(&claim, "a tenth of the time");
            self.claim = Some(claim);
            Ok(Some(started))
        }
        .boxed()
    }

    fn hold<'a>(&'a mut self, arena: &'a Arena, lasts: Duration) -> BoxFuture<'a, ()> {
        async move {
            let end = tokio::time::Instant::now() + lasts;
            let nodes: Vec<usize> = self.claim.iter().flat_map(Claim::nodes).copied().collect();
            while tokio::time::Instant::now() < end {
                for node in &nodes {
                    let node = arena.cluster().node(*node);
                    if node.pause().await.is_ok() {
                        self.stood += 1;
                        tokio::time::sleep(STANDS).await;
                        // It runs on in any case when the fault stops.
                        let _ = node.resume();
                    }
                }
                tokio::time::sleep(RUNS).await;
            }
        }
        .boxed()
    }

    fn stop<'a>(&'a mut self, arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move {
            let claim = self.claim.take();
            for node in claim.iter().flat_map(Claim::nodes) {
                arena.cluster().node(*node).resume()?;
            }
            Ok(Proof::counted(self.stood, "times it stood still for 90 ms"))
        }
        .boxed()
    }
}
