//! The sample for nginx, run by nginx: who goes to which coordinator, and who when one is gone.

use crate::support::gate::{self, Pass};
use crate::support::site::free_port;
use crate::support::{http, tail, wait_until};
use crate::upstream::{POLLS, Upstream};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SAMPLE: &str = include_str!("../../docs/samples/nginx-coordinators.conf");
/// What the sample stands in, with every path in a folder of the test's own.
const AROUND: &str = "worker_processes 2;
pid nginx.pid;
error_log error.log info;
events {}
http {
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include coordinators.conf;
}
";
const START_TIMEOUT: Duration = Duration::from_secs(10);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// The sample's `max_fails` and `fail_timeout`.
const FAILURES_MAX: usize = 3;
const OUT_FOR: Duration = Duration::from_secs(10);
const BUSY: Duration = Duration::from_secs(5);
/// Longer than the sample's `proxy_connect_timeout` and openLooKeng's longest wait, one second.
const LONG_POLL: Duration = Duration::from_secs(4);
/// So long openLooKeng's clients ask before they give up.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(120);
const NETWORKS: [u8; 6] = [1, 2, 3, 4, 5, 6];
const HOSTS: [u8; 3] = [1, 77, 254];

/// A real nginx in front of two coordinators; ended when dropped.
struct Proxy {
    address: SocketAddr,
    process: Child,
    dir: TempDir,
    /// Requests so far.
    asked: Cell<usize>,
    _pass: Pass,
}

/// What a client knows of its query.
struct Query {
    coordinator: u16,
    next: Option<String>,
}

impl Proxy {
    fn start(coordinators: &[Upstream; 2]) -> Proxy {
        Proxy::start_with(coordinators, &[])
    }

    /// With these texts of the sample replaced by others, besides addresses and paths.
    fn start_with(coordinators: &[Upstream; 2], changes: &[(&str, &str)]) -> Proxy {
        let pass = gate::shared();
        let dir = tempfile::tempdir().unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let at = |i: usize| format!("127.0.0.1:{}", coordinators[i].port());
        let sample = replaced(SAMPLE, "coordinator1.example.com:8090", &at(0));
        let sample = replaced(&sample, "coordinator2.example.com:8090", &at(1));
        let sample = replaced(&sample, "listen 8080;", &format!("listen {address};"));
        let sample = replaced(&sample, "/var/log/nginx/", "");
        let sample = changes.iter().fold(sample, |text, (from, to)| replaced(&text, from, to));
        fs::write(dir.path().join("coordinators.conf"), sample).unwrap();
        fs::write(dir.path().join("nginx.conf"), AROUND).unwrap();
        let output = File::create(dir.path().join("output")).unwrap();
        let process = Command::new("nginx")
            .arg("-p")
            .arg(dir.path())
            .arg("-c")
            .arg(dir.path().join("nginx.conf"))
            .args(["-g", "daemon off;"])
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("nginx cannot be started ({error}); cargo xtask test installs it")
            });
        let mut proxy = Proxy { address, process, dir, asked: Cell::new(0), _pass: pass };
        wait_until("nginx to listen", START_TIMEOUT, || {
            let ended = proxy.process.try_wait().unwrap();
            assert!(ended.is_none(), "nginx ended with {ended:?}: {}", proxy.output());
            TcpStream::connect(address).is_ok()
        });
        proxy
    }

    fn output(&self) -> String {
        ["output", "error.log"].map(|name| tail(&self.dir.path().join(name), 40)).join("\n")
    }

    fn ask(&self, from: Ipv4Addr, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        self.asked.set(self.asked.get() + 1);
        http::request_from(from, method, self.address, path, body)
            .unwrap_or_else(|| panic!("no answer of nginx: {}", self.output()))
    }

    fn post(&self, from: Ipv4Addr) -> (u16, String) {
        self.ask(from, "POST", "/v1/statement", Some(&json!("SELECT 1")))
    }

    /// Submits a statement.
    fn submit(&self, from: Ipv4Addr) -> Query {
        let (status, body) = self.post(from);
        assert_eq!(status, 200, "{body}");
        Query::read(&body)
    }

    /// Asks once for what the query has to say next: the status, and the query as it is then.
    fn poll(&self, from: Ipv4Addr, query: &Query) -> (u16, Option<Query>) {
        let (status, body) = self.ask(from, "GET", self.path(query), None);
        (status, (status == 200).then(|| Query::read(&body)))
    }

    /// Where its client asks next, which must be at nginx again.
    fn path<'a>(&self, query: &'a Query) -> &'a str {
        let next = query.next.as_ref().expect("a query that has not ended");
        let path = next.strip_prefix(&format!("http://{}", self.address));
        path.unwrap_or_else(|| panic!("{next} leads past nginx"))
    }

    /// Polls to the end of the query, which its own coordinator alone can tell.
    fn finish(&self, from: Ipv4Addr, query: Query) -> u64 {
        let (mut query, mut polls) = (query, 0);
        while query.next.is_some() {
            let (status, then) = self.poll(from, &query);
            assert_eq!(status, 200, "poll {polls}");
            query = then.unwrap();
            polls += 1;
        }
        polls
    }

    /// How often this coordinator was tried so far.
    fn tries(&self, coordinator: u16) -> usize {
        let log = || fs::read_to_string(self.dir.path().join("coordinators.log")).unwrap();
        // nginx writes a line when the answer is out already.
        wait_until("the log of every request", BUSY, || log().lines().count() == self.asked.get());
        log().matches(&format!("127.0.0.1:{coordinator}")).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The first process ends the others, which it cannot when it is killed.
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let deadline = Instant::now() + STOP_TIMEOUT;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- nginx ---\n{}", self.output());
        }
    }
}

impl Query {
    fn read(body: &str) -> Query {
        let results: Value = serde_json::from_str(body).unwrap();
        Query {
            coordinator: u16::try_from(results["coordinator"].as_u64().unwrap()).unwrap(),
            next: results["nextUri"].as_str().map(ToOwned::to_owned),
        }
    }
}

/// A sample in which a text is missing was changed without its test.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the sample has no {from:?}");
    text.replace(from, to)
}

fn client(network: u8, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, network, host)
}

fn coordinators() -> [Upstream; 2] {
    [Upstream::start(), Upstream::start()]
}

/// The coordinators that the hosts of each network were given.
fn choices(proxy: &Proxy) -> BTreeMap<u8, BTreeSet<u16>> {
    let of = |network: u8| {
        HOSTS.iter().map(|host| proxy.submit(client(network, *host)).coordinator).collect()
    };
    NETWORKS.iter().map(|network| (*network, of(*network))).collect()
}

/// A client whose coordinator is this one.
fn client_of(proxy: &Proxy, coordinator: u16) -> Ipv4Addr {
    let of = |network: &u8| proxy.submit(client(*network, 1)).coordinator == coordinator;
    client(*NETWORKS.iter().find(|network| of(network)).unwrap(), 1)
}

#[test]
fn clients_of_one_network_stay_on_one_coordinator() {
    let coordinators = coordinators();
    let proxy = Proxy::start(&coordinators);
    let first = choices(&proxy);
    assert!(first.values().all(|chosen| chosen.len() == 1), "{first:?}");
    let used: BTreeSet<u16> = first.values().flatten().copied().collect();
    assert_eq!(used.len(), 2, "networks are spread: {first:?}");
    assert_eq!(choices(&proxy), first, "asked again");
    // What nginx remembers plays no part: a second one beside it would choose the same.
    drop(proxy);
    assert_eq!(choices(&Proxy::start(&coordinators)), first, "after a restart");

    let whole = ("ip_hash;", "hash $remote_addr consistent;");
    let by_host = choices(&Proxy::start_with(&coordinators, &[whole]));
    assert!(by_host.values().any(|chosen| chosen.len() == 2), "{by_host:?}");
}

#[test]
fn all_polls_of_a_query_reach_its_coordinator_however_long_they_take() {
    let coordinators = coordinators();
    let proxy = Proxy::start(&coordinators);
    for coordinator in &coordinators {
        let from = client_of(&proxy, coordinator.port());
        let query = proxy.submit(from);
        assert_eq!(query.coordinator, coordinator.port());
        coordinator.hold_polls(LONG_POLL);
        let begin = Instant::now();
        let (status, query) = proxy.poll(from, &query);
        assert_eq!(status, 200);
        assert!(begin.elapsed() >= LONG_POLL, "{:?}", begin.elapsed());
        coordinator.hold_polls(Duration::ZERO);
        assert_eq!(proxy.finish(from, query.unwrap()), POLLS - 1);
    }
    for coordinator in &coordinators {
        let polls = coordinator.seen().iter().filter(|line| line.starts_with("GET")).count();
        assert_eq!(u64::try_from(polls).unwrap(), POLLS, "{:?}", coordinator.seen());
    }
    // What no test waits for: the client gives up first.
    for timeout in ["proxy_read_timeout ", "proxy_send_timeout "] {
        let (_, rest) = SAMPLE.split_once(timeout).unwrap();
        let (seconds, _) = rest.split_once("s;").unwrap();
        assert!(Duration::from_secs(seconds.parse().unwrap()) > CLIENT_TIMEOUT, "{timeout}");
    }
}

#[test]
fn clients_of_a_dead_coordinator_are_moved_and_come_back_without_losing_a_query() {
    let coordinators = coordinators();
    let proxy = Proxy::start(&coordinators);
    let [dead, living] = [coordinators[0].port(), coordinators[1].port()];
    let moved = client_of(&proxy, dead);
    let [first, _second] = coordinators;
    drop(first);

    let begin = Instant::now();
    let before = proxy.tries(dead);
    for _ in 0..30 {
        assert_eq!(proxy.submit(moved).coordinator, living, "each statement is answered");
        assert_eq!(proxy.ask(moved, "GET", "/v1/info", None).0, 200, "and all else");
    }
    assert!(begin.elapsed() < OUT_FOR, "too slow to tell");
    assert_eq!(proxy.tries(dead) - before, FAILURES_MAX, "then it is left alone");

    let _back = Upstream::start_at(dead);
    let query = proxy.submit(moved);
    assert_eq!(query.coordinator, living);
    let begin = Instant::now();
    wait_until("the clients to come back", OUT_FOR + BUSY, || {
        proxy.submit(moved).coordinator == dead
    });
    eprintln!("back {:?} after the return", begin.elapsed());
    // Asked at the wrong one first, which does not know it, then at the right one.
    assert_eq!(proxy.finish(moved, query), POLLS);
}

#[test]
fn a_query_ends_with_its_coordinator_and_its_client_is_told() {
    let coordinators = coordinators();
    let proxy = Proxy::start(&coordinators);
    let [dies, lives] = [coordinators[0].port(), coordinators[1].port()];
    let from = client_of(&proxy, dies);
    let (open, waiting) = (proxy.submit(from), proxy.submit(from));
    let [dying, living] = coordinators;
    dying.hold_polls(LONG_POLL);
    let (address, path) = (proxy.address, proxy.path(&waiting).to_owned());
    let poll = std::thread::spawn(move || http::request_from(from, "GET", address, &path, None));
    let polls = || dying.seen().iter().any(|line| line.starts_with("GET"));
    wait_until("an open poll", BUSY, polls);
    drop(dying);
    let (answer, _) = poll.join().unwrap().unwrap();
    // 404 is what ends a query for openLooKeng's clients; they would repeat a 503.
    assert_eq!(answer, 404, "a poll that was open");
    assert_eq!(proxy.poll(from, &open).0, 404, "a poll that came later");
    assert_eq!(proxy.submit(from).coordinator, lives);
    drop(living);
}

#[test]
fn a_statement_that_may_have_begun_is_not_begun_again_elsewhere() {
    let coordinators = coordinators();
    let proxy = Proxy::start(&coordinators);
    let from = client_of(&proxy, coordinators[0].port());
    coordinators[0].lose_statements();
    let posts = |i: usize| coordinators[i].seen().iter().filter(|s| s.starts_with("POST")).count();
    let (mine, others) = (posts(0), posts(1));
    assert_eq!(proxy.post(from).0, 502);
    assert_eq!((posts(0), posts(1)), (mine + 1, others));
}
