//! A world of a few nodes that run the real decision and the real promise rule over a network that
//! loses, delays and reorders, with crashes between any two durable steps.

use crate::bootstrap::{
    Arbiter, Decider, DeciderSettings, Founding, FoundingMember, Heard, HeardAt, Marker,
    MarkerView, PeerAnswer, Promise, PromiseRequest, Refusal, Standing, Step, Terms, View,
};
use statekeeper_machine::{ClusterId, NodeId};
use std::collections::BTreeSet;
use std::time::Duration;

/// What may go wrong, how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Faults {
    pub(super) losses: u8,
    pub(super) crashes: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    terms: Terms,
    pub(super) nodes: Vec<Node>,
    pub(super) marker: Option<Marker>,
    messages: Vec<Message>,
    pub(super) founded: BTreeSet<ClusterId>,
    pub(super) faults: Faults,
    /// All addresses of a look are asked at one moment, or one after the other.
    looks_are_atomic: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) standing: Standing,
    record: Option<Founding>,
    draws: u8,
    decider: Decider,
    phase: Phase,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// Not started yet: nobody listens there.
    Off,
    Idle,
    Looking {
        seen: Seen,
        remaining: BTreeSet<usize>,
    },
    Deciding(Seen),
    Promising {
        seen: Seen,
        founding: Founding,
    },
    Asking {
        seen: Seen,
        promise: Promise,
        pending: BTreeSet<usize>,
    },
    Writing(Seen),
    Founding(Founding),
    Accepting(ClusterId),
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Seen {
    view: View,
    /// A promise was asked for and given since the look began.
    granted_since: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Message {
    Request { from: usize, to: usize, promise: Promise },
    Reply { from: usize, to: usize, promise: Promise, granted: bool },
    Release { to: usize, promise: Promise },
    PutMarker { by: usize, cluster_id: ClusterId, members: Vec<usize>, replace: bool },
}

impl Phase {
    fn seen(&mut self) -> Option<&mut Seen> {
        match self {
            Self::Looking { seen, .. }
            | Self::Deciding(seen)
            | Self::Promising { seen, .. }
            | Self::Asking { seen, .. }
            | Self::Writing(seen) => Some(seen),
            Self::Off | Self::Idle | Self::Founding(_) | Self::Accepting(_) | Self::Done => None,
        }
    }
}

/// One thing that may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Start { node: usize },
    Look { node: usize, deaf: u8 },
    Hear { node: usize, peer: usize, lost: bool },
    Act { node: usize },
    GiveUp { node: usize },
    Deliver { message: usize },
    Drop { message: usize },
    Crash { node: usize },
}

fn member(index: usize) -> FoundingMember {
    FoundingMember {
        node: NodeId(index as u64 + 1),
        raft_address: format!("r{index}"),
        client_address: format!("c{index}"),
    }
}

fn index(node: NodeId) -> usize {
    usize::try_from(node.0).unwrap() - 1
}

impl World {
    pub(super) fn new(arbiter: Arbiter, nodes: usize, expect: u16, faults: Faults) -> Self {
        let terms = Terms { cluster_name: "c".to_owned(), expect, arbiter };
        let node = |index| {
            let node = NodeId(index as u64 + 1);
            Node {
                standing: Standing { node, cluster_id: None, promise: None },
                record: None,
                draws: 0,
                decider: decider(&terms, index, None),
                phase: Phase::Off,
            }
        };
        let nodes = (0..nodes).map(node).collect();
        let looks_are_atomic = true;
        let (messages, founded) = (Vec::new(), BTreeSet::new());
        Self { terms, nodes, marker: None, messages, founded, faults, looks_are_atomic }
    }

    /// Addresses are asked one after the other, and others act in between.
    pub(super) fn with_slow_looks(mut self) -> Self {
        self.looks_are_atomic = false;
        self
    }

    /// Everything that may happen now.
    pub(super) fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let lossy = self.faults.losses > 0;
        for (node, state) in self.nodes.iter().enumerate() {
            match &state.phase {
                Phase::Off => events.push(Event::Start { node }),
                Phase::Idle if self.looks_are_atomic => {
                    let all = 1u8 << self.nodes.len();
                    let deaf = (0..all).filter(|deaf| {
                        deaf & (1 << node) == 0 && deaf.count_ones() <= self.faults.losses.into()
                    });
                    events.extend(deaf.map(|deaf| Event::Look { node, deaf }));
                }
                Phase::Idle => events.push(Event::Look { node, deaf: 0 }),
                Phase::Looking { remaining, .. } => {
                    for peer in remaining.iter().copied() {
                        events.push(Event::Hear { node, peer, lost: false });
                        if lossy {
                            events.push(Event::Hear { node, peer, lost: true });
                        }
                    }
                }
                Phase::Asking { .. } if lossy => events.push(Event::GiveUp { node }),
                Phase::Asking { .. } | Phase::Writing(_) | Phase::Done => {}
                Phase::Deciding(_)
                | Phase::Promising { .. }
                | Phase::Founding(_)
                | Phase::Accepting(_) => events.push(Event::Act { node }),
            }
            let alive = !matches!(state.phase, Phase::Done | Phase::Off);
            if self.faults.crashes > 0 && alive {
                events.push(Event::Crash { node });
            }
        }
        for (message, what) in self.messages.iter().enumerate() {
            events.push(Event::Deliver { message });
            if lossy && !matches!(what, Message::PutMarker { .. }) {
                events.push(Event::Drop { message });
            }
        }
        events
    }

    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Start { node } => self.nodes[node].phase = Phase::Idle,
            Event::Look { node, deaf } => self.look(node, deaf),
            Event::Hear { node, peer, lost } => {
                let heard = self.answer(peer, lost);
                self.faults.losses -= u8::from(lost);
                let Phase::Looking { seen, remaining } = &mut self.nodes[node].phase else {
                    unreachable!()
                };
                seen.view.heard.push(heard);
                remaining.remove(&peer);
                if remaining.is_empty() {
                    self.nodes[node].phase = Phase::Deciding(seen.clone());
                }
            }
            Event::Act { node } => self.act(node),
            Event::GiveUp { node } => {
                self.faults.losses -= 1;
                self.nodes[node].phase = Phase::Idle;
            }
            Event::Deliver { message } => {
                let message = self.messages.remove(message);
                self.deliver(message);
            }
            Event::Drop { message } => {
                self.faults.losses -= 1;
                self.messages.remove(message);
            }
            Event::Crash { node } => {
                self.faults.crashes -= 1;
                let state = &mut self.nodes[node];
                state.decider = decider(&self.terms, node, state.record.clone());
                state.phase = Phase::Idle;
            }
        }
        self.messages.sort();
        self.check();
    }

    fn check(&self) {
        assert!(self.founded.len() <= 1, "two clusters: {self:#?}");
        for node in &self.nodes {
            let cluster = node.standing.cluster_id;
            assert!(cluster.is_none_or(|id| self.founded.contains(&id)), "{self:#?}");
        }
    }

    /// Whether all nodes have come into one cluster.
    pub(super) fn is_settled(&self) -> bool {
        self.founded.len() == 1 && self.nodes.iter().all(|node| node.phase == Phase::Done)
    }

    /// Without further faults, every node acting in turn: all of them come into one cluster.
    pub(super) fn settle(mut self) -> Result<Self, Box<Self>> {
        const ROUNDS: usize = 120;
        self.faults = Faults { losses: 0, crashes: 0 };
        for _ in 0..ROUNDS {
            if self.is_settled() {
                return Ok(self);
            }
            while !self.messages.is_empty() {
                self.apply(Event::Deliver { message: 0 });
            }
            for node in 0..self.nodes.len() {
                let turn = self.events().into_iter().find(|event| match *event {
                    Event::Start { node: who } => who == node,
                    Event::Look { node: who, deaf } => who == node && deaf == 0,
                    Event::Hear { node: who, lost, .. } => who == node && !lost,
                    Event::Act { node: who } => who == node,
                    Event::GiveUp { .. }
                    | Event::Deliver { .. }
                    | Event::Drop { .. }
                    | Event::Crash { .. } => false,
                });
                if let Some(event) = turn {
                    self.apply(event);
                }
                // A question without its message was lost before the faults ended.
                self.give_up_lost_questions(node);
            }
        }
        Err(Box::new(self))
    }

    fn give_up_lost_questions(&mut self, node: usize) {
        let Phase::Asking { pending, promise, .. } = &self.nodes[node].phase else { return };
        let on_its_way = |peer: usize| {
            self.messages.iter().any(|message| match message {
                Message::Request { from, to, promise: asked } => {
                    *from == node && *to == peer && asked == promise
                }
                Message::Reply { from, to, promise: asked, .. } => {
                    *from == peer && *to == node && asked == promise
                }
                Message::Release { .. } | Message::PutMarker { .. } => false,
            })
        };
        if pending.iter().any(|peer| !on_its_way(*peer)) {
            self.nodes[node].phase = Phase::Idle;
        }
    }

    fn look(&mut self, node: usize, deaf: u8) {
        self.faults.losses -= u8::try_from(deaf.count_ones()).unwrap();
        let others = (0..self.nodes.len()).filter(|peer| *peer != node);
        let mut seen = Seen { view: self.view(node), granted_since: false };
        self.nodes[node].phase = if self.looks_are_atomic {
            let heard = others.map(|peer| self.answer(peer, deaf & (1 << peer) != 0));
            seen.view.heard = heard.collect();
            Phase::Deciding(seen)
        } else {
            let remaining: BTreeSet<usize> = others.collect();
            if remaining.is_empty() {
                Phase::Deciding(seen)
            } else {
                Phase::Looking { seen, remaining }
            }
        };
    }

    fn view(&self, node: usize) -> View {
        let marker = match (&self.terms.arbiter, &self.marker) {
            (Arbiter::SeedDirectory, Some(marker)) => MarkerView::Present(marker.clone()),
            (Arbiter::SeedDirectory, None) => MarkerView::Absent,
            (Arbiter::Alone | Arbiter::StaticList { .. } | Arbiter::Multicast, _) => {
                MarkerView::Unused
            }
        };
        View { heard: Vec::new(), marker, own_address_listed: self.place(node) }
    }

    fn place(&self, node: usize) -> Option<u16> {
        match self.terms.arbiter {
            Arbiter::StaticList { places } => {
                u16::try_from(node).ok().filter(|place| *place < places)
            }
            Arbiter::Alone | Arbiter::SeedDirectory | Arbiter::Multicast => None,
        }
    }

    fn answer(&self, peer: usize, lost: bool) -> HeardAt {
        let standing = self.nodes[peer].standing;
        let FoundingMember { node, raft_address, client_address } = member(peer);
        let heard = Heard::Node(PeerAnswer {
            cluster_name: self.terms.cluster_name.clone(),
            cluster_id: standing.cluster_id,
            node,
            raft_address,
            client_address: client_address.clone(),
            promise: standing.promise,
            expect: self.terms.expect,
        });
        let off = self.nodes[peer].phase == Phase::Off;
        let heard = match (off, lost) {
            (true, _) => Heard::Refused,
            (false, true) => Heard::Silent,
            (false, false) => heard,
        };
        HeardAt { address: client_address, place: self.place(peer), heard }
    }

    fn act(&mut self, node: usize) {
        let phase = std::mem::replace(&mut self.nodes[node].phase, Phase::Idle);
        let state = &mut self.nodes[node];
        match phase {
            Phase::Deciding(seen) => self.decide(node, seen),
            Phase::Promising { seen, founding } => {
                // Somebody else's request may have been first.
                if state.standing.promise.is_none() {
                    state.standing.promise = Some(founding.promise());
                }
                state.phase = Phase::Deciding(seen);
            }
            Phase::Founding(founding) => {
                state.standing.cluster_id = Some(founding.cluster_id);
                state.standing.promise = None;
                state.phase = Phase::Done;
                self.founded.insert(founding.cluster_id);
                for member in &founding.members {
                    let standing = self.nodes[index(member.node)].standing;
                    let kept = standing.promise == Some(founding.promise());
                    assert!(kept || member.node == founding.founder, "broken promise: {self:#?}");
                }
            }
            Phase::Accepting(cluster_id) => {
                state.standing.cluster_id = Some(cluster_id);
                state.standing.promise = None;
                state.phase = Phase::Done;
            }
            Phase::Off
            | Phase::Idle
            | Phase::Looking { .. }
            | Phase::Asking { .. }
            | Phase::Writing(_)
            | Phase::Done => unreachable!(),
        }
    }

    fn decide(&mut self, node: usize, seen: Seen) {
        let state = &mut self.nodes[node];
        let fresh = ClusterId(u128::from(state.standing.node.0) * 1000 + u128::from(state.draws));
        let own = state.standing.promise;
        match state.decider.next(Duration::ZERO, own, &seen.view, fresh) {
            Step::Wait(_) => {}
            Step::Promise(founding) => {
                state.draws += 1;
                state.record = Some(founding.clone());
                state.phase = Phase::Promising { seen, founding };
            }
            Step::Request { promise, from } => {
                let pending: BTreeSet<usize> = from.iter().map(|(peer, _)| index(*peer)).collect();
                let requests =
                    pending.iter().map(|to| Message::Request { from: node, to: *to, promise });
                self.messages.extend(requests);
                state.phase = Phase::Asking { seen, promise, pending };
            }
            Step::Withdraw { promise, tell } => {
                assert_eq!(state.standing.promise, Some(promise));
                state.standing.promise = None;
                let tell = tell.iter().map(|(peer, _)| index(*peer));
                self.messages.extend(tell.map(|to| Message::Release { to, promise }));
            }
            Step::Release(promise) => {
                if state.standing.promise == Some(promise) && !seen.granted_since {
                    state.standing.promise = None;
                }
            }
            Step::WriteMarker { marker, replace } => {
                let Marker { founding, .. } = marker;
                let members = founding.members.iter().map(|member| index(member.node)).collect();
                let cluster_id = founding.cluster_id;
                self.messages.push(Message::PutMarker { by: node, cluster_id, members, replace });
                state.phase = Phase::Writing(seen);
            }
            Step::Found(founding) => state.phase = Phase::Founding(founding),
            Step::Member(cluster_id) | Step::Join { cluster_id, .. } => {
                state.phase = Phase::Accepting(cluster_id);
            }
        }
    }

    fn deliver(&mut self, message: Message) {
        match message {
            Message::Request { from, to, promise } => {
                let target = NodeId(to as u64 + 1);
                let request = PromiseRequest { target, promise, terms: self.terms.clone() };
                let state = &mut self.nodes[to];
                let granted = state.standing.judge(&self.terms, &request).is_ok();
                if granted {
                    state.standing.promise = Some(promise);
                    if let Some(seen) = state.phase.seen() {
                        seen.granted_since = true;
                    }
                }
                self.messages.push(Message::Reply { from: to, to: from, promise, granted });
            }
            Message::Reply { from, to, promise, granted } => self.reply(from, to, promise, granted),
            Message::Release { to, promise } => {
                let standing = &mut self.nodes[to].standing;
                if standing.may_release(promise) {
                    standing.promise = None;
                }
            }
            Message::PutMarker { by, cluster_id, members, replace } => {
                let own = self.marker.as_ref().is_some_and(|marker| {
                    replace && marker.founding.founder == NodeId(by as u64 + 1)
                });
                if self.marker.is_none() || own {
                    let founding = Founding {
                        founder: NodeId(by as u64 + 1),
                        cluster_id,
                        members: members.into_iter().map(member).collect(),
                    };
                    let cluster_name = self.terms.cluster_name.clone();
                    self.marker = Some(Marker { cluster_name, founding });
                }
                let view = self.view(by);
                if let Phase::Writing(seen) = &self.nodes[by].phase {
                    let mut seen = seen.clone();
                    seen.view.marker = view.marker;
                    self.nodes[by].phase = Phase::Deciding(seen);
                }
            }
        }
    }

    fn reply(&mut self, from: usize, to: usize, promise: Promise, granted: bool) {
        let state = &mut self.nodes[to];
        let Phase::Asking { seen, promise: asked, pending } = &mut state.phase else { return };
        if *asked != promise || !pending.remove(&from) {
            return;
        }
        let node = NodeId(from as u64 + 1);
        if granted {
            state.decider.granted(node, promise);
        } else {
            state.decider.refused(node, promise, Refusal::NotDurable);
        }
        if pending.is_empty() {
            state.phase = match state.decider.collecting() {
                Some(_) => Phase::Idle,
                None => Phase::Deciding(seen.clone()),
            };
        }
    }
}

fn decider(terms: &Terms, index: usize, record: Option<Founding>) -> Decider {
    let settings =
        DeciderSettings { own: member(index), terms: terms.clone(), quiet: Duration::ZERO };
    Decider::new(settings, record)
}
