//! Wall clocks that jump, drift, or go to and fro. Monotonic clocks stay true.

use std::time::Duration;

use anyhow::Context;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::{Arena, Fault, Proof, Started};
use crate::cluster::clock::Clock;

/// What clocks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Jump,
    Strobe,
    Drift,
}

/// Jumps in milliseconds, forwards and back: less than a lease, more than a session, an hour.
const JUMPS_MS: [i64; 8] = [150, -150, 2_000, -2_000, 12_000, -12_000, 3_600_000, -3_600_000];

pub(super) struct WallClock {
    kind: Kind,
    /// Nodes with a false clock, and how often each had read a false time before.
    nodes: Vec<(usize, u64)>,
}

impl WallClock {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, nodes: Vec::new() }
    }

    fn set(&self, clock: &mut Clock, draw: &mut StdRng) -> anyhow::Result<String> {
        Ok(match self.kind {
            Kind::Jump => {
                let ms = JUMPS_MS[draw.random_range(0..JUMPS_MS.len())];
                clock.jump(ms)?;
                format!("{ms} ms")
            }
            Kind::Strobe => {
                let by = Duration::from_millis(draw.random_range(100..2_000));
                let half = Duration::from_millis(draw.random_range(5..200));
                clock.strobe(by, half)?;
                format!("to and fro by {by:?} each {half:?}")
            }
            Kind::Drift => {
                let rate = draw.random_range(-0.5..2.0);
                clock.drift(rate)?;
                format!("{rate:+.2} s each second")
            }
        })
    }
}

fn clock(arena: &Arena, node: usize) -> anyhow::Result<&Mutex<Clock>> {
    let preloads = arena.cluster().node(node).preloads();
    preloads.clock.as_ref().context("a node without a clock of its own")
}

impl Fault for WallClock {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            let mut voters = arena.voters();
            voters.shuffle(draw);
            // Also all of them, each otherwise: time comes in with the leader's commands.
            voters.truncate(draw.random_range(1..=voters.len()));
            let mut said = Vec::new();
            for node in voters {
                let mut clock = clock(arena, node)?.lock();
                self.nodes.push((node, clock.shown()?.readings));
                let how = self.set(&mut clock, draw)?;
                said.push(format!("{}: {how}", arena.cluster().node(node).name()));
            }
            let nodes = self.nodes.iter().map(|(node, _)| *node).collect();
            // A wrong clock is no reason not to serve.
            Ok(Some(Started { nodes, faulted: Vec::new(), detail: said.join(", ") }))
        }
        .boxed()
    }

    fn stop<'a>(&'a mut self, arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move {
            let (mut least, mut ahead) = (u64::MAX, 0);
            for (node, before) in &self.nodes {
                let mut clock = clock(arena, *node)?.lock();
                let shown = clock.shown()?;
                // A node that was killed meanwhile has read nothing.
                if arena.cluster().node(*node).is_running() {
                    least = least.min(shown.readings.saturating_sub(*before));
                }
                ahead = shown.ahead_ns / 1_000_000;
                clock.heal()?;
            }
            let least = if least == u64::MAX { 0 } else { least };
            Ok(Proof::counted(least, &format!("readings of a false time, the last {ahead} ms off")))
        }
        .boxed()
    }
}
