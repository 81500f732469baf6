//! Which packet goes where and when, without a device.

use std::time::Duration;

use super::super::packet::tests::{tcp, udp};
use super::*;

const ACK: u8 = 16;
const MULTICAST: u32 = u32::from_be_bytes([224, 2, 2, 3]);
const ZERO: End = End::Node(0);
const ONE: End = End::Node(1);
const TWO: End = End::Node(2);
/// The device behind which the clients are.
const CLIENTS: usize = 3;

#[derive(Default)]
struct Sent {
    packets: Vec<(usize, Vec<u8>)>,
    refusing: bool,
}

impl Devices for Sent {
    fn send(&mut self, device: usize, packet: &[u8]) -> bool {
        if !self.refusing {
            self.packets.push((device, packet.to_vec()));
        }
        !self.refusing
    }
}

/// A switch for three nodes and two clients.
struct Trial {
    switch: Switch,
    sent: Sent,
    now: Instant,
}

impl Trial {
    fn new() -> Trial {
        let switch = Switch::new(Layout::new(3, 2).unwrap(), 1);
        Trial { switch, sent: Sent::default(), now: Instant::now() }
    }

    fn address(&self, end: End) -> u32 {
        self.switch.layout.address(end).into()
    }

    fn accept(&mut self, device: usize, packet: &[u8]) {
        self.switch.accept(device, &mut packet.to_vec(), self.now, &mut self.sent);
    }

    /// A datagram by the right device.
    fn datagram(&mut self, from: End, to: End, data: &[u8]) -> Vec<u8> {
        let packet = udp(self.address(from), self.address(to), data);
        self.accept(self.switch.layout.device(from), &packet);
        packet
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.switch.deliver(self.now, &mut self.sent);
    }

    fn devices(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.sent.packets).into_iter().map(|(device, _)| device).collect()
    }
}

fn cut() -> Link {
    Link { cut: true, ..Link::default() }
}

fn delay(millis: u64) -> Link {
    Link { delay: Duration::from_millis(millis), ..Link::default() }
}

#[test]
fn a_packet_goes_to_the_device_of_its_address() {
    let mut trial = Trial::new();
    for (from, to) in [(ZERO, ONE), (End::Client(1), TWO), (TWO, End::Client(0))] {
        let packet = trial.datagram(from, to, b"data");
        let device = trial.switch.layout.device(to);
        assert_eq!(trial.sent.packets, [(device, packet)]);
        assert_eq!(trial.switch.counters(from, to).passed, 1);
        assert_eq!(trial.devices(), [device]);
    }
    assert_eq!(trial.switch.counters(ONE, ZERO), Counters::default());
}

#[test]
fn strangers_and_false_senders_are_not_heard() {
    let mut trial = Trial::new();
    let (zero, one) = (trial.address(ZERO), trial.address(ONE));
    trial.accept(0, &udp(zero, 0x0a5b_0001, b"to a stranger"));
    trial.accept(0, &udp(0x0a5b_0001, one, b"from a stranger"));
    trial.accept(2, &udp(zero, one, b"under a false name"));
    assert!(trial.devices().is_empty());
}

#[test]
fn a_cut_is_of_one_direction_and_one_client() {
    let mut trial = Trial::new();
    trial.switch.set(End::Client(0), ONE, cut());
    trial.datagram(End::Client(0), ONE, b"");
    assert!(trial.devices().is_empty());
    trial.datagram(ONE, End::Client(0), b"");
    trial.datagram(End::Client(1), ONE, b"");
    trial.datagram(End::Observer, ONE, b"");
    assert_eq!(trial.devices(), [CLIENTS, 1, 1]);
    assert_eq!(trial.switch.counters(End::Client(0), ONE).cut, 1);
    trial.switch.heal();
    trial.datagram(End::Client(0), ONE, b"");
    assert_eq!(trial.devices(), [1]);
}

#[test]
fn multicast_is_copied_to_every_other_node_under_each_links_faults() {
    let mut trial = Trial::new();
    let packet = udp(trial.address(ZERO), MULTICAST, b"data");
    trial.accept(0, &packet);
    assert_eq!(trial.devices(), [1, 2]);
    trial.switch.set(ZERO, ONE, cut());
    trial.accept(0, &packet);
    assert_eq!(trial.devices(), [2]);
    let from_client = udp(trial.address(End::Client(0)), MULTICAST, b"data");
    trial.accept(CLIENTS, &from_client);
    assert_eq!(trial.devices(), [0, 1, 2]);
}

#[test]
fn a_flipped_bit_of_one_copy_is_whole_in_the_next() {
    let mut trial = Trial::new();
    trial.switch.set(ZERO, ONE, Link { corrupt: 1.0, ..Link::default() });
    let packet = udp(trial.address(ZERO), MULTICAST, b"data");
    trial.accept(0, &packet);
    let [(1, flipped), (2, whole)] = &trial.sent.packets[..] else { panic!("not two") };
    assert_ne!(*flipped, packet);
    assert_eq!(*whole, packet);
}

#[test]
fn held_back_packets_leave_when_due_in_the_order_of_their_time() {
    let mut trial = Trial::new();
    trial.switch.set(ZERO, ONE, delay(20));
    trial.switch.set(ZERO, TWO, delay(10));
    let first = trial.datagram(ZERO, ONE, b"first");
    let second = trial.datagram(ZERO, ONE, b"second");
    let third = trial.datagram(ZERO, TWO, b"third");
    assert_eq!(trial.switch.next_due(), Some(trial.now + Duration::from_millis(10)));
    trial.pass(9);
    assert!(trial.sent.packets.is_empty());
    trial.pass(11);
    assert_eq!(trial.sent.packets, [(2, third), (1, first), (1, second)]);
    assert_eq!(trial.switch.next_due(), None);
}

#[test]
fn a_cut_also_stops_what_is_under_way() {
    let mut trial = Trial::new();
    trial.switch.set(ZERO, ONE, delay(20));
    trial.datagram(ZERO, ONE, b"");
    trial.switch.set(ZERO, ONE, cut());
    trial.pass(20);
    assert!(trial.devices().is_empty());
    assert_eq!(trial.switch.counters(ZERO, ONE), Counters { cut: 1, delayed: 1, ..default() });
}

#[test]
fn a_copy_is_sent_as_well() {
    let mut trial = Trial::new();
    trial.switch.set(ZERO, ONE, Link { duplicate: 1.0, ..Link::default() });
    trial.datagram(ZERO, ONE, b"");
    assert_eq!(trial.devices(), [1, 1]);
    let expected = Counters { passed: 2, duplicated: 1, ..default() };
    assert_eq!(trial.switch.counters(ZERO, ONE), expected);
}

#[test]
fn a_segment_on_a_resetting_link_is_answered_to_both_ends() {
    let mut trial = Trial::new();
    trial.switch.set(ZERO, ONE, Link { reset: true, ..Link::default() });
    let (zero, one) = (trial.address(ZERO), trial.address(ONE));
    trial.accept(0, &tcp(zero, one, ACK, b"data"));
    let routed = trial
        .sent
        .packets
        .iter()
        .map(|(device, bytes)| (*device, packet::addresses(bytes).unwrap()));
    assert_eq!(routed.collect::<Vec<_>>(), [(0, (one, zero)), (1, (zero, one))]);
    assert_eq!(trial.switch.counters(ZERO, ONE), Counters { reset: 1, ..default() });
    trial.devices();
    trial.datagram(ZERO, ONE, b"");
    assert_eq!(trial.devices(), [1]);
}

#[test]
fn what_a_device_refuses_is_lost() {
    let mut trial = Trial::new();
    trial.sent.refusing = true;
    trial.datagram(ZERO, ONE, b"");
    assert_eq!(trial.switch.counters(ZERO, ONE), Counters { lost: 1, ..default() });
}

#[test]
fn memory_for_held_back_packets_has_an_end() {
    let mut trial = Trial::new();
    trial.switch.set(ZERO, ONE, delay(20));
    for _ in 0..WAITING_MAX + 5 {
        trial.datagram(ZERO, ONE, b"");
    }
    assert_eq!(trial.switch.counters(ZERO, ONE).lost, 5);
    trial.pass(20);
    assert_eq!(trial.devices().len(), WAITING_MAX);
    assert_eq!(trial.switch.spare.len(), SPARE_MAX);
}

fn default() -> Counters {
    Counters::default()
}
