//! What datagrams meet on the way.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use statekeeper_jepsen::cluster::net::{Counters, End, Link, Net};

pub(crate) const ZERO: End = End::Node(0);
pub(crate) const ONE: End = End::Node(1);
const TWO: End = End::Node(2);
const PORT: u16 = 4000;
/// Longer than any packet that will arrive takes on a busy machine.
const ARRIVES_WITHIN: Duration = Duration::from_secs(5);
/// As many datagrams as the buffer of a socket holds for sure.
const BATCH: u32 = 100;
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 2, 2, 3);

pub(crate) fn net() -> Net {
    Net::new(3, 2, 1).unwrap()
}

/// A socket of this end.
fn socket(net: &Net, end: End) -> UdpSocket {
    let address = (net.address(end), PORT);
    let socket = net.inside(end, move || UdpSocket::bind(address)).unwrap().unwrap();
    socket.set_read_timeout(Some(ARRIVES_WITHIN)).unwrap();
    socket
}

fn send(from: &UdpSocket, to: &UdpSocket, numbers: std::ops::Range<u32>) {
    let to = to.local_addr().unwrap();
    for number in numbers {
        from.send_to(&number.to_be_bytes(), to).unwrap();
    }
}

fn receive(socket: &UdpSocket) -> Option<u32> {
    let mut bytes = [0; 4];
    match socket.recv(&mut bytes) {
        Ok(read) => {
            assert_eq!(read, bytes.len());
            Some(u32::from_be_bytes(bytes))
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
            None
        }
    }
}

/// What has come when the last number, which the link lets pass for sure, is there.
fn all_until(socket: &UdpSocket, last: u32) -> Vec<u32> {
    let mut all = Vec::new();
    loop {
        let number = receive(socket).unwrap();
        if number == last {
            return all;
        }
        all.push(number);
    }
}

/// What a link made of some datagrams, and what it counted.
fn trial(link: Link, count: u32) -> (Vec<u32>, Counters) {
    let net = net();
    let (zero, one) = (socket(&net, ZERO), socket(&net, ONE));
    net.set(ZERO, ONE, link);
    let mut all = Vec::new();
    for begin in (0..count).step_by(BATCH as usize) {
        let end = count.min(begin + BATCH);
        send(&zero, &one, begin..end);
        // Each batch is through before the next, so that no buffer of a socket overflows.
        until(|| {
            let Counters { passed, duplicated, lost, .. } = net.counters(ZERO, ONE);
            passed + lost - duplicated == u64::from(end)
        });
        one.set_nonblocking(true).unwrap();
        all.extend(std::iter::from_fn(|| receive(&one)));
        one.set_nonblocking(false).unwrap();
    }
    let counters = net.counters(ZERO, ONE);
    net.heal();
    send(&zero, &one, count..count + 1);
    all.extend(all_until(&one, count));
    (all, counters)
}

pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < ARRIVES_WITHIN, "it never came");
        thread::yield_now();
    }
}

/// Round trips, sorted.
fn round_trips(net: &Net, count: u32) -> Vec<Duration> {
    let (zero, one) = (socket(net, ZERO), socket(net, ONE));
    let answering = thread::spawn({
        let zero = zero.local_addr().unwrap();
        move || {
            for _ in 0..count {
                let number = receive(&one).unwrap();
                one.send_to(&number.to_be_bytes(), zero).unwrap();
            }
        }
    });
    let one = SocketAddr::from((net.address(ONE), PORT));
    let mut times = Vec::new();
    for number in 0..count {
        let begin = Instant::now();
        zero.send_to(&number.to_be_bytes(), one).unwrap();
        assert_eq!(receive(&zero), Some(number));
        times.push(begin.elapsed());
    }
    answering.join().unwrap();
    times.sort();
    times
}

fn share(part: u64, whole: u32) -> f64 {
    part as f64 / f64::from(whole)
}

#[test]
fn a_perfect_link_takes_far_less_than_a_millisecond() {
    let times = round_trips(&net(), 2000);
    println!("round trip: best {:?}, middle {:?}, 99 % {:?}", times[0], times[1000], times[1980]);
    assert!(times[1000] < Duration::from_millis(1), "{:?}", times[1000]);
}

#[test]
fn a_delay_is_kept_to_a_fraction_of_a_millisecond() {
    let net = net();
    net.set(ZERO, ONE, Link { delay: Duration::from_millis(20), ..Link::default() });
    let times = round_trips(&net, 50);
    println!("round trip with 20 ms: best {:?}, middle {:?}", times[0], times[25]);
    assert!(times[0] >= Duration::from_millis(20), "{:?}", times[0]);
    assert!(times[25] < Duration::from_millis(25), "{:?}", times[25]);
    assert_eq!(net.counters(ZERO, ONE).delayed, 50);
    assert_eq!(net.counters(ONE, ZERO).delayed, 0);
}

#[test]
fn a_cut_is_one_way_until_it_is_healed() {
    let net = net();
    let (zero, one) = (socket(&net, ZERO), socket(&net, ONE));
    net.set(ZERO, ONE, Link { cut: true, ..Link::default() });
    send(&zero, &one, 0..10);
    send(&one, &zero, 0..10);
    assert_eq!(all_until(&zero, 9), (0..9).collect::<Vec<_>>());
    until(|| net.counters(ZERO, ONE).cut == 10);
    net.heal();
    send(&zero, &one, 10..11);
    assert_eq!(receive(&one), Some(10));
    let expected = Counters { cut: 10, passed: 1, ..Counters::default() };
    assert_eq!(net.counters(ZERO, ONE), expected);
    assert_eq!(net.counters(ONE, ZERO), Counters { passed: 10, ..Counters::default() });
}

#[test]
fn about_the_share_asked_for_is_lost() {
    let (all, counters) = trial(Link { loss: 0.2, ..Link::default() }, 5000);
    assert_eq!(all.len() as u64 + counters.lost, 5000);
    assert!((0.17..0.23).contains(&share(counters.lost, 5000)), "{counters:?}");
}

#[test]
fn about_the_share_asked_for_comes_twice() {
    let (all, counters) = trial(Link { duplicate: 0.2, ..Link::default() }, 5000);
    assert_eq!(all.len() as u64, 5000 + counters.duplicated);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 5000);
    assert!((0.17..0.23).contains(&share(counters.duplicated, 5000)), "{counters:?}");
}

#[test]
fn jitter_brings_packets_out_of_order() {
    let jitter = Duration::from_millis(10);
    let (all, counters) = trial(Link { jitter, ..Link::default() }, 1000);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 1000);
    let steps_back = all.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(steps_back > 100 && counters.reordered > 100, "{steps_back} {counters:?}");
}

#[test]
fn the_kernel_drops_what_was_corrupted() {
    let (all, counters) = trial(Link { corrupt: 0.2, ..Link::default() }, 5000);
    assert_eq!(counters.passed, 5000, "they were handed over");
    assert_eq!(all.len() as u64 + counters.corrupted, 5000);
    assert!(all.is_sorted(), "and none with a false number came through");
    assert!((0.17..0.23).contains(&share(counters.corrupted, 5000)), "{counters:?}");
}

#[test]
fn a_rate_is_kept() {
    let net = net();
    let (zero, one) = (socket(&net, ZERO), socket(&net, ONE));
    // A packet is of 32 bytes with its headers: 500 a second.
    net.set(ZERO, ONE, Link { bytes_per_second: Some(16_000), ..Link::default() });
    let begin = Instant::now();
    send(&zero, &one, 0..100);
    assert_eq!(all_until(&one, 99).len(), 99);
    let taken = begin.elapsed();
    assert!((200..300).contains(&taken.as_millis()), "{taken:?}");
}

#[test]
fn every_other_node_hears_multicast_and_broadcast() {
    let net = net();
    let listens = |end| {
        let address = net.address(end);
        let bound = net.inside(end, move || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)));
        let socket = bound.unwrap().unwrap();
        socket.join_multicast_v4(&GROUP, &address).unwrap();
        socket.set_multicast_loop_v4(false).unwrap();
        socket.set_broadcast(true).unwrap();
        socket.set_read_timeout(Some(ARRIVES_WITHIN)).unwrap();
        socket
    };
    let [zero, one, two] = [ZERO, ONE, TWO].map(listens);
    let groups = [GROUP, Ipv4Addr::BROADCAST, Ipv4Addr::new(10, 90, 255, 255)];
    for (number, group) in (1_u32..).zip(groups) {
        zero.send_to(&number.to_be_bytes(), (group, PORT)).unwrap();
        assert_eq!(receive(&one), Some(number));
        assert_eq!(receive(&two), Some(number));
    }
    net.set(ZERO, ONE, Link { cut: true, ..Link::default() });
    zero.send_to(&9_u32.to_be_bytes(), (GROUP, PORT)).unwrap();
    assert_eq!(receive(&two), Some(9));
    assert_eq!(net.counters(ZERO, ONE).cut, 1);
}

#[test]
fn a_client_can_be_cut_off_alone_and_the_observer_never_is() {
    let net = net();
    let one = socket(&net, ONE);
    let clients = [End::Client(0), End::Client(1), End::Observer];
    let sockets = thread::spawn({
        let net = net.clone();
        move || {
            net.enter_clients().unwrap();
            clients.map(|end| UdpSocket::bind((net.address(end), PORT)).unwrap())
        }
    });
    let [first, second, observer] = sockets.join().unwrap();
    net.set(End::Client(0), ONE, Link { cut: true, ..Link::default() });
    send(&first, &one, 0..1);
    send(&second, &one, 1..2);
    send(&observer, &one, 2..3);
    assert_eq!([receive(&one), receive(&one)], [Some(1), Some(2)]);
    assert_eq!(net.counters(End::Client(0), ONE).cut, 1);
}

#[test]
#[should_panic(expected = "Observer")]
fn a_fault_for_the_observer_is_refused() {
    net().set(ZERO, End::Observer, Link { cut: true, ..Link::default() });
}

#[test]
fn a_process_of_a_node_has_its_address_and_no_other() {
    let mut command = Command::new("ip");
    command.args(["-brief", "address"]).stdout(Stdio::piped());
    let output = net().spawn(2, command).unwrap().wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let addresses = said.split_whitespace().filter(|word| word.contains('/'));
    assert_eq!(addresses.collect::<Vec<_>>(), ["127.0.0.1/8", "::1/128", "10.90.0.3/16"]);
}
