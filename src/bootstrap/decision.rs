//! The decision: from what a node knows to the one step it takes next.
//!
//! Sans-io and deterministic: time, views and fresh cluster ids are arguments, steps are answers.
//! Who drives it takes each step before it asks for the next one. Invariants: a founder has one
//! attempt, whose cluster id stands for one set of nodes; it founds only with the promises of all
//! of them; what it gave up it never takes up again. Not here: asking, disks, the seed directory.

use super::founding::{Founding, FoundingMember};
use super::marker::Marker;
use super::obstacle::Obstacle;
use super::peers::Peers;
use super::promise::{Arbiter, Promise, Refusal, Terms};
use super::view::{MarkerView, View};
use super::waiting::Waiting;
use statekeeper_machine::{ClusterId, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a node takes into the decision that does not change while it waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeciderSettings {
    /// This node, as a member of a founding.
    pub own: FoundingMember,
    /// Name, number of voters, arbiter.
    pub terms: Terms,
    /// How long nothing of a running cluster must be heard before a founding; for a static list,
    /// whose majority is arbiter enough, it does not count.
    pub quiet: Duration,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Nothing: look around again after a pause.
    Wait(Waiting),
    /// Make this founding and this node's own promise to it durable, in this order.
    Promise(Founding),
    /// Ask these nodes for their promise, and tell the decider each answer.
    Request {
        /// What is asked for.
        promise: Promise,
        /// Whom to ask, and where.
        from: Vec<(NodeId, String)>,
    },
    /// Give up this node's own founding, durably, and only then tell these nodes.
    Withdraw {
        /// What is given up.
        promise: Promise,
        /// Whom to tell, and where.
        tell: Vec<(NodeId, String)>,
    },
    /// Drop a promise that its own founder no longer knows, unless it was asked for again since
    /// the look around began.
    Release(Promise),
    /// Create the marker exclusively, or replace this node's own one of an attempt it gave up;
    /// then read it again.
    WriteMarker {
        /// The new marker.
        marker: Marker,
        /// Whether there is one of this node's to replace.
        replace: bool,
    },
    /// All promises are there: found.
    Found(Founding),
    /// The founding that this node has promised has happened.
    Member(ClusterId),
    /// There is a cluster: join it.
    Join {
        /// The cluster.
        cluster_id: ClusterId,
        /// The Raft ports of its nodes that were heard.
        raft_addresses: Vec<String>,
    },
}

/// The memory of one node that has no cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decider {
    settings: DeciderSettings,
    attempt: Option<Attempt>,
    silent_since: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Attempt {
    founding: Founding,
    granted: BTreeSet<NodeId>,
    refused: BTreeMap<NodeId, Refusal>,
}

impl Attempt {
    fn new(founding: Founding) -> Self {
        let granted = BTreeSet::from([founding.founder]);
        Self { founding, granted, refused: BTreeMap::new() }
    }

    fn lacking(&self) -> impl Iterator<Item = &FoundingMember> {
        self.founding.members.iter().filter(|member| !self.granted.contains(&member.node))
    }
}

impl Decider {
    /// Begins, with what the data directory says this node had set out to found.
    pub fn new(settings: DeciderSettings, set_out: Option<Founding>) -> Self {
        Self { settings, attempt: set_out.map(Attempt::new), silent_since: None }
    }

    /// The next step. `own` is this node's durable promise now; `fresh` a cluster id nobody knows.
    pub fn next(
        &mut self,
        now: Duration,
        own: Option<Promise>,
        view: &View,
        fresh: ClusterId,
    ) -> Step {
        // Without its promise on disk an attempt is over.
        self.attempt.take_if(|attempt| own != Some(attempt.founding.promise()));
        let name = &self.settings.terms.cluster_name;
        let peers = Peers::of(view, &self.settings.own, name, self.places_count());
        self.listen(now, view, &peers);
        if let Some(step) = self.heard_of_cluster(own, view, &peers) {
            return step;
        }
        if let Some(step) = self.bound_by_marker(own, view, &peers) {
            return step;
        }
        match own {
            Some(promise) if promise.founder == self.node() => self.drive(promise, view, &peers),
            Some(promise) => self.keep(promise, &peers),
            None => self.begin(now, view, &peers, fresh),
        }
    }

    /// A node has promised.
    pub fn granted(&mut self, node: NodeId, promise: Promise) {
        if let Some(attempt) = &mut self.attempt
            && attempt.founding.promise() == promise
        {
            attempt.granted.insert(node);
            attempt.refused.remove(&node);
        }
    }

    /// A node has refused to promise.
    pub fn refused(&mut self, node: NodeId, promise: Promise, refusal: Refusal) {
        if let Some(attempt) = &mut self.attempt
            && attempt.founding.promise() == promise
        {
            attempt.refused.insert(node, refusal);
        }
    }

    /// Whether all promises of the attempt are there; if not, what to say.
    pub fn collecting(&self) -> Option<Waiting> {
        let attempt = self.attempt.as_ref()?;
        let missing: Vec<String> = attempt
            .lacking()
            .map(|member| {
                let who = format!("node {} at {}", member.node, member.client_address);
                match attempt.refused.get(&member.node) {
                    Some(refusal) => format!("{who}, which {refusal}"),
                    None => format!("{who}, which has not answered"),
                }
            })
            .collect();
        (!missing.is_empty()).then_some(Waiting::Promises { missing })
    }

    fn node(&self) -> NodeId {
        self.settings.own.node
    }

    fn places_count(&self) -> bool {
        matches!(self.settings.terms.arbiter, Arbiter::StaticList { .. })
    }

    /// The quiet time begins when nothing of a running cluster is heard, and again whenever it is.
    fn listen(&mut self, now: Duration, view: &View, peers: &Peers<'_>) {
        let readable = match &view.marker {
            MarkerView::Unused | MarkerView::Absent => true,
            MarkerView::Present(marker) => marker.founding.founder == self.node(),
            MarkerView::Unreadable(_) => false,
        };
        if readable && peers.clusters().is_empty() {
            self.silent_since.get_or_insert(now);
        } else {
            self.silent_since = None;
        }
    }

    /// Rule 2: who hears of a cluster founds none.
    fn heard_of_cluster(
        &self,
        own: Option<Promise>,
        view: &View,
        peers: &Peers<'_>,
    ) -> Option<Step> {
        let mut clusters = peers.clusters();
        if clusters.is_empty() {
            return None;
        }
        if let Some(promise) = own
            && clusters.contains_key(&promise.cluster_id)
        {
            return Some(Step::Member(promise.cluster_id));
        }
        if let Some(promise) = own
            && promise.founder == self.node()
            && own_marker(view, self.node()) != Some(promise.cluster_id)
        {
            return Some(self.withdraw(promise, peers));
        }
        if let MarkerView::Present(marker) = &view.marker {
            clusters
                .entry(marker.founding.cluster_id)
                .or_insert("the marker of the seed directory");
        }
        let mut all = clusters.into_iter();
        let (cluster_id, place) = all.next()?;
        let mut rest: Vec<_> = all.map(|(id, place)| (id, place.to_owned())).collect();
        if !rest.is_empty() {
            rest.insert(0, (cluster_id, place.to_owned()));
            return Some(Step::Wait(Waiting::SeveralClusters { clusters: rest }));
        }
        Some(match own.and_then(|promise| Some((promise, peers.founder_says(promise)?))) {
            // Its founder will hear of the cluster as well, and withdraw.
            Some((promise, true)) => Step::Wait(Waiting::Founder { promise }),
            Some((promise, false)) => Step::Release(promise),
            // The arbiter has given the cluster away, so a founder that is gone cannot found.
            None => Step::Join { cluster_id, raft_addresses: peers.raft_addresses(cluster_id) },
        })
    }

    /// Rules 4 and 5: the marker of another founder binds this node.
    fn bound_by_marker(
        &self,
        own: Option<Promise>,
        view: &View,
        peers: &Peers<'_>,
    ) -> Option<Step> {
        let founding = match &view.marker {
            MarkerView::Unused | MarkerView::Absent => return None,
            MarkerView::Unreadable(reason) => {
                return Some(Step::Wait(Waiting::Directory { reason: reason.clone() }));
            }
            MarkerView::Present(marker) => &marker.founding,
        };
        if founding.founder == self.node() {
            return None;
        }
        match own {
            Some(promise) if promise.founder == self.node() => {
                return Some(self.withdraw(promise, peers));
            }
            // As long as it is another one's, and of its own founder as long as that one answers.
            Some(promise) if promise != founding.promise() => return None,
            Some(promise) if peers.nodes.contains_key(&promise.founder) => return None,
            Some(_) | None => {}
        }
        let members = &founding.members;
        let (founder, cluster_id) = (founding.founder, founding.cluster_id);
        if own.is_some() || members.iter().any(|member| peers.nodes.contains_key(&member.node)) {
            let founder_answers = peers.nodes.contains_key(&founder);
            let waiting = Waiting::MarkerFounding { founder, cluster_id, founder_answers };
            return Some(Step::Wait(waiting));
        }
        let nodes = members.iter().map(|member| member.client_address.clone()).collect();
        Some(Step::Wait(Waiting::MarkerSilent { cluster_id, nodes }))
    }

    /// A promise to another founder holds until that founder itself no longer stands by it.
    fn keep(&self, promise: Promise, peers: &Peers<'_>) -> Step {
        match peers.founder_says(promise) {
            Some(true) => Step::Wait(Waiting::Founder { promise }),
            Some(false) => Step::Release(promise),
            None => Step::Wait(Waiting::LostFounder { promise }),
        }
    }

    /// Rule 3, for a node that has set out to found.
    fn drive(&mut self, promise: Promise, view: &View, peers: &Peers<'_>) -> Step {
        let marked = own_marker(view, self.node());
        if let MarkerView::Present(marker) = &view.marker
            && marked == Some(promise.cluster_id)
            && self.attempt.is_none()
        {
            self.attempt = Some(Attempt::new(marker.founding.clone()));
        }
        let Some(attempt) = &self.attempt else {
            // The set of nodes is not known any more, so the cluster id is of no use.
            return self.withdraw(promise, peers);
        };
        let lacking: Vec<&FoundingMember> = attempt.lacking().collect();
        if lacking.is_empty() {
            return self.complete(attempt, marked, peers);
        }
        // The marker is this node's, so nobody else can found before it.
        let rival = marked.is_none() && peers.rival(self.places_count()).is_some();
        if rival || self.another_set_would_do(attempt, peers) {
            return self.withdraw(promise, peers);
        }
        let from = lacking.into_iter().map(|member| address_of(member, peers)).collect();
        Step::Request { promise, from }
    }

    fn complete(&self, attempt: &Attempt, marked: Option<ClusterId>, peers: &Peers<'_>) -> Step {
        let founding = self.with_addresses_of_today(&attempt.founding, peers);
        match self.settings.terms.arbiter {
            Arbiter::SeedDirectory if marked != Some(founding.cluster_id) => {
                let cluster_name = self.settings.terms.cluster_name.clone();
                let marker = Marker { cluster_name, founding };
                Step::WriteMarker { marker, replace: marked.is_some() }
            }
            Arbiter::SeedDirectory
            | Arbiter::Alone
            | Arbiter::StaticList { .. }
            | Arbiter::Multicast => Step::Found(founding),
        }
    }

    /// Whether a member that has not promised is of no use while others could take its place.
    fn another_set_would_do(&self, attempt: &Attempt, peers: &Peers<'_>) -> bool {
        let promise = attempt.founding.promise();
        let usable = |node: NodeId| {
            let peer = peers.nodes.get(&node);
            peer.is_some_and(|peer| peer.answer.promise.is_none_or(|given| given == promise))
        };
        let useless = attempt.lacking().any(|member| !usable(member.node));
        let free = peers.empty(self.places_count()).filter(|(node, _)| usable(*node)).count();
        useless && free + 1 >= usize::from(self.settings.terms.expect)
    }

    fn withdraw(&self, promise: Promise, peers: &Peers<'_>) -> Step {
        let attempt = self.attempt.iter();
        let others = attempt.flat_map(|attempt| &attempt.founding.members);
        let others = others.filter(|member| member.node != self.node());
        let tell = others.map(|member| address_of(member, peers)).collect();
        Step::Withdraw { promise, tell }
    }

    /// Rules 3 and 4, for a node that has promised nothing.
    fn begin(&mut self, now: Duration, view: &View, peers: &Peers<'_>, fresh: ClusterId) -> Step {
        if let Some(obstacle) = self.may_not_found(peers) {
            return Step::Wait(Waiting::Obstacle(obstacle));
        }
        let expect = self.settings.terms.expect;
        let empty: Vec<_> = peers.empty(self.places_count()).collect();
        let free: Vec<_> = empty.iter().filter(|(_, p)| p.answer.promise.is_none()).collect();
        if free.len() + 1 < usize::from(expect) {
            let mut missing = peers.missing.clone();
            missing.extend(empty.iter().filter_map(|(node, peer)| {
                let promised = peer.answer.promise?;
                Some(format!("node {node} has promised node {}", promised.founder))
            }));
            let have = free.len() + 1;
            return Step::Wait(Waiting::Nodes { have, expect, missing });
        }
        let heard = empty.len() + 1;
        if self.settings.terms.arbiter == Arbiter::Multicast && heard >= 2 * usize::from(expect) {
            return Step::Wait(Waiting::Obstacle(Obstacle::TooMany { heard, expect }));
        }
        // With a marker of its own in the directory nobody else can found before this node.
        if own_marker(view, self.node()).is_none()
            && let Some((node, peer)) = peers.rival(self.places_count())
        {
            let address = peer.address.to_owned();
            return Step::Wait(Waiting::LowerNode { node, address });
        }
        if self.must_be_quiet(now) {
            return Step::Wait(Waiting::Quiet);
        }
        let chosen =
            free.iter().take(usize::from(expect.saturating_sub(1))).map(|(_, peer)| peer.member());
        let mut members: Vec<FoundingMember> = chosen.collect();
        members.push(self.settings.own.clone());
        members.sort_by_key(|member| member.node);
        let founding = Founding { founder: self.node(), cluster_id: fresh, members };
        self.attempt = Some(Attempt::new(founding.clone()));
        Step::Promise(founding)
    }

    /// What stands against a founding by this node, in the order in which an operator mends it.
    fn may_not_found(&self, peers: &Peers<'_>) -> Option<Obstacle> {
        let Terms { expect, arbiter, .. } = self.settings.terms;
        if let Some(address) = &peers.twin {
            return Some(Obstacle::Twin { address: address.clone() });
        }
        if !peers.foreign.is_empty() {
            return Some(Obstacle::EmbeddedMember { addresses: peers.foreign.clone() });
        }
        match arbiter {
            Arbiter::Alone if expect > 1 => return Some(Obstacle::Alone { expect }),
            Arbiter::StaticList { places } => {
                if peers.own_places.is_empty() {
                    let address = self.settings.own.client_address.clone();
                    return Some(Obstacle::NotListed { address });
                }
                if 2 * u32::from(expect) <= u32::from(places) {
                    return Some(Obstacle::ExpectTooSmall { expect, places });
                }
            }
            Arbiter::Alone | Arbiter::SeedDirectory | Arbiter::Multicast => {}
        }
        let differs = peers.empty(self.places_count()).find(|(_, p)| p.answer.expect != expect);
        if let Some((_, peer)) = differs {
            let other = (peer.address.to_owned(), peer.answer.expect);
            return Some(Obstacle::ExpectDiffers { here: expect, other });
        }
        None
    }

    fn must_be_quiet(&self, now: Duration) -> bool {
        match self.settings.terms.arbiter {
            Arbiter::Alone | Arbiter::StaticList { .. } => false,
            Arbiter::SeedDirectory | Arbiter::Multicast => self
                .silent_since
                .is_none_or(|since| now.saturating_sub(since) < self.settings.quiet),
        }
    }

    /// Addresses may have changed since the founding was set out.
    fn with_addresses_of_today(&self, founding: &Founding, peers: &Peers<'_>) -> Founding {
        let today = founding.members.iter().map(|member| match peers.nodes.get(&member.node) {
            Some(peer) => peer.member(),
            None if member.node == self.node() => self.settings.own.clone(),
            None => member.clone(),
        });
        Founding { members: today.collect(), ..*founding }
    }
}

/// The cluster id of a marker that this node has written, if there is one.
fn own_marker(view: &View, own: NodeId) -> Option<ClusterId> {
    match &view.marker {
        MarkerView::Present(marker) if marker.founding.founder == own => {
            Some(marker.founding.cluster_id)
        }
        MarkerView::Present(_)
        | MarkerView::Unused
        | MarkerView::Absent
        | MarkerView::Unreadable(_) => None,
    }
}

/// Where a member answers, or else says that it does.
fn address_of(member: &FoundingMember, peers: &Peers<'_>) -> (NodeId, String) {
    let heard = peers.nodes.get(&member.node).map(|peer| peer.address);
    (member.node, heard.unwrap_or(&member.client_address).to_owned())
}
