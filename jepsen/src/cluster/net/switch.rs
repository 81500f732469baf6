//! The whole router but for its devices: packets in, packets out, time a value.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::address::{Destination, End, Layout};
use super::link::{Counters, Flight, Link, Route, Verdict};
use super::packet;

/// A limit on memory: about a hundred megabytes of full packets held back, over all links.
const WAITING_MAX: usize = 65_536;
/// Buffers kept for the next packets that wait.
const SPARE_MAX: usize = 1024;

/// Puts a packet out on a device; false if the device refused it.
pub(super) trait Devices {
    fn send(&mut self, device: usize, packet: &[u8]) -> bool;
}

/// Every link, and the packets under way.
pub(super) struct Switch {
    layout: Layout,
    /// A square: by sender, then receiver.
    routes: Vec<Route>,
    chance: StdRng,
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Tells apart what is due at the same moment: first come, first served.
    count: u64,
    spare: Vec<Vec<u8>>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    due: Instant,
    number: u64,
    route: usize,
    to: End,
    packet: Vec<u8>,
}

impl Switch {
    pub(super) fn new(layout: Layout, seed: u64) -> Switch {
        let links = layout.ends() * layout.ends();
        Switch {
            layout,
            routes: std::iter::repeat_with(Route::default).take(links).collect(),
            chance: StdRng::seed_from_u64(seed),
            waiting: BinaryHeap::new(),
            count: 0,
            spare: Vec::new(),
        }
    }

    pub(super) fn set(&mut self, from: End, to: End, link: Link) {
        let route = self.route(from, to);
        self.routes[route].set(link);
    }

    pub(super) fn heal(&mut self) {
        for route in &mut self.routes {
            route.set(Link::default());
        }
    }

    pub(super) fn is_perfect(&self) -> bool {
        self.routes.iter().all(Route::is_perfect)
    }

    pub(super) fn counters(&self, from: End, to: End) -> Counters {
        self.routes[self.route(from, to)].counters
    }

    /// Takes a packet that came from a device. It is changed for a moment where a bit is to be
    /// flipped, and is whole again afterwards.
    pub(super) fn accept(
        &mut self,
        device: usize,
        bytes: &mut [u8],
        now: Instant,
        devices: &mut impl Devices,
    ) {
        let Some((source, destination)) = packet::addresses(bytes) else { return };
        let Some(from) = self.layout.end(source) else { return };
        // A false source would put the packet on somebody else's link.
        if self.layout.device(from) != device {
            return;
        }
        match self.layout.destination(destination) {
            Destination::One(to) => self.carry(from, to, bytes, now, devices),
            Destination::EveryNode => {
                for to in (0..self.layout.nodes()).map(End::Node).filter(|to| *to != from) {
                    self.carry(from, to, bytes, now, devices);
                }
            }
            Destination::Nobody => {}
        }
    }

    /// Sends on what is due.
    pub(super) fn deliver(&mut self, now: Instant, devices: &mut impl Devices) {
        while self.next_due().is_some_and(|due| due <= now) {
            let Some(Reverse(waiting)) = self.waiting.pop() else { return };
            let route = &mut self.routes[waiting.route];
            if route.is_cut() {
                route.counters.cut += 1;
            } else {
                let sent = devices.send(self.layout.device(waiting.to), &waiting.packet);
                count_sent(&mut route.counters, sent);
            }
            if self.spare.len() < SPARE_MAX {
                self.spare.push(waiting.packet);
            }
        }
    }

    /// When the next packet is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.peek().map(|Reverse(waiting)| waiting.due)
    }

    fn route(&self, from: End, to: End) -> usize {
        self.layout.place(from) * self.layout.ends() + self.layout.place(to)
    }

    fn carry(
        &mut self,
        from: End,
        to: End,
        bytes: &mut [u8],
        now: Instant,
        devices: &mut impl Devices,
    ) {
        let route = self.route(from, to);
        let ends_connections = || packet::resets(bytes).is_some();
        let verdict =
            self.routes[route].judge(bytes.len(), ends_connections, now, &mut self.chance);
        match verdict {
            Verdict::Drop => {}
            Verdict::Reset => {
                let Some(resets) = packet::resets(bytes) else { return };
                devices.send(self.layout.device(from), &resets.to_sender);
                if let Some(reset) = resets.to_receiver {
                    devices.send(self.layout.device(to), &reset);
                }
            }
            Verdict::Pass(first, second) => {
                for flight in [Some(first), second].into_iter().flatten() {
                    self.send(route, to, bytes, flight, devices);
                }
            }
        }
    }

    fn send(
        &mut self,
        route: usize,
        to: End,
        bytes: &mut [u8],
        flight: Flight,
        devices: &mut impl Devices,
    ) {
        if let Some(bit) = flight.flip {
            packet::flip_bit(bytes, bit);
        }
        match flight.due {
            None => {
                let sent = devices.send(self.layout.device(to), bytes);
                count_sent(&mut self.routes[route].counters, sent);
            }
            Some(_) if self.waiting.len() >= WAITING_MAX => {
                self.routes[route].counters.lost += 1;
            }
            Some(due) => {
                let mut packet = self.spare.pop().unwrap_or_default();
                packet.clear();
                packet.extend_from_slice(bytes);
                self.count += 1;
                let number = self.count;
                self.waiting.push(Reverse(Waiting { due, number, route, to, packet }));
            }
        }
        if let Some(bit) = flight.flip {
            packet::flip_bit(bytes, bit);
        }
    }
}

fn count_sent(counters: &mut Counters, sent: bool) {
    match sent {
        true => counters.passed += 1,
        false => counters.lost += 1,
    }
}

#[cfg(test)]
mod tests;
