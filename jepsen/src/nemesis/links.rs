//! Links that carry packets badly: lost, late, twice, in disorder, wrong, or answered by a reset.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rand::Rng;
use rand::rngs::StdRng;

use super::{Arena, Fault, Proof, Started};
use crate::cluster::net::{Counters, End, Link};

/// What is wrong with the links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Loss,
    Delay,
    Duplicate,
    Reorder,
    Corrupt,
    Reset,
}

/// Connections are reset so often while this fault holds: one that is reset at once each time
/// would be a cut link.
const RESET_INTERVAL: Duration = Duration::from_millis(400);
const RESET_TIME: Duration = Duration::from_millis(20);

/// All links between nodes, and with some chance those to clients.
pub(super) struct Bad {
    kind: Kind,
    link: Link,
    links: Vec<(End, End)>,
    before: u64,
}

impl Bad {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, link: Link::default(), links: Vec::new(), before: 0 }
    }

    fn counted(&self, arena: &Arena) -> u64 {
        let of = |counters: Counters| match self.kind {
            Kind::Loss => counters.lost,
            Kind::Delay => counters.delayed,
            Kind::Duplicate => counters.duplicated,
            Kind::Reorder => counters.reordered,
            Kind::Corrupt => counters.corrupted,
            Kind::Reset => counters.reset,
        };
        let net = arena.cluster().net();
        self.links.iter().map(|(from, to)| of(net.counters(*from, *to))).sum()
    }

    fn set(&self, arena: &Arena, link: &Link) {
        for (from, to) in &self.links {
            arena.cluster().net().set(*from, *to, link.clone());
        }
    }
}

impl Fault for Bad {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            let voters = arena.voters();
            let millis =
                |draw: &mut StdRng, from, to| Duration::from_millis(draw.random_range(from..to));
            self.link = match self.kind {
                Kind::Loss => Link { loss: draw.random_range(0.02..0.2), ..Link::default() },
                Kind::Delay => {
                    let (delay, jitter) = (millis(draw, 5, 120), millis(draw, 1, 20));
                    Link { delay, jitter, ..Link::default() }
                }
                Kind::Duplicate => {
                    Link { duplicate: draw.random_range(0.1..0.5), ..Link::default() }
                }
                Kind::Reorder => Link { jitter: millis(draw, 5, 30), ..Link::default() },
                Kind::Corrupt => Link { corrupt: draw.random_range(0.01..0.1), ..Link::default() },
                Kind::Reset => Link { reset: true, ..Link::default() },
            };
            let nodes: Vec<End> = voters.iter().copied().map(End::Node).collect();
            let mut ends = nodes.clone();
            // One node has no links but those to clients.
            if voters.len() == 1 || draw.random_bool(0.5) {
                ends.extend((0..arena.cluster().setup().clients).map(End::Client));
            }
            for node in &nodes {
                for other in ends.iter().filter(|other| *other != node) {
                    self.links.extend([(*node, *other), (*other, *node)]);
                }
            }
            self.links.sort_unstable();
            self.links.dedup();
            self.before = self.counted(arena);
            self.set(arena, &self.link);
            let detail = format!("{:?} on {} links", self.link, self.links.len());
            Ok(Some(Started { nodes: voters.clone(), faulted: voters, detail }))
        }
        .boxed()
    }

    fn hold<'a>(&'a mut self, arena: &'a Arena, lasts: Duration) -> BoxFuture<'a, ()> {
        async move {
            if self.kind != Kind::Reset {
                tokio::time::sleep(lasts).await;
                return;
            }
            let end = tokio::time::Instant::now() + lasts;
            while tokio::time::Instant::now() < end {
                tokio::time::sleep(RESET_TIME).await;
                self.set(arena, &Link::default());
                tokio::time::sleep(RESET_INTERVAL).await;
                self.set(arena, &self.link);
            }
        }
        .boxed()
    }

    fn stop<'a>(&'a mut self, arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move {
            self.set(arena, &Link::default());
            let count = self.counted(arena) - self.before;
            Ok(Proof::counted(count, &format!("packets of {:?}", self.kind)))
        }
        .boxed()
    }
}
