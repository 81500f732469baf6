//! A node cut off from the others, its clients still on it: it answers, steers and waits.
//!
//! The nodes live in namespaces with one network between nodes and another to clients; a cut takes
//! a node's cable out of the bridge, so that packets vanish in silence.

use crate::support::cluster::{Cluster, Plan};
use crate::support::load::Load;
use crate::support::raw::{CallError, Locker, RawClient};
use crate::support::{http, wait_for, wait_until};
use statekeeper_protocol::messages::client::add_cluster_view_listener::{
    PartitionsViewEvent, Request as AddClusterViewListener,
};
use statekeeper_protocol::messages::{client, map};
use statekeeper_protocol::{CorrelationId, ProtocolUuid};
use std::time::{Duration, Instant};

const OPERATION_TIMEOUT: Duration = Duration::from_secs(4);
/// What an answer may take beyond the time-out, on busy cores.
const LATE_MAX: Duration = Duration::from_millis(1500);
/// Two election time-outs and a little.
const STEERED_TIMEOUT: Duration = Duration::from_secs(6);
const HEALED_TIMEOUT: Duration = Duration::from_secs(20);
const WRITES_PER_PHASE: u64 = 300;
const NOT_APPLIED: i32 = 46;
const UNKNOWN: i32 = 80;

fn cluster() -> Cluster {
    Plan::of(3).in_namespaces().with("client.operation-timeout", "4s").start()
}

/// A client with a cluster view, as every real client has one.
struct Viewer {
    client: RawClient,
    view: CorrelationId,
}

impl Viewer {
    fn at(cluster: &Cluster, i: usize) -> Viewer {
        let client = RawClient::connect(cluster.client_address(i)).unwrap();
        let view = client.listen(&AddClusterViewListener {}).unwrap();
        Viewer { client, view }
    }

    /// Version of the newest partition table, and the owner of everything in it.
    fn table(&self) -> (i32, ProtocolUuid) {
        wait_for("a partition table", STEERED_TIMEOUT, || {
            let last = self.client.events::<PartitionsViewEvent>(self.view).pop()?;
            let owners: Vec<_> = last.partitions.0.iter().filter(|(_, p)| !p.is_empty()).collect();
            assert_eq!(owners.len(), 1, "one owner of everything: {owners:?}");
            Some((last.version, owners[0].0))
        })
    }
}

/// What a call was answered, and that it was within the promised time.
fn in_time<T>(what: &str, call: impl FnOnce() -> Result<T, CallError>) -> Result<T, CallError> {
    let begin = Instant::now();
    let answer = call();
    let took = begin.elapsed();
    assert!(took < OPERATION_TIMEOUT + LATE_MAX, "{what} was answered after {took:?}");
    answer
}

fn expect_code<T: std::fmt::Debug>(what: &str, codes: &[i32], answer: Result<T, CallError>) {
    let code = answer.as_ref().err().and_then(CallError::code);
    assert!(code.is_some_and(|code| codes.contains(&code)), "{what}: {answer:?}, not {codes:?}");
}

#[test]
fn a_follower_cut_off_answers_in_time_steers_its_clients_and_comes_back() {
    let cluster = cluster();
    let leader = cluster.leader();
    let cut = (leader + 1) % 3;
    let majority = RawClient::connect(cluster.client_address((leader + 2) % 3)).unwrap();
    let viewer = Viewer::at(&cluster, cut);
    let client = &viewer.client;
    let (version, owner) = viewer.table();
    assert_eq!(owner, RawClient::connect(cluster.client_address(leader)).unwrap().member());
    client.map("cut").set("old", 1).unwrap();
    let locker = Locker::open(client, "cut");

    cluster.network().cut_from_peers(cut);
    // The node does not know yet: the put leaves it and may have happened.
    let sent = in_time("a put at once", || client.map("cut").put("sent", 1));
    expect_code("a put at once", &[UNKNOWN], sent);
    // The others go on, and what the cut-off node holds grows old.
    majority.map("cut").set("old", 2).unwrap();

    wait_until("a table that steers away", STEERED_TIMEOUT, || viewer.table().0 > version);
    let (steered, elsewhere) = viewer.table();
    assert_eq!(steered, version + 1);
    assert_ne!(elsewhere, client.member(), "steered to the cut-off node itself");
    assert_eq!(client.call(&client::ping::Request {}), Ok(client::ping::Response {}));

    let put = in_time("a put", || client.map("cut").put("never", 1));
    expect_code("a put", &[NOT_APPLIED], put);
    let get = in_time("a get", || client.map("cut").get("old"));
    expect_code("a get", &[NOT_APPLIED], get);
    let size = in_time("a size", || client.map("cut").size());
    expect_code("a size", &[NOT_APPLIED], size);
    let lock = in_time("a lock", || locker.lock("cut", 1).try_lock(client, Duration::ZERO));
    expect_code("a lock", &[NOT_APPLIED], lock);
    expect_no_linearizable_read(&cluster, cut);
    assert!(!client.is_closed(), "an isolated node closes nobody");

    cluster.network().heal(cut);
    wait_until("a write through the healed node", HEALED_TIMEOUT, || {
        client.map("cut").set("healed", 3).is_ok()
    });
    assert_eq!(client.map("cut").get("old"), Ok(Some(2)));
    assert_eq!(client.map("cut").get("never"), Ok(None));
    wait_until("the healed node to be ready", HEALED_TIMEOUT, || cluster.is_ready(cut));
}

/// The admin API promises the same as the client port.
fn expect_no_linearizable_read(cluster: &Cluster, cut: usize) {
    let address = cluster.site(cut).admin_address();
    let path = "/v1/maps/cut/entries/old";
    let (status, body) = http::get(address, path).expect("an answer, whatever it says");
    assert!(matches!(status, 421 | 503 | 504), "{status}: {body}");
    let (status, _) = http::get(address, "/readyz").expect("an answer, whatever it says");
    assert_eq!(status, 503);
    let (status, body) = http::get(address, &format!("{path}?consistency=local")).unwrap();
    assert_eq!(status, 200, "a local read says what it is: {body}");
}

#[test]
fn a_leader_cut_off_gives_up_and_never_answers_from_the_past() {
    let cluster = cluster();
    let old = cluster.leader();
    let others = [(old + 1) % 3, (old + 2) % 3];
    let viewer = Viewer::at(&cluster, old);
    let client = &viewer.client;
    let (version, owner) = viewer.table();
    assert_eq!(owner, client.member(), "the leader owns everything");
    let load = Load::start(&others.map(|i| cluster.client_address(i)));
    load.advance(WRITES_PER_PHASE, "before the cut");
    client.map("cut").set("key", 1).unwrap();

    load.restart_gap();
    cluster.network().cut_from_peers(old);
    let request = map::put::Request {
        name: "cut".to_owned(),
        key: crate::support::raw::text("sent"),
        value: crate::support::raw::number(1),
        thread_id: 1,
        ttl: -1,
    };
    let sent = client.begin(&request).unwrap();
    let majority = RawClient::connect(cluster.client_address(others[0])).unwrap();
    wait_until("a write by the majority", STEERED_TIMEOUT, || {
        majority.map("cut").set("key", 2).is_ok()
    });
    // From the first write of the new leader on, the old one has nothing to say.
    let begin = Instant::now();
    while begin.elapsed() < OPERATION_TIMEOUT * 2 {
        let get = in_time("a get", || client.map("cut").get("key"));
        expect_code("a get from the old leader", &[NOT_APPLIED], get);
    }
    expect_code("a put before the cut was known", &[UNKNOWN], sent.wait(OPERATION_TIMEOUT));
    let (steered, elsewhere) = viewer.table();
    assert_eq!(steered, version + 1);
    assert_ne!(elsewhere, client.member());
    load.advance(WRITES_PER_PHASE, "during the cut");
    let gap = load.longest_gap();
    assert!(gap < Duration::from_secs(3), "no write was acknowledged for {gap:?}");

    cluster.network().heal(old);
    wait_until("a read through the healed node", HEALED_TIMEOUT, || {
        match client.map("cut").get("key") {
            Ok(value) => {
                assert_eq!(value, Some(2));
                true
            }
            Err(error) => {
                assert!(error.is_not_applied(), "{error:?}");
                false
            }
        }
    });
    wait_until("the new leader's table", HEALED_TIMEOUT, || viewer.table().0 > steered);
    load.advance(WRITES_PER_PHASE, "after the cut");
    assert!(!client.is_closed());
    load.stop().expect_nothing_lost(cluster.client_address(old));
}
