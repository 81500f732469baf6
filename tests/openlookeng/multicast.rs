//! Multicast: nodes find each other and openLooKeng's clients find the nodes, by datagrams alone.

use crate::support::cluster::{CLUSTER_NAME, Cluster, Plan};
use crate::support::driver::Driver;
use crate::support::kind::Kind;
use crate::support::raw::RawClient;
use crate::support::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use socket2::{Domain, Protocol, Socket, Type};
use statekeeper::discovery::multicast::Announcement;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const OPENLOOKENG: Kind = Kind::Java("5.1");
const VIEW_TIMEOUT: Duration = Duration::from_secs(20);
const USUAL_GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(224, 2, 2, 3), 54327);
/// Two announcements of every node, and a third for a slow one.
const ANNOUNCEMENTS: Duration = Duration::from_secs(6);
const PASSED_OVER: &str = "datagram passed over";
/// Joins the usual group at an address, as a second program on that host does.
const NEIGHBOUR: &str = "import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 54327))
group = socket.inet_aton('224.2.2.3') + socket.inet_aton(sys.argv[1])
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
print('joined', flush=True)
sys.stdin.read()
";

#[test]
fn nodes_form_a_cluster_and_a_client_connects_by_datagrams_alone() {
    let mut cluster = Plan::of(3).with_multicast().start();
    let ids: BTreeSet<u128> = cluster
        .client_addresses()
        .into_iter()
        .map(|address| RawClient::connect(address).unwrap().cluster_id().as_u128())
        .collect();
    assert_eq!(ids.len(), 1, "{ids:x?}");

    let driver = Driver::spawn_in(OPENLOOKENG, &cluster.network().namespace(3));
    driver.ok(json!({"op": "openlookeng.start", "cluster": CLUSTER_NAME}));
    let put = json!({"op": "map.put", "name": "query", "key": "q1", "value": "{}"});
    assert_eq!(driver.ok(put), Value::Null);
    wait_until("all nodes in the client's view", VIEW_TIMEOUT, || {
        driver.ok(json!({"op": "members"})).as_array().is_some_and(|all| all.len() == 3)
    });

    // An empty node that hears of the cluster joins it instead of founding another.
    let leader = cluster.leader();
    cluster.kill(leader);
    cluster.restart(leader);
    cluster.wait_ready().unwrap();
    assert_eq!(driver.ok(json!({"op": "map.get", "name": "query", "key": "q1"})), "{}");
}

#[test]
fn the_clients_interface_alone_carries_the_group_and_the_port_is_the_configured_one() {
    let mut cluster = Plan::of(3).with_multicast().in_namespaces().with_client_port(5811).prepare();
    let (clients, peers) = (cluster.network().own_client_host(), cluster.network().join_peers());
    let (among_clients, among_peers) =
        (group_at(USUAL_GROUP, clients), group_at(USUAL_GROUP, peers));
    (0..3).for_each(|i| cluster.spawn(i));
    cluster.wait_ready().unwrap();
    assert_eq!(listen(&among_clients, ANNOUNCEMENTS), addresses(&cluster, &[0, 1, 2]));
    // What was said while the cluster formed still lies in this socket.
    assert_eq!(listen(&among_peers, Duration::from_secs(1)), BTreeSet::new());

    let driver = Driver::spawn_in(OPENLOOKENG, &cluster.network().namespace(3));
    driver.ok(json!({"op": "openlookeng.start", "cluster": CLUSTER_NAME}));
    wait_until("all nodes in the client's view", VIEW_TIMEOUT, || {
        driver.ok(json!({"op": "members"})).as_array().is_some_and(|all| all.len() == 3)
    });
}

#[test]
fn what_another_interface_brings_is_not_heard_even_if_a_neighbour_joined_there() {
    let mut cluster = Plan::of(3).with_multicast().in_namespaces().prepare();
    let (clients, peers) = (cluster.network().own_client_host(), cluster.network().join_peers());
    let peer_host = cluster.network().peer_host(0).to_string();
    let namespace = cluster.network().namespace(0);
    let joins = namespace.wrap(Command::new("python3").args(["-c", NEIGHBOUR, &peer_host]));
    let neighbour = Neighbour::start(joins);
    // It waits for the two others, and asks whoever is announced.
    cluster.spawn(0);
    wait_until("a node that looks around", VIEW_TIMEOUT, || cluster.log(0).contains("looking for"));
    let asked = |from: Ipv4Addr, to: SocketAddr| {
        let listener = TcpListener::bind((from, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let stranger = Announcement { host: from.to_string(), port: port_of(&listener) };
        let (socket, datagram) = (group_at(USUAL_GROUP, from), stranger.encode().unwrap());
        let end = Instant::now() + ANNOUNCEMENTS;
        while Instant::now() < end {
            socket.send_to(&datagram, to).unwrap();
            if listener.accept().is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    };
    let (group, itself) = (USUAL_GROUP.into(), (cluster.site(0).host, USUAL_GROUP.port()).into());
    assert!(!asked(peers, group), "an announcement among nodes was heard");
    assert!(!asked(clients, itself), "one to the node alone was heard");
    assert!(asked(clients, group), "an announcement among clients was not heard");
    drop(neighbour);
}

#[test]
fn group_port_and_time_to_live_are_those_of_the_configuration() {
    let group = SocketAddrV4::new(Ipv4Addr::new(239, 1, 2, 3), 54444);
    let mut cluster = Plan::of(3)
        .with_multicast()
        .with("discovery.multicast.group", &group.ip().to_string())
        .with("discovery.multicast.port", &group.port().to_string())
        .prepare();
    let own = cluster.network().own_client_host();
    let (there, usual) = (group_at(group, own), group_at(USUAL_GROUP, own));
    (0..3).for_each(|i| cluster.spawn(i));
    cluster.wait_ready().unwrap();
    assert_eq!(listen(&there, ANNOUNCEMENTS), addresses(&cluster, &[0, 1, 2]));
    assert_eq!(listen(&usual, Duration::from_secs(1)), BTreeSet::new());

    // A datagram whose time to live is 0 does not leave its host.
    cluster.stop(2);
    let settings = cluster.site(2).home.join("etc/statekeeper.properties");
    let mut settings = OpenOptions::new().append(true).open(settings).unwrap();
    settings.write_all(b"discovery.multicast.ttl=0\n").unwrap();
    let there = group_at(group, own);
    cluster.restart(2);
    cluster.wait_ready().unwrap();
    assert_eq!(listen(&there, ANNOUNCEMENTS), addresses(&cluster, &[0, 1]));
}

#[test]
fn datagrams_of_strangers_are_passed_over_with_one_line_for_all_of_them() {
    let mut cluster = Plan::of(3).with_multicast().prepare();
    let flood = Flood::start(cluster.network().own_client_host());
    (0..3).for_each(|i| cluster.spawn(i));
    cluster.wait_ready().unwrap();
    RawClient::connect(cluster.client_address(0)).unwrap();
    let sent = flood.stop();
    eprintln!("{sent} datagrams of strangers");
    assert!(sent > 1000, "{sent}");
    for i in 0..3 {
        let log = cluster.log(i);
        assert_eq!(log.matches(PASSED_OVER).count(), 1, "{log}");
        assert!(log.len() < 8192, "{} bytes of log", log.len());
    }
}

/// A socket of the test on a group, at one of its own addresses.
fn group_at(group: SocketAddrV4, own: Ipv4Addr) -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from(group).into()).unwrap();
    socket.set_multicast_all_v4(false).unwrap();
    socket.join_multicast_v4(group.ip(), &own).unwrap();
    socket.set_multicast_if_v4(&own).unwrap();
    socket.into()
}

/// Who is announced on a socket within this time.
fn listen(socket: &UdpSocket, time: Duration) -> BTreeSet<String> {
    let (end, mut heard, mut buffer) = (Instant::now() + time, BTreeSet::new(), [0; 2048]);
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|t| !t.is_zero()) {
        socket.set_read_timeout(Some(left)).unwrap();
        let Ok(length) = socket.recv(&mut buffer) else { continue };
        let Announcement { host, port } = Announcement::decode(&buffer[..length]).unwrap();
        heard.insert(format!("{host}:{port}"));
    }
    heard
}

fn addresses(cluster: &Cluster, nodes: &[usize]) -> BTreeSet<String> {
    nodes.iter().map(|i| cluster.client_address(*i).to_string()).collect()
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

/// Another program on a node's host; ended when dropped.
struct Neighbour(Child);

impl Neighbour {
    fn start(mut command: Command) -> Neighbour {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut neighbour = Neighbour(child.unwrap());
        let mut line = String::new();
        BufReader::new(neighbour.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "joined\n");
        neighbour
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

/// Sends what is no announcement to the usual group, until it is stopped.
struct Flood {
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Flood {
    fn start(own: Ipv4Addr) -> Flood {
        let stopping = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&stopping);
        let socket = group_at(USUAL_GROUP, own);
        let thread = std::thread::spawn(move || {
            let strangers = strangers();
            let mut sent = 0;
            while !ends.load(Ordering::Relaxed) {
                for datagram in &strangers {
                    socket.send_to(datagram, USUAL_GROUP).unwrap();
                    sent += 1;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            sent
        });
        Flood { stopping, thread }
    }

    fn stop(self) -> usize {
        self.stopping.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn strangers() -> Vec<Vec<u8>> {
    let real = Announcement { host: "10.213.255.255".to_owned(), port: 9 }.encode().unwrap();
    let name = b"MulticastMemberInfo";
    let at = real.windows(name.len()).position(|window| window == name).unwrap();
    let mut other_class = real.clone();
    other_class[at] = b'X';
    let mut no_port = real.clone();
    let port = real.windows(4).rposition(|window| window == [0, 0, 0, 9]).unwrap();
    no_port[port + 3] = 0;
    vec![
        Vec::new(),
        b"\x00".to_vec(),
        b"garbage".to_vec(),
        vec![0xff; 512],
        real[..real.len() - 1].to_vec(),
        [real.as_slice(), &[0]].concat(),
        // Cut off by the socket, and sent in fragments.
        [real.as_slice(), &[0; 2000]].concat(),
        [real.as_slice(), &[0; 60_000]].concat(),
        other_class,
        no_port,
        // The safe layout, with a length that leads out of it.
        b"\x01\xff\xffhost\x00\x00\x16\x45".to_vec(),
    ]
}
