//! A stopped node whose files come back damaged: it must say which file, or be as if they were
//! whole. What is damaged is never served.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::Rng;
use rand::rngs::StdRng;

use super::membership::{exchange, spare};
use super::{Arena, Claim, Fault, Proof, Started};
use crate::cluster::disk::{Corruption, Damage, Kind, Part, corrupt, keep_copy};
use crate::cluster::{Node, Unwell};

const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// What a node says that others refuse, with the advice to exchange it.
const REFUSED: &str = "set its data directory aside and let it join again";
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
const PARTS: [Part; 4] = [Part::Log, Part::Log, Part::Snapshot, Part::Vote];

/// How long a log may take to grow beyond its copy.
const GROWS_WITHIN: Duration = Duration::from_secs(8);

/// What the files come back as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// With a bit that is turned.
    Flipped,
    /// The log as it was a while ago, with all its checksums right: the node has lost what it
    /// acknowledged, knows it, and must not start.
    OldLog,
}

pub(super) struct Corrupt {
    how: How,
    claim: Option<Claim>,
    damage: Option<Damage>,
    node_id: String,
    /// What the node did about it.
    did: String,
    /// It does not run, and must not run again on its data.
    must_go: bool,
}

impl Corrupt {
    pub(super) fn new(how: How) -> Self {
        let (node_id, did) = (String::new(), String::new());
        Self { how, claim: None, damage: None, node_id, did, must_go: false }
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
            let refused = node.last_words().contains(REFUSED);
            let ready =
                arena.cluster().admin().is_ready(arena.cluster().admin_address(number)).await;
            if self.how == How::OldLog && (refused || ready) {
                let (name, what) = (node.name(), if ready { "serves" } else { "is refused" });
                return Err(Unwell(format!("{name} started with an old {file} and {what}")).into());
            }
            if ready {
                self.did = "the node served; its answers are judged".to_owned();
                return Ok(());
            }
            if refused {
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
fn names(words: &str, data: &Path) -> bool {
    words.contains(&data.display().to_string())
}

fn flip(node: &Node, draw: &mut StdRng) -> anyhow::Result<Damage> {
    node.kill()?;
    let part = PARTS[draw.random_range(0..PARTS.len())];
    // There may be no snapshot yet.
    let wanted = [part, Part::Log].map(|part| Corruption { kind: Kind::BitFlip, part });
    corrupt(&wanted[0], node.data(), draw).or_else(|_| corrupt(&wanted[1], node.data(), draw))
}

/// `None`: nothing was written meanwhile, so the copy is no older than the log.
async fn bring_back(node: &Node, draw: &mut StdRng) -> anyhow::Result<Option<Damage>> {
    let copy = node.data().with_extension("copy");
    remove(&copy)?;
    keep_copy(node.data(), &copy)?;
    let mark = node.data().join("log/mark");
    let deadline = tokio::time::Instant::now() + GROWS_WITHIN;
    let mut seen = std::fs::read(&mark)?;
    // The first mark after the copy may tell of what is in the copy; the second tells of more.
    for _ in 0..2 {
        while std::fs::read(&mark)? == seen {
            if tokio::time::Instant::now() >= deadline {
                return Ok(None);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        seen = std::fs::read(&mark)?;
    }
    node.kill()?;
    // What an earlier damage kept.
    remove(&node.data().with_extension("before"))?;
    let old = Corruption { kind: Kind::OldCopy(copy), part: Part::Log };
    corrupt(&old, node.data(), draw).map(Some)
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    Ok(())
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
            let damage = match self.how {
                How::Flipped => flip(node, draw)?,
                How::OldLog => match bring_back(node, draw).await? {
                    Some(damage) => damage,
                    None => return Ok(None),
                },
            };
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
