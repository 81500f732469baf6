//! Bad input: what each kind is answered, and what it does to others.

use crate::bystander::Bystander;
use crate::support::cluster::{CLUSTER_NAME, Cluster, Plan};
use crate::support::memory::{MIB, resident_bytes};
use crate::support::raw::{CallError, RawClient};
use crate::support::{wait_for, wait_until};
use socket2::{Domain, SockAddr, Socket, Type};
use statekeeper_protocol::messages::{client, map};
use statekeeper_protocol::{CorrelationId, Data, Message, MessageType, PartitionId, ProtocolUuid};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A stranger has ten seconds to say who it is.
const GREETING_MAX: Duration = Duration::from_secs(14);
const AT_ONCE: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 100_000;
/// About 3,000 connections a second, since a full queue makes each wait for a second; three times
/// as long is no longer "in a row".
const CONNECTIONS_TIMEOUT: Duration = Duration::from_secs(100);
const IDLE_MAX: u64 = 40 * MIB;
const UNSUPPORTED: i32 = 61;
/// Map.executeOnKey, which needs code on the server.
const EXECUTE_ON_KEY: MessageType = MessageType(0x01_2e00);
const NO_CALL_AT_ALL: MessageType = MessageType(0x7f_7f00);

#[test]
fn an_idle_node_holds_at_most_40_mb() {
    let bystander = Bystander::start(&[]);
    let bytes = resident_bytes(bystander.cluster().pid(0));
    eprintln!("an idle node holds {} MiB", bytes / MIB);
    assert!(bytes <= IDLE_MAX, "{} MiB", bytes / MIB);
}

#[test]
fn other_protocols_are_refused_at_once_and_told_in_the_log() {
    let cluster = Plan::of(1).start();
    for first in [&b"HZC"[..], b"CB2", b"GET / HTTP/1.1\r\n\r\n", &[0, 0, 0], &[0xff; 64]] {
        expect_end(&mut sent(cluster.client_address(0), first), AT_ONCE);
    }
    wait_until("a log line that names the key", AT_ONCE, || {
        cluster.log(0).contains("hetu.embedded-state-store.enabled")
    });
    expect_serving(&cluster);
}

#[test]
fn a_wrong_cluster_name_is_answered_with_status_1() {
    let cluster = Plan::of(1).start();
    let stranger = RawClient::stranger(cluster.client_address(0)).unwrap();
    let answer = stranger.authenticate("somebody-elses", 1).unwrap();
    assert_eq!((answer.status, answer.address, answer.cluster_id), (1, None, None));
    let answer = stranger.authenticate(CLUSTER_NAME, 1).unwrap();
    assert_eq!(answer.status, 0, "the same connection may try again");
}

#[test]
fn calls_before_authentication_end_the_connection() {
    let cluster = Plan::of(1).start();
    let stranger = RawClient::stranger(cluster.client_address(0)).unwrap();
    let refused = stranger.map("none").get("key").unwrap_err();
    assert_eq!(refused, CallError::Lost);
    expect_serving(&cluster);
}

#[test]
fn unknown_calls_are_answered_with_61_at_once_and_the_connection_goes_on() {
    let cluster = Plan::of(1).start();
    let client = RawClient::connect(cluster.client_address(0)).unwrap();
    for (number, name) in [(EXECUTE_ON_KEY, "executeOnKey"), (NO_CALL_AT_ALL, "7f7f00")] {
        let begin = Instant::now();
        let Err(CallError::Refused { code, message }) = client.call_number(number) else {
            panic!("{number} was not refused");
        };
        assert_eq!(code, UNSUPPORTED, "{message}");
        assert!(message.contains(name), "{message}");
        assert!(begin.elapsed() < AT_ONCE);
    }
    for _ in 0..50 {
        client.call_number(EXECUTE_ON_KEY).unwrap_err();
    }
    client.map("goes-on").put("key", 1).unwrap();
    let log = cluster.log(0);
    let lines = log.lines().filter(|line| line.contains("executeOnKey")).count();
    assert_eq!(lines, 1, "one line for each client and type: {log}");
}

#[test]
fn oversized_and_half_messages_end_the_connection_with_a_reason() {
    let cluster = Plan::of(1).start();
    let address = cluster.client_address(0);
    let mut before = sent(address, &[b"CP2", &frame_header(100 * 1024 * 1024)[..]].concat());
    expect_end(&mut before, AT_ONCE);
    let after = RawClient::connect(address).unwrap();
    after.send(&frame_header(1024 * 1024 * 1024)).unwrap();
    wait_until("the end of an oversized message", AT_ONCE, || after.is_closed());
    let negative = RawClient::connect(address).unwrap();
    negative.send(&[0xff; 16]).unwrap();
    wait_until("the end of a message of negative length", AT_ONCE, || negative.is_closed());
    let log = cluster.log(0);
    assert!(log.contains("limit"), "{log}");
    expect_serving(&cluster);
}

#[test]
fn who_does_not_say_who_it_is_is_closed_in_time() {
    let cluster = Plan::of(1).start();
    let address = cluster.client_address(0);
    let silent = sent(address, b"");
    let half = sent(address, &[b"CP2", &authentication()[..20]].concat());
    let mut slow = TcpStream::connect(address).unwrap();
    let begin = Instant::now();
    // One byte a second is no reason to wait for ever either.
    for byte in [b"CP2", &authentication()[..]].concat() {
        if slow.write_all(&[byte]).is_err() {
            break;
        }
        assert!(begin.elapsed() < GREETING_MAX, "a slow stranger is served for ever");
        std::thread::sleep(Duration::from_secs(1));
    }
    for mut stranger in [silent, half, slow] {
        expect_end(&mut stranger, GREETING_MAX.saturating_sub(begin.elapsed()));
    }
    expect_serving(&cluster);
}

#[test]
fn no_more_clients_than_allowed_are_let_in() {
    let cluster = Plan::of(1).with("limits.clients-max", "3").start();
    let address = cluster.client_address(0);
    let clients: Vec<RawClient> = (0..3).map(|_| RawClient::connect(address).unwrap()).collect();
    assert!(RawClient::connect(address).is_err(), "a fourth client was let in");
    clients.iter().for_each(|client| client.map("served").set("key", 1).unwrap());
    drop(clients);
    wait_until("room for a client", AT_ONCE * 3, || RawClient::connect(address).is_ok());
}

#[test]
fn more_calls_in_flight_than_allowed_are_answered_with_46() {
    let cluster = Plan::of(1).with("limits.client-in-flight-max", "16").start();
    let client = RawClient::connect(cluster.client_address(0)).unwrap();
    let calls: Vec<_> = (0..2000)
        .map(|_| client.begin(&map::size::Request { name: "busy".to_owned() }).unwrap())
        .collect();
    let mut refused = 0;
    for call in calls {
        match call.wait(GREETING_MAX) {
            Ok(answer) => assert_eq!(answer.response, 0),
            Err(error) => {
                assert_eq!(error.code(), Some(46), "{error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "2000 calls at once were all taken with a limit of 16");
}

#[test]
fn garbage_disturbs_nobody() {
    let bystander = Bystander::start(&[]);
    let address = bystander.cluster().client_address(0);
    bystander.judge("garbage", |goes_on| {
        for seed in (0..=u8::MAX).cycle().take_while(|_| goes_on()) {
            let noise: Vec<u8> = (0..4096u32).map(|i| (i * 31 + 7) as u8 ^ seed).collect();
            for begin in [&b""[..], b"CP2", b"HZC", b"CB2"] {
                let mut stranger = TcpStream::connect(address).unwrap();
                // The node may close before all is sent.
                let _ = stranger.write_all(&[begin, &noise].concat());
            }
        }
    });
}

#[test]
fn half_and_oversized_messages_of_many_clients_disturb_nobody() {
    let bystander = Bystander::start(&[]);
    let address = bystander.cluster().client_address(0);
    bystander.judge("claims of 60 MB", |goes_on| {
        let clients: Vec<RawClient> =
            (0..100).filter_map(|_| RawClient::connect(address).ok()).collect();
        for client in &clients {
            // Within the limit and never sent: only what has arrived may cost memory.
            let _ = client.send(&frame_header(60 * 1024 * 1024));
        }
        while goes_on() {
            for client in &clients {
                let _ = client.send(&[7; 16]);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
}

#[test]
fn clients_that_never_read_disturb_nobody() {
    let bystander = Bystander::start(&[]);
    let address = bystander.cluster().client_address(0);
    let writer = RawClient::connect(address).unwrap();
    let value = Data::from_parts(-12, &vec![7; 256 * 1024]);
    writer.map("large").set_data("key", value, -1).unwrap();
    drop(writer);
    bystander.judge("answers that nobody reads", |goes_on| {
        let deaf: Vec<TcpStream> = (0..20).map(|_| deaf_client(address)).collect();
        let get = map::get::Request {
            name: "large".to_owned(),
            key: crate::support::raw::text("key"),
            thread_id: 1,
        };
        for id in 2.. {
            if !goes_on() {
                break;
            }
            let bytes = get.encode_with(CorrelationId(id), PartitionId::NONE).into_contiguous();
            for mut socket in &deaf {
                let _ = socket.write(&bytes);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}

#[test]
fn listeners_that_never_read_are_closed_and_disturb_nobody() {
    let mut bystander = Bystander::start(&[("limits.client-send-buffer-max", "4MB")]);
    let write = |writer: &RawClient, round: u8| {
        let value = Data::from_parts(-12, &vec![round; 64 * 1024]);
        writer.map("told").set_data("key", value, -1).unwrap();
    };
    // What so many large writes take by themselves, in the log above all.
    bystander.warm(|writer| (0..1500u16).for_each(|round| write(writer, round as u8)));
    let address = bystander.cluster().client_address(0);
    bystander.judge("events that nobody reads", |goes_on| {
        let deaf: Vec<TcpStream> = (0..5).map(|_| deaf_client(address)).collect();
        let listen = map::add_entry_listener::Request {
            name: "told".to_owned(),
            include_value: true,
            listener_flags: 5,
            local_only: false,
        };
        let bytes = listen.encode_with(CorrelationId(2), PartitionId::NONE).into_contiguous();
        for mut socket in &deaf {
            socket.write_all(&bytes).unwrap();
        }
        let writer = RawClient::connect(address).unwrap();
        for round in (0..=u8::MAX).cycle().take_while(|_| goes_on()) {
            write(&writer, round);
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let log = bystander.cluster().log(0);
    assert!(log.contains("send-buffer"), "no line tells why they were closed: {log}");
}

#[test]
fn a_hundred_thousand_connection_attempts_in_a_row_disturb_nobody() {
    let bystander = Bystander::start(&[]);
    let address = bystander.cluster().client_address(0);
    let mut made = 0;
    bystander.judge("connection attempts", |goes_on| {
        while goes_on() {
            connect_and_close(address, made);
            made += 1;
        }
    });
    let begin = Instant::now();
    eprintln!("{made} attempts in the windows");
    while made < CONNECTIONS {
        assert!(begin.elapsed() < CONNECTIONS_TIMEOUT, "{made} attempts only");
        connect_and_close(address, made);
        made += 1;
    }
    eprintln!("{made} attempts; the rest took {:?}", begin.elapsed());
    bystander.expect_calm("connection attempts");
    let lines = bystander.cluster().log(0).lines().count();
    assert!(lines < 1000, "a flood of connections must not flood the log: {lines} lines");
}

/// One attempt; every third says something first. Source addresses change, since one address has
/// fewer ports than there are attempts.
fn connect_and_close(address: SocketAddr, number: usize) {
    let source = Ipv4Addr::new(127, 0, 1, u8::try_from(number % 200 + 1).unwrap());
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let source: SockAddr = SocketAddr::new(IpAddr::V4(source), 0).into();
    socket.bind(&source).unwrap();
    socket.connect(&address.into()).expect("a node that accepts");
    let _ = match number % 3 {
        0 => (&socket).write(b"CP2"),
        1 => (&socket).write(b"HZC"),
        _ => Ok(0),
    };
}

fn authentication() -> Vec<u8> {
    let request = client::authentication::Request {
        cluster_name: CLUSTER_NAME.to_owned(),
        uuid: Some(ProtocolUuid::from_u128(0xdeaf)),
        client_type: "TST".to_owned(),
        serialization_version: 1,
        client_hazelcast_version: "5.3.8".to_owned(),
        client_name: "deaf".to_owned(),
        ..client::authentication::Request::default()
    };
    request.encode_with(CorrelationId(1), PartitionId::NONE).into_contiguous().to_vec()
}

/// Authenticated, and never reads anything: what it asks for fills the node's buffers.
fn deaf_client(address: SocketAddr) -> TcpStream {
    let socket = sent(address, &[b"CP2", &authentication()[..]].concat());
    // A blocked write would hold up the attack instead of the node.
    socket.set_nonblocking(true).unwrap();
    socket
}

/// First frame of a message that claims this length.
fn frame_header(bytes: i32) -> Vec<u8> {
    let mut header = bytes.to_le_bytes().to_vec();
    header.extend_from_slice(&0xe000u16.to_le_bytes());
    header
}

fn sent(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut socket = wait_for("a connection", AT_ONCE, || TcpStream::connect(address).ok());
    socket.write_all(bytes).unwrap();
    socket
}

/// The node ends the connection; whatever it says before is read and dropped.
fn expect_end(socket: &mut TcpStream, timeout: Duration) {
    socket.set_read_timeout(Some(timeout.max(Duration::from_millis(1)))).unwrap();
    let mut rest = [0; 1024];
    loop {
        match socket.read(&mut rest) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return,
            Err(error) => panic!("not closed within {timeout:?}: {error}"),
        }
    }
}

fn expect_serving(cluster: &Cluster) {
    let client = RawClient::connect(cluster.client_address(0)).unwrap();
    client.map("served").set("key", 1).unwrap();
    assert_eq!(client.map("served").get("key"), Ok(Some(1)));
}
