//! Links that carry nothing: the shapes of a network that falls apart.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::{Arena, Fault, Proof, Started};
use crate::cluster::net::{End, Link};

/// How the network falls apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A minority here, a majority there; the leader in either.
    Halves,
    /// Nobody hears the leader.
    LeaderAlone,
    /// Each node talks to a majority, no two to the same one.
    MajorityRing,
    /// Two halves that share one node.
    Bridge,
    /// One node hears the others, who do not hear it; or the other way round.
    OneWay,
    /// One node is cut off and comes back, again and again.
    Flapping,
    /// Some clients reach no node.
    ClientAlone,
}

/// How long a flapping link is one thing before it is the other.
const FLAP: Duration = Duration::from_millis(300);

pub(super) struct Partition {
    shape: Shape,
    cut: Vec<(End, End)>,
    before: u64,
}

impl Partition {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, cut: Vec::new(), before: 0 }
    }

    fn dropped(&self, arena: &Arena) -> u64 {
        let net = arena.cluster().net();
        self.cut.iter().map(|(from, to)| net.counters(*from, *to).cut).sum()
    }

    fn set(&self, arena: &Arena, cut: bool) {
        for (from, to) in &self.cut {
            arena.cluster().net().set(*from, *to, Link { cut, ..Link::default() });
        }
    }
}

impl Fault for Partition {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            let voters = arena.voters();
            let leader = arena.leader().await;
            let Some(fall) = fall_apart(self.shape, &voters, leader, draw) else { return Ok(None) };
            let clients = arena.cluster().setup().clients;
            self.cut = fall.cut;
            if self.shape == Shape::ClientAlone {
                let some: Vec<End> =
                    (0..clients).filter(|_| draw.random_bool(0.4)).map(End::Client).collect();
                let nodes: Vec<End> = voters.iter().copied().map(End::Node).collect();
                self.cut = between(&some, &nodes);
            } else if draw.random_bool(0.5) {
                // Some clients are where the cut-off nodes are, and reach nobody else.
                let inside: Vec<End> = (0..clients).step_by(3).map(End::Client).collect();
                let others = voters.iter().filter(|node| !fall.nodes.contains(node));
                let others: Vec<End> = others.copied().map(End::Node).collect();
                self.cut.extend(between(&inside, &others));
            }
            if self.cut.is_empty() {
                return Ok(None);
            }
            self.before = self.dropped(arena);
            self.set(arena, true);
            let detail = format!("{:?}, {} links", self.shape, self.cut.len());
            Ok(Some(Started { nodes: fall.nodes, faulted: fall.faulted, detail }))
        }
        .boxed()
    }

    fn hold<'a>(&'a mut self, arena: &'a Arena, lasts: Duration) -> BoxFuture<'a, ()> {
        async move {
            if self.shape != Shape::Flapping {
                tokio::time::sleep(lasts).await;
                return;
            }
            let end = tokio::time::Instant::now() + lasts;
            let mut cut = true;
            while tokio::time::Instant::now() < end {
                tokio::time::sleep(FLAP).await;
                cut = !cut;
                self.set(arena, cut);
            }
        }
        .boxed()
    }

    fn stop<'a>(&'a mut self, arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move {
            self.set(arena, false);
            let dropped = self.dropped(arena) - self.before;
            Ok(Proof::counted(dropped, "packets were dropped on cut links"))
        }
        .boxed()
    }
}

/// A network that has fallen apart.
struct Fall {
    nodes: Vec<usize>,
    faulted: Vec<usize>,
    cut: Vec<(End, End)>,
}

fn fall_apart(
    shape: Shape,
    voters: &[usize],
    leader: Option<usize>,
    draw: &mut StdRng,
) -> Option<Fall> {
    let ends = |nodes: &[usize]| -> Vec<End> { nodes.iter().copied().map(End::Node).collect() };
    let mut order = voters.to_vec();
    order.shuffle(draw);
    let apart = |inside: &[usize]| {
        let outside: Vec<usize> =
            voters.iter().copied().filter(|node| !inside.contains(node)).collect();
        let cut = between(&ends(inside), &ends(&outside));
        Fall { nodes: inside.to_vec(), faulted: inside.to_vec(), cut }
    };
    if voters.len() < 2 && shape != Shape::ClientAlone {
        return None;
    }
    let minority = (voters.len() - 1) / 2;
    Some(match shape {
        Shape::Halves => {
            let with_leader = draw.random_bool(0.5);
            order.sort_by_key(|node| (Some(*node) == leader) != with_leader);
            apart(&order[..minority.max(1)])
        }
        Shape::LeaderAlone => apart(&[leader?]),
        Shape::Flapping => apart(&order[..1]),
        Shape::MajorityRing => {
            // As many neighbours on each side as make a majority; with three nodes one link is cut.
            let reach = voters.len() / 4;
            let mut cut = Vec::new();
            for (at, one) in order.iter().enumerate() {
                for (other_at, other) in order.iter().enumerate().skip(at + 1) {
                    let apart = (other_at - at).min(order.len() - (other_at - at));
                    let far =
                        if order.len() == 3 { (at, other_at) == (0, 1) } else { apart > reach };
                    if far {
                        cut.extend(between(&[End::Node(*one)], &[End::Node(*other)]));
                    }
                }
            }
            Fall { nodes: voters.to_vec(), faulted: voters.to_vec(), cut }
        }
        Shape::Bridge => {
            let (sides, _bridge) = order.split_at(order.len() - 1);
            let (left, right) = sides.split_at(sides.len() / 2);
            let cut = between(&ends(left), &ends(right));
            Fall { nodes: voters.to_vec(), faulted: voters.to_vec(), cut }
        }
        Shape::OneWay => {
            let mute = draw.random_bool(0.5);
            let one = End::Node(order[0]);
            let others = order[1..].iter().map(|other| End::Node(*other));
            let cut = others.map(|other| if mute { (one, other) } else { (other, one) }).collect();
            // Also the others may be held up by one that cannot hear them and campaigns.
            Fall { nodes: vec![order[0]], faulted: voters.to_vec(), cut }
        }
        Shape::ClientAlone => Fall { nodes: Vec::new(), faulted: voters.to_vec(), cut: Vec::new() },
    })
}

/// Both directions of every link between the two sides.
fn between(left: &[End], right: &[End]) -> Vec<(End, End)> {
    let pairs = left.iter().flat_map(|one| right.iter().map(move |other| (*one, *other)));
    pairs.flat_map(|(one, other)| [(one, other), (other, one)]).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn fall(shape: Shape, nodes: usize, seed: u64) -> Fall {
        let voters: Vec<usize> = (0..nodes).collect();
        fall_apart(shape, &voters, Some(1), &mut StdRng::seed_from_u64(seed)).unwrap()
    }

    fn reached(fall: &Fall, nodes: usize, one: usize) -> usize {
        let hears = |other: &usize| {
            let (one, other) = (End::Node(one), End::Node(*other));
            !fall.cut.contains(&(one, other)) && !fall.cut.contains(&(other, one))
        };
        (0..nodes).filter(hears).count()
    }

    #[test]
    fn halves_leave_a_majority_with_the_leader_and_without_it() {
        let falls: Vec<Fall> = (0..20).map(|seed| fall(Shape::Halves, 5, seed)).collect();
        assert!(falls.iter().all(|fall| fall.nodes.len() == 2));
        assert!(falls.iter().any(|fall| fall.nodes.contains(&1)));
        assert!(falls.iter().any(|fall| !fall.nodes.contains(&1)));
        let (inside, outside) = (falls[0].nodes[0], (0..5).find(|n| !falls[0].nodes.contains(n)));
        assert_eq!(reached(&falls[0], 5, inside), 2);
        assert_eq!(reached(&falls[0], 5, outside.unwrap()), 3);
    }

    #[test]
    fn on_a_ring_each_node_reaches_a_majority_and_no_node_all() {
        let ring = fall(Shape::MajorityRing, 5, 4);
        assert!((0..5).all(|node| reached(&ring, 5, node) == 3));
        let ring = fall(Shape::MajorityRing, 3, 4);
        let reach: Vec<usize> = (0..3).map(|node| reached(&ring, 3, node)).collect();
        assert_eq!((reach.iter().min(), reach.iter().max()), (Some(&2), Some(&3)));
    }

    #[test]
    fn a_bridge_is_one_node_that_reaches_all() {
        for nodes in [3, 5] {
            let bridge = fall(Shape::Bridge, nodes, 9);
            let reach = (0..nodes).map(|node| reached(&bridge, nodes, node));
            assert_eq!(reach.filter(|count| *count == nodes).count(), 1);
        }
    }

    #[test]
    fn one_way_cuts_one_direction_only() {
        let fall = fall(Shape::OneWay, 3, 2);
        assert_eq!(fall.cut.len(), 2);
        assert!(fall.cut.iter().all(|(from, to)| !fall.cut.contains(&(*to, *from))));
    }

    #[test]
    fn a_single_node_has_no_links_between_nodes() {
        let mut draw = StdRng::seed_from_u64(1);
        assert!(fall_apart(Shape::Halves, &[0], Some(0), &mut draw).is_none());
        assert!(fall_apart(Shape::ClientAlone, &[0], Some(0), &mut draw).is_some());
    }
}
