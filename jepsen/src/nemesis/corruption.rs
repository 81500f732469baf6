//! A stopped node whose files come back damaged: it must say which file, or be as if they were
//! whole. What is damaged is never served.

use std::time::Duration;

use anyhow::{Context, bail};
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::Rng;
use rand::rngs::StdRng;

use super::membership::{exchange, spare};
use super::{Arena, Claim, Fault, Proof, Started};
use crate::cluster::Unwell;
use crate::cluster::disk::{Corruption, Damage, Kind, Part, corrupt};

const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// What a node says that others refuse, with the advice to exchange it.
const REFUSED: &str = "set its data directory aside and let it join again";
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
const PARTS: [Part; 4] = [Part::Log, Part::Log, Part::Snapshot, Part::Vote];

pub(super) struct Corrupt {
    claim: Option<Claim>,
    damage: Option<Damage>,
    node_id: String,
    /// What the node did about it.
    did: String,
    /// It does not run, and must not run again on its data.
    must_go: bool,
}

impl Corrupt {
    pub(super) fn new() -> Self {
        let (node_id, did) = (String::new(), String::new());
        Self { claim: None, damage: None, node_id, did, must_go: false }
    }

    /// Waits until the node serves, or has ended.
    async fn see(&mut self, arena: &Arena, number: usize) -> anyhow::Result<()> {
        let node = arena.cluster().node(number);
        let file = self.damage.as_ref().map(|damage| damage.file.display().to_string());
        let file = file.unwrap_or_default();
        let deadline = tokio::time::Instant::now() + ANSWERS_WITHIN;
        loop {
            if let Some(status) = node.ended()? {
                let words = node.last_words();
                if !names(&words, node.data()) {
                    let what = format!(
                        "{} ended ({status}) with a damaged {file} and names no file: {words}",
                        node.name()
                    );
                    return Err(Unwell(what).into());
                }
                self.did = "the node named the file and stopped".to_owned();
                return Ok(());
            }
            if arena.cluster().admin().is_ready(arena.cluster().admin_address(number)).await {
                self.did = "the node served; its answers are judged".to_owned();
                return Ok(());
            }
            if node.last_words().contains(REFUSED) {
                // It cannot tell damage at the end of its log from a power cut; the others can.
                node.kill()?;
                self.must_go = true;
                self.did = "the node had lost what it acknowledged, and was refused".to_owned();
                return Ok(());
            }
            if tokio::time::Instant::now() >= deadline {
                // Others may be broken too, so that nobody serves.
                self.did = "the node neither served nor stopped yet".to_owned();
                return Ok(());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
}

/// Whether an operator is told which file it is.
fn names(words: &str, data: &std::path::Path) -> bool {
    words.contains(&data.display().to_string())
}

impl Fault for Corrupt {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            let Some(claim) = arena.claim_some(1, draw).await else { return Ok(None) };
            let number = claim.nodes()[0];
            let node = arena.cluster().node(number);
            let Some(status) = arena.cluster().status(number).await else { return Ok(None) };
            self.node_id = status.node_id;
            node.kill()?;
            let part = PARTS[draw.random_range(0..PARTS.len())];
            // There may be no snapshot yet.
            let wanted = [part, Part::Log].map(|part| Corruption { kind: Kind::BitFlip, part });
            let mut damage = corrupt(&wanted[0], node.data(), draw);
            if damage.is_err() {
                damage = corrupt(&wanted[1], node.data(), draw);
            }
            let damage = damage?;
            let detail = damage.to_string();
            self.damage = Some(damage);
            node.start()?;
            node.set_may_end(true);
            self.claim = Some(claim);
            self.see(arena, number).await?;
            let nodes = vec![number];
            Ok(Some(Started { faulted: nodes.clone(), nodes, detail }))
        }
        .boxed()
    }

    fn stop<'a>(&'a mut self, arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move {
            let mut claim = self.claim.take().context("a node that was damaged")?;
            let damage = self.damage.take().context("a damage")?;
            let number = claim.nodes()[0];
            let node = arena.cluster().node(number);
            let says = format!("{damage}; {}", self.did);
            if self.must_go || node.ended()?.is_some() {
                // What the operations guide says: the damaged directory goes, and a node that is
                // new takes its place.
                let spare = spare(arena)?;
                if !claim.join(spare) {
                    bail!("the node beside the voters is in use");
                }
                exchange(arena, number, &self.node_id, spare).await?;
            }
            node.set_may_end(false);
            Ok(Proof { took_hold: true, says })
        }
        .boxed()
    }
}
