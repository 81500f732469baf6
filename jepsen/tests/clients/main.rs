//! Every way to the cluster against real nodes: the same answers, the same outcomes.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod nodes;
mod outcomes;

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use nodes::{CLUSTER_NAME, Nodes, SESSION_TIME_TO_LIVE};
use serde_json::{Value, json};
use statekeeper_jepsen::client::driver::{Driver, DriverClient, Kind, Options};
use statekeeper_jepsen::client::hazelcast::{self, HazelcastClient, Settings};
use statekeeper_jepsen::client::http::HttpClient;
use statekeeper_jepsen::client::{Client, Listen, Op, Outcome, exercise};

/// A JVM on a busy machine takes its time.
const OPENS_WITHIN: Duration = Duration::from_secs(40);
const WITHIN: Duration = Duration::from_secs(5);
const EVENT_WITHIN: Duration = Duration::from_secs(5);

async fn native(nodes: &Nodes, i: usize) -> HazelcastClient {
    let settings = Settings { cluster_name: CLUSTER_NAME.to_owned(), within: WITHIN };
    hazelcast::connect(nodes.address(i), None, &settings).await.unwrap()
}

fn java(nodes: &Nodes, version: &str) -> Driver {
    let log = nodes.log(&format!("java-{version}"));
    Driver::start(Options::new(Kind::Java(version.to_owned()), CLUSTER_NAME, log)).unwrap()
}

fn python(nodes: &Nodes) -> Driver {
    Driver::start(Options::new(Kind::Python, CLUSTER_NAME, nodes.log("python"))).unwrap()
}

async fn open(driver: &Driver, nodes: &Nodes, process: u64, i: usize) -> DriverClient {
    driver.open(process, &[nodes.address(i)], OPENS_WITHIN).await.unwrap()
}

fn op(object: &str, f: &str, key: Option<Value>, value: Option<Value>) -> Op {
    Op { object: object.into(), name: "o".into(), f: f.into(), key, value, ttl: None }
}

async fn told(client: &mut dyn Client, op: &Op) -> Value {
    match client.call(op, WITHIN).await {
        Outcome::Ok { result, .. } => result.unwrap_or_default(),
        other => panic!("{op:?}: {other:?}"),
    }
}

/// A client's kind, what its objects are called, and the client when it is connected.
type Exercised<'a> = (&'a str, String, BoxFuture<'a, Box<dyn Client>>);

async fn exercise_all(clients: Vec<Exercised<'_>>) {
    let mut differences = Vec::new();
    for (kind, suffix, client) in clients {
        let mut client = client.await;
        differences.extend(exercise::run(client.as_mut(), kind, &suffix).await);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn boxed<'a, C: Client + 'static>(
    client: impl Future<Output = C> + Send + 'a,
) -> BoxFuture<'a, Box<dyn Client>> {
    client.map(|client| Box::new(client) as Box<dyn Client>).boxed()
}

#[tokio::test]
async fn every_operation_answers_the_same_by_every_client() {
    let nodes = Nodes::start(1).await;
    let (old, new, python) = (java(&nodes, "5.1"), java(&nodes, "5.3.8"), python(&nodes));
    let http = HttpClient::new(nodes.nodes[0].admin, None).unwrap();
    exercise_all(vec![
        ("native", "native".into(), boxed(native(&nodes, 0))),
        ("http", "http".into(), boxed(async { http })),
        ("java", "java-5.1".into(), boxed(open(&old, &nodes, 1, 0))),
        ("java", "java-5.3.8".into(), boxed(open(&new, &nodes, 1, 0))),
        ("python", "python".into(), boxed(open(&python, &nodes, 1, 0))),
    ])
    .await;
}

#[tokio::test]
async fn every_node_of_three_answers_the_same() {
    let nodes = Nodes::start(3).await;
    let mut smart = Options::new(Kind::Java("5.1".into()), CLUSTER_NAME, nodes.log("smart"));
    smart.smart = true;
    // A prefix enters a namespace; here it only stands for one.
    smart.prefix = vec!["env".to_owned()];
    let (smart, python) = (Driver::start(smart).unwrap(), python(&nodes));
    let mut clients = vec![
        ("java", "smart".to_owned(), boxed(open(&smart, &nodes, 1, 2))),
        ("python", "python".to_owned(), boxed(open(&python, &nodes, 1, 1))),
    ];
    for i in 0..3 {
        let http = HttpClient::new(nodes.nodes[i].admin, None).unwrap();
        clients.push(("native", format!("native-{i}"), boxed(native(&nodes, i))));
        clients.push(("http", format!("http-{i}"), boxed(async { http })));
    }
    exercise_all(clients).await;
}

#[tokio::test]
async fn http_sees_the_sets_and_locks_of_others() {
    let nodes = Nodes::start(1).await;
    let mut native = native(&nodes, 0).await;
    let mut http = HttpClient::new(nodes.nodes[0].admin, None).unwrap();
    for item in [json!(1), json!("1")] {
        told(&mut native, &op("set", "add", None, Some(item))).await;
    }
    let items = told(&mut http, &op("set", "read", None, None)).await;
    let items = items.as_array().unwrap();
    assert!(items.len() == 2 && items.contains(&json!(1)) && items.contains(&json!("1")));
    for (item, there) in [(json!(1), true), (json!(2), false)] {
        let contains = op("set", "contains", None, Some(item));
        assert_eq!(told(&mut http, &contains).await, json!(there));
    }
    let fence = told(&mut native, &op("lock", "acquire", None, None)).await;
    told(&mut native, &op("lock", "acquire", None, None)).await;
    assert_eq!(told(&mut http, &op("lock", "get-fence", None, None)).await, fence);
    assert_eq!(told(&mut http, &op("lock", "is-locked", None, None)).await, json!(true));
    assert_eq!(told(&mut http, &op("lock", "lock-count", None, None)).await, json!(2));
}

/// Changes a map by one client and hears of it by another.
async fn hear(listens: &mut dyn Client, changes: &mut dyn Client, label: &str) {
    let listen = |suffix: &str, key: Option<Value>| Listen {
        listener: format!("{label}-{suffix}"),
        map: format!("heard-by-{label}"),
        key,
    };
    let mut every = listens.listen(&listen("every", None), WITHIN).await.unwrap();
    let mut one = listens.listen(&listen("one", Some(json!("k"))), WITHIN).await.unwrap();
    let on = |f: &str, key: &str, value: Option<Value>, ttl: Option<u64>| Op {
        name: format!("heard-by-{label}"),
        ttl,
        ..op("map", f, Some(json!(key)), value)
    };
    told(changes, &on("put", "k", Some(json!(1)), None)).await;
    told(changes, &on("set", "l", Some(json!("x")), None)).await;
    told(changes, &on("replace-if", "k", Some(json!([1, 2])), None)).await;
    told(changes, &on("remove", "k", None, None)).await;
    told(changes, &on("set", "k", Some(json!(3)), Some(200))).await;
    let expected_of_key = [
        ("added", "k", json!(null), json!(1)),
        ("updated", "k", json!(1), json!(2)),
        ("removed", "k", json!(2), json!(null)),
        ("added", "k", json!(null), json!(3)),
        ("expired", "k", json!(3), json!(null)),
    ];
    let mut expected = expected_of_key.to_vec();
    expected.insert(1, ("added", "l", json!(null), json!("x")));
    for (listener, suffix, expected) in
        [(&mut every, "every", expected), (&mut one, "one", expected_of_key.to_vec())]
    {
        for (f, key, old, new) in expected {
            let event = listener.next_within(EVENT_WITHIN).await;
            let event = event.unwrap_or_else(|| panic!("{label} {suffix}: no {f} of {key}"));
            assert_eq!(event.listener, format!("{label}-{suffix}"));
            let shown = (event.f, event.key, event.old.unwrap_or_default());
            assert_eq!(shown, (f.to_owned(), json!(key), old), "{label} {suffix}");
            assert_eq!(event.value.unwrap_or_default(), new, "{label} {suffix}");
        }
        assert!(!listener.is_lost(), "{label} {suffix}");
    }
}

#[tokio::test]
async fn listeners_hear_the_same_by_every_client_and_are_told_of_their_loss() {
    let mut nodes = Nodes::start(1).await;
    let (java, python) = (java(&nodes, "5.1"), python(&nodes));
    let mut changes = native(&nodes, 0).await;
    let mut clients: Vec<(&str, Box<dyn Client>)> = vec![
        ("native", Box::new(native(&nodes, 0).await)),
        ("java", Box::new(open(&java, &nodes, 1, 0).await)),
        ("python", Box::new(open(&python, &nodes, 1, 0).await)),
    ];
    let mut listeners = Vec::new();
    for (label, client) in &mut clients {
        hear(client.as_mut(), &mut changes, label).await;
        let wanted = Listen { listener: (*label).to_owned(), map: "last".into(), key: None };
        listeners.push(client.listen(&wanted, WITHIN).await.unwrap());
    }
    nodes.kill(0);
    for (mut listener, (label, _)) in listeners.into_iter().zip(&clients) {
        let end = tokio::time::timeout(OPENS_WITHIN, listener.next()).await;
        assert_eq!(end, Ok(None), "{label}");
        assert!(listener.is_lost() && !listener.is_overrun(), "{label}");
    }
}

/// Takes a lock, is silent for longer than the time to live, and another gets the lock.
#[tokio::test]
async fn a_session_lives_while_it_beats_and_ends_by_its_time() {
    let nodes = Nodes::start(1).await;
    let (mut holder, mut other) = (native(&nodes, 0).await, native(&nodes, 0).await);
    let fence = told(&mut holder, &op("lock", "acquire", None, None)).await;
    tokio::time::sleep(SESSION_TIME_TO_LIVE * 2).await;
    let try_now = op("lock", "try-acquire", None, Some(json!(0)));
    assert_eq!(told(&mut other, &try_now).await, json!(0), "its heartbeats keep the lock");
    let state = told(&mut holder, &op("session", "state", None, None)).await;
    assert!(state["heartbeat-age-ms"].as_u64().unwrap() < 1500, "{state}");
    assert_eq!(state["ttl-ms"], json!(3000));

    told(&mut holder, &op("session", "pause", None, None)).await;
    let waits = op("lock", "try-acquire", None, Some(json!(10_000)));
    let within = Duration::from_secs(12);
    let Outcome::Ok { result: Some(next), .. } = other.call(&waits, within).await else { panic!() };
    assert!(next.as_i64() > fence.as_i64(), "{next} after {fence}");
    let session = holder.lock_session().unwrap();
    let age = session.last_heartbeat.elapsed();
    assert!(age >= session.time_to_live, "it ended {age:?} after its last heartbeat");
    let late = holder.call(&op("lock", "release", None, None), WITHIN).await;
    assert!(matches!(late, Outcome::Fail { .. }), "{late:?}");

    let closed = told(&mut other, &op("session", "close", None, None)).await;
    assert_eq!(closed, json!(true));
    let free = told(&mut holder, &op("lock", "is-locked", None, None)).await;
    assert_eq!(free, json!(false), "a closed session frees its locks at once");
}

/// The end of a driver's process is that of a crashed client.
#[tokio::test]
async fn the_lock_of_a_dropped_driver_client_is_free_after_its_time_only() {
    let nodes = Nodes::start(1).await;
    let (java, python) = (java(&nodes, "5.1"), python(&nodes));
    let mut other = native(&nodes, 0).await;
    for (name, driver) in [("java", &java), ("python", &python)] {
        let named = |f: &str, value: Option<Value>| Op {
            name: format!("lock-of-{name}"),
            ..op("lock", f, None, value)
        };
        let mut holder = open(driver, &nodes, 1, 0).await;
        let fence = told(&mut holder, &named("acquire", None)).await;
        drop(holder);
        let soon = told(&mut other, &named("try-acquire", Some(json!(1500)))).await;
        assert_eq!(soon, json!(0), "{name}: the session was closed, or never there");
        let within = Duration::from_secs(12);
        let late = other.call(&named("try-acquire", Some(json!(10_000))), within).await;
        let Outcome::Ok { result: Some(next), .. } = late else { panic!("{name}: {late:?}") };
        assert!(next.as_i64() > fence.as_i64(), "{name}: {next} after {fence}");
    }
}
