//! What becomes of operations when nodes are silent, gone, or not those asked for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use super::*;

const SHORT: Duration = Duration::from_millis(700);

fn write() -> Op {
    op("map", "set", Some(json!("k")), Some(json!(1)))
}

fn read() -> Op {
    op("map", "get", Some(json!("k")), None)
}

fn is_fail(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Fail { .. })
}

fn is_info(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Info { .. })
}

#[tokio::test]
async fn who_does_not_get_in_has_done_nothing() {
    let nodes = Nodes::start(1).await;
    let settings = |name: &str| Settings { cluster_name: name.to_owned(), within: SHORT };
    let wrong = hazelcast::connect(nodes.address(0), None, &settings("another")).await;
    assert!(is_fail(&wrong.err().unwrap()));
    let nobody: SocketAddr = (Ipv4Addr::LOCALHOST, 1).into();
    let refused = hazelcast::connect(nobody, None, &settings(CLUSTER_NAME)).await;
    assert!(is_fail(&refused.err().unwrap()));
    let mut http = HttpClient::new(nobody, None).unwrap();
    assert!(is_fail(&http.call(&write(), SHORT).await));
    // It accepts and says nothing.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = silent.local_addr().unwrap();
    let unheard = hazelcast::connect(address, None, &settings(CLUSTER_NAME)).await;
    assert!(is_fail(&unheard.err().unwrap()));
}

#[tokio::test]
async fn clients_connect_from_the_address_they_are_told() {
    let nodes = Nodes::start(1).await;
    let local = Some(IpAddr::from([127, 0, 0, 77]));
    let settings = Settings { cluster_name: CLUSTER_NAME.to_owned(), within: WITHIN };
    let mut client = hazelcast::connect(nodes.address(0), local, &settings).await.unwrap();
    told(&mut client, &write()).await;
    let http = HttpClient::new(nodes.nodes[0].admin, local).unwrap();
    told(&mut { http }, &read()).await;
    let url = format!("http://{}/v1/clients", nodes.nodes[0].admin);
    let shown = reqwest::get(url).await.unwrap().text().await.unwrap();
    assert!(shown.contains("127.0.0.77"), "{shown}");
}

/// The same kind of client twice: one writes, one reads.
type Pair = (&'static str, Box<dyn Client>, Box<dyn Client>);

#[tokio::test]
async fn a_silent_node_makes_writes_unknown_and_reads_fail() {
    let nodes = Nodes::start(1).await;
    let (java, python) = (java(&nodes, "5.1"), python(&nodes));
    let mut clients: Vec<Pair> = vec![
        ("native", Box::new(native(&nodes, 0).await), Box::new(native(&nodes, 0).await)),
        (
            "java",
            Box::new(open(&java, &nodes, 1, 0).await),
            Box::new(open(&java, &nodes, 2, 0).await),
        ),
        (
            "python",
            Box::new(open(&python, &nodes, 1, 0).await),
            Box::new(open(&python, &nodes, 2, 0).await),
        ),
    ];
    let http = || Box::new(HttpClient::new(nodes.nodes[0].admin, None).unwrap());
    clients.push(("http", http(), http()));
    for (_, writes, reads) in &mut clients {
        told(writes.as_mut(), &write()).await;
        told(reads.as_mut(), &read()).await;
    }
    nodes.pause(0).await;
    let mut outcomes = Vec::new();
    for (name, writes, reads) in &mut clients {
        let (write, read) = (write(), read());
        let (wrote, got) = tokio::join!(writes.call(&write, SHORT), reads.call(&read, SHORT));
        outcomes.push((*name, wrote, got));
    }
    nodes.resume(0);
    for (name, wrote, got) in outcomes {
        assert!(is_info(&wrote), "{name}: {wrote:?}");
        assert!(is_fail(&got), "{name}: {got:?}");
    }
    // Whoever had only read goes on: the late answer is not taken for that of another request.
    for (name, _, reads) in &mut clients {
        let other = op("map", "get", Some(json!("nothing")), None);
        let answer = reads.call(&other, WITHIN).await;
        let null = Outcome::Ok { value: Some(Value::Null), result: Some(Value::Null) };
        assert_eq!(answer, null, "{name}");
    }
}

#[tokio::test]
async fn the_death_of_a_node_makes_waiting_calls_unknown_and_later_ones_fail() {
    let mut nodes = Nodes::start(1).await;
    let (java, python) = (java(&nodes, "5.1"), python(&nodes));
    let mut holder = native(&nodes, 0).await;
    told(&mut holder, &op("lock", "acquire", None, None)).await;
    let mut clients: Vec<(&str, Box<dyn Client>)> = vec![
        ("native", Box::new(native(&nodes, 0).await)),
        ("java", Box::new(open(&java, &nodes, 1, 0).await)),
        ("python", Box::new(open(&python, &nodes, 1, 0).await)),
    ];
    let wait = op("lock", "acquire", None, None);
    let calls: Vec<_> =
        clients.iter_mut().map(|(_, client)| client.call(&wait, Duration::from_secs(8))).collect();
    let (outcomes, ()) = tokio::join!(futures::future::join_all(calls), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        nodes.kill(0);
    });
    for ((name, client), outcome) in clients.iter_mut().zip(outcomes) {
        assert!(is_info(&outcome), "{name}: {outcome:?}");
        let later = client.call(&write(), WITHIN).await;
        assert!(is_fail(&later), "{name}: {later:?}");
    }
    let mut http = HttpClient::new(nodes.nodes[0].admin, None).unwrap();
    let later = http.call(&write(), WITHIN).await;
    assert!(is_fail(&later), "{later:?}");
}

#[tokio::test]
async fn races_of_a_counter_lose_nothing() {
    let nodes = Nodes::start(1).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(native(&nodes, 0).await);
    }
    let add = op("counter", "add-get", Some(json!("c")), Some(json!(1)));
    let runs = clients.iter_mut().map(|client| async {
        let mut numbers = Vec::new();
        for _ in 0..25 {
            numbers.push(told(client, &add).await.as_i64().unwrap());
        }
        numbers
    });
    let mut numbers = futures::future::join_all(runs).await.concat();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=100).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_driver_that_has_ended_is_no_unknown_outcome_for_what_comes_later() {
    let nodes = Nodes::start(1).await;
    let python = python(&nodes);
    let mut client = open(&python, &nodes, 1, 0).await;
    told(&mut client, &write()).await;
    drop(python);
    let later = client.call(&write(), WITHIN).await;
    assert!(is_fail(&later), "{later:?}");
}

/// How many clients of a language are connected.
async fn connected(nodes: &Nodes, language: &str) -> usize {
    let url = format!("http://{}/v1/clients", nodes.nodes[0].admin);
    let shown: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let clients = shown["items"].as_array().unwrap();
    clients.iter().filter(|client| client["language"] == language).count()
}

#[tokio::test]
async fn a_client_without_a_lock_goes_to_the_next_process() {
    let nodes = Nodes::start(1).await;
    let (java, python) = (java(&nodes, "5.1"), python(&nodes));
    for (driver, language) in [(&java, "JVM"), (&python, "PYH")] {
        for process in 0..4 {
            let mut client = open(driver, &nodes, process, 0).await;
            told(&mut client, &write()).await;
            assert_eq!(connected(&nodes, language).await, 1, "{language}");
        }
        let mut holds = open(driver, &nodes, 4, 0).await;
        let fence = told(&mut holds, &op("lock", "acquire", None, None)).await;
        drop(holds);
        let mut next = open(driver, &nodes, 5, 0).await;
        let taken = told(&mut next, &op("lock", "try-acquire", None, Some(json!(10)))).await;
        assert_eq!(taken, json!(0), "{language}: it has the session that holds {fence}");
        tokio::time::sleep(SESSION_TIME_TO_LIVE * 2).await;
    }
}
