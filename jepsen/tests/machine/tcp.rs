//! What connections meet on the way.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use statekeeper_jepsen::cluster::net::{Link, Net};

use crate::network::{ONE, ZERO, net};

const PORT: u16 = 4001;
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// A connection that the second node opened to the first: the ends of both.
fn connection(net: &Net) -> (TcpStream, TcpStream) {
    let address = (net.address(ZERO), PORT);
    let listener = net.inside(ZERO, move || TcpListener::bind(address)).unwrap().unwrap();
    let opened = net.inside(ONE, move || TcpStream::connect(address)).unwrap().unwrap();
    let (accepted, _) = listener.accept().unwrap();
    for stream in [&accepted, &opened] {
        stream.set_read_timeout(Some(ANSWERS_WITHIN)).unwrap();
    }
    (accepted, opened)
}

#[test]
fn a_reset_ends_a_connection_at_both_ends() {
    let net = net();
    let (mut zero, mut one) = connection(&net);
    one.write_all(b"before").unwrap();
    zero.read_exact(&mut [0; 6]).unwrap();
    net.set(ONE, ZERO, Link { reset: true, ..Link::default() });
    one.write_all(b"after").unwrap();
    for stream in [&mut zero, &mut one] {
        let error = stream.read(&mut [0; 6]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
    assert_eq!(net.counters(ONE, ZERO).reset, 1);
    let address = (net.address(ZERO), PORT);
    let refused = net.inside(ONE, move || TcpStream::connect(address)).unwrap().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "{refused}");
}

#[test]
fn a_connection_outlives_every_fault_that_leaves_it_a_way() {
    let net = net();
    let (mut zero, mut one) = connection(&net);
    let link = Link {
        loss: 0.02,
        delay: Duration::from_millis(1),
        jitter: Duration::from_millis(2),
        duplicate: 0.05,
        corrupt: 0.02,
        ..Link::default()
    };
    net.set(ZERO, ONE, link.clone());
    net.set(ONE, ZERO, link);
    let sent: Vec<u8> = (0_u32..100_000).flat_map(u32::to_be_bytes).collect();
    let expected = sent.clone();
    let writing = thread::spawn(move || zero.write_all(&sent).unwrap());
    let mut received = vec![0; expected.len()];
    one.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    one.read_exact(&mut received).unwrap();
    writing.join().unwrap();
    assert!(received == expected, "bytes were changed");
    let counters = net.counters(ZERO, ONE);
    assert!(counters.corrupted > 0 && counters.reordered > 0, "{counters:?}");
}

#[test]
fn a_connection_is_fast_enough_for_any_workload() {
    let net = net();
    let (zero, mut one) = connection(&net);
    let begin = Instant::now();
    let reading = thread::spawn(move || {
        let mut bytes = 0_u64;
        let mut buffer = vec![0; 1 << 18];
        let mut zero = zero;
        loop {
            match zero.read(&mut buffer).unwrap() {
                0 => return bytes,
                read => bytes += read as u64,
            }
        }
    });
    let block = vec![7; 1 << 16];
    while begin.elapsed() < Duration::from_secs(3) {
        one.write_all(&block).unwrap();
    }
    drop(one);
    let bytes = reading.join().unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    let packets = net.counters(ONE, ZERO).passed + net.counters(ZERO, ONE).passed;
    let packets_per_second = packets as f64 / seconds;
    println!("{:.0} MB/s, {packets_per_second:.0} packets/s", bytes as f64 / seconds / 1e6);
    // A machine with other work on it reaches a fraction of what it can.
    assert!(packets_per_second > 20_000.0, "{packets_per_second}");
}
