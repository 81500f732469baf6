//! Real instances over loopback, without faults of their own.

use super::instance::{Finds, Home, Instance, Promises, free_address, timing};
use crate::bootstrap::{
    Answer, Arbiter, AskError, Decision, Marker, MulticastAnnouncer, PeerSource, Question, Terms,
    ask,
};
use crate::config::MulticastConfig;
use crate::discovery::multicast::{Announcement, Multicast};
use crate::seed::{SeedDirectory, SeedFolder, local};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

pub(super) fn directory(root: &Path) -> Arc<SeedFolder> {
    Arc::new(local::open(&root.join("seeds"), "c").unwrap())
}

/// Lets all of them settle, and checks that one has founded and all are in its cluster.
pub(super) async fn all_in_one(nodes: &mut [Instance]) -> Vec<Decision> {
    let settled = futures::future::join_all(nodes.iter_mut().map(Instance::settle)).await;
    let clusters: BTreeSet<_> = settled.iter().map(|(_, cluster)| *cluster).collect();
    assert_eq!(clusters.len(), 1, "{settled:?}");
    let decisions: Vec<Decision> = settled.into_iter().map(|(decision, _)| decision).collect();
    let founded = decisions.iter().filter(|decision| matches!(decision, Decision::Found(_)));
    assert_eq!(founded.count(), 1, "{decisions:?}");
    decisions
}

async fn homes(root: &Path, ids: &[u64]) -> Vec<Home> {
    let mut homes = Vec::new();
    for id in ids {
        homes.push(Home::new(root, *id).await);
    }
    homes
}

#[tokio::test]
async fn three_nodes_of_a_list_found_one_cluster_within_a_second() {
    let root = tempfile::tempdir().unwrap();
    let homes = homes(root.path(), &[3, 1, 2]).await;
    let finds = Finds::List(homes.iter().map(|home| home.address).collect());
    let mut nodes = Vec::new();
    for home in &homes {
        nodes.push(Instance::start(home, &finds, 3).await);
    }
    let begun = Instant::now();
    let decisions = all_in_one(&mut nodes).await;
    // Measured at 0.01 s; the margin is for a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let Decision::Found(founding) = &decisions[1] else { panic!("{decisions:?}") };
    let members: Vec<u64> = founding.members.iter().map(|member| member.node.0).collect();
    assert_eq!(members, [1, 2, 3]);
    assert_eq!(founding.members[0].raft_address, "raft-1:5751");
    for member in [0, 2] {
        assert!(matches!(decisions[member], Decision::Member { .. }), "{decisions:?}");
    }
}

#[tokio::test]
async fn nodes_over_a_seed_directory_found_one_cluster_and_later_ones_join_it() {
    let root = tempfile::tempdir().unwrap();
    let directory = directory(root.path());
    let finds = Finds::Directory(directory.clone());
    let homes = homes(root.path(), &[2, 3, 1, 4]).await;
    let mut nodes = Vec::new();
    for home in &homes[..3] {
        nodes.push(Instance::start(home, &finds, 3).await);
        if nodes.len() < 3 {
            nodes.last().unwrap().says("of 3 (raft.bootstrap-expect)").await;
        }
    }
    let decisions = all_in_one(&mut nodes).await;
    let Decision::Found(founding) = &decisions[2] else { panic!("{decisions:?}") };
    let marker = Marker::decode(&directory.read_marker().await.unwrap().unwrap()).unwrap();
    assert_eq!(marker.founding, *founding);

    let mut late = Instance::start(&homes[3], &finds, 3).await;
    let (decision, cluster) = late.settle().await;
    assert_eq!(cluster, founding.cluster_id);
    let Decision::Join { raft_addresses, .. } = decision else { panic!("{decision:?}") };
    assert_eq!(raft_addresses, ["raft-1:5751", "raft-2:5751", "raft-3:5751"]);

    late.kill().await;
    let mut back = Instance::start(&homes[3], &finds, 3).await;
    assert_eq!(back.decision().await, Decision::Return);
}

#[tokio::test]
async fn a_single_node_without_discovery_founds_at_once_and_no_more() {
    let root = tempfile::tempdir().unwrap();
    let home = Home::new(root.path(), 1).await;
    let mut alone = Instance::start(&home, &Finds::Nobody, 1).await;
    assert!(matches!(alone.settle().await.0, Decision::Found(_)));
    alone.kill().await;
    let mut alone = Instance::start(&home, &Finds::Nobody, 1).await;
    assert_eq!(alone.decision().await, Decision::Return);

    let other = Home::new(root.path(), 2).await;
    let waits = Instance::start(&other, &Finds::Nobody, 3).await;
    waits.says("raft.bootstrap-expect=3 and no discovery is configured").await;
}

#[tokio::test]
async fn nodes_hear_each_other_by_multicast_and_found_one_cluster() {
    let root = tempfile::tempdir().unwrap();
    let homes = homes(root.path(), &[1, 2, 3]).await;
    // A port of this test's own, so that nothing else is on the group.
    let port = free_address().await.port();
    let interface = Ipv4Addr::LOCALHOST;
    let config = MulticastConfig { group: Ipv4Addr::new(239, 255, 7, 1), port, ttl: 0, interface };
    let terms = Terms { cluster_name: "c".to_owned(), expect: 3, arbiter: Arbiter::Multicast };
    let mut nodes = Vec::new();
    for home in &homes {
        let multicast = Multicast::join(&config).unwrap();
        let own = Announcement { host: "127.0.0.1".to_owned(), port: home.address.port() };
        let source =
            |_: &_| PeerSource::Multicast(Arc::new(MulticastAnnouncer::new(multicast, own)));
        let node = Instance::start_with(home, terms.clone(), source, Promises::Answered);
        nodes.push(node.await);
    }
    all_in_one(&mut nodes).await;
}

#[tokio::test]
async fn an_embedded_member_at_a_seed_is_named_and_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let member = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let embedded = member.local_addr().unwrap();
    // A Hazelcast member closes a connection that begins with bytes it does not know.
    let closes = tokio::spawn(async move {
        loop {
            let (mut stream, _) = member.accept().await.unwrap();
            let _ = stream.read_exact(&mut [0; 3]).await;
        }
    });
    let homes = homes(root.path(), &[1, 2]).await;
    let list = vec![homes[0].address, homes[1].address, embedded];
    let finds = Finds::List(list);
    let mut nodes = Vec::new();
    for home in &homes {
        nodes.push(Instance::start(home, &finds, 2).await);
    }
    nodes[0].says(&format!("stop the embedded member at {embedded}")).await;
    closes.abort();
    let _ = closes.await;
    all_in_one(&mut nodes).await;
}

#[tokio::test]
async fn two_clusters_are_both_named_and_none_is_joined() {
    let root = tempfile::tempdir().unwrap();
    let homes = homes(root.path(), &[1, 2, 3]).await;
    let mut clusters = Vec::new();
    for home in &homes[..2] {
        let mut alone = Instance::start(home, &Finds::Nobody, 1).await;
        clusters.push(alone.settle().await.1);
        alone.kill().await;
    }
    let finds = Finds::List(homes.iter().map(|home| home.address).collect());
    let mut back = Vec::new();
    for home in &homes[..2] {
        back.push(Instance::start(home, &finds, 2).await);
    }
    let empty = Instance::start(&homes[2], &finds, 2).await;
    let line = empty.says("several clusters are heard of").await;
    for cluster in clusters {
        assert!(line.contains(&cluster.to_string()), "{line}");
    }
}

#[tokio::test]
async fn a_marker_of_which_no_node_answers_is_waited_for_with_both_ways_out() {
    let root = tempfile::tempdir().unwrap();
    let directory = directory(root.path());
    let finds = Finds::Directory(directory.clone());
    let home = Home::new(root.path(), 1).await;
    let mut first = Instance::start(&home, &finds, 1).await;
    let (_, cluster) = first.settle().await;
    first.kill().await;

    let other = Home::new(root.path(), 2).await;
    let empty = Instance::start(&other, &finds, 1).await;
    let line = empty.says("of which none answers").await;
    assert!(line.contains(&cluster.to_string()), "{line}");
    assert!(line.contains("bring one back, or stop all nodes and remove the folder"), "{line}");
    // It comes back, and the other one joins it.
    let back = Instance::start(&home, &finds, 1).await;
    let mut empty = empty;
    assert!(matches!(empty.settle().await.0, Decision::Join { .. }));
    drop(back);
}

#[tokio::test]
async fn what_is_at_an_address_is_told_apart() {
    let limit = Duration::from_millis(200);
    let nobody = free_address().await;
    assert!(matches!(ask(nobody, &Question::Ask, limit).await, Err(AskError::Refused)));

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let asked = ask(silent.local_addr().unwrap(), &Question::Ask, limit).await;
    assert!(matches!(asked, Err(AskError::Timeout)), "{asked:?}");

    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = http.local_addr().unwrap();
    let answers = async {
        let (mut stream, _) = http.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await
    };
    let (asked, _) = tokio::join!(ask(address, &Question::Ask, limit), answers);
    assert!(matches!(asked, Err(AskError::Foreign)), "{asked:?}");

    let root = tempfile::tempdir().unwrap();
    let home = Home::new(root.path(), 7).await;
    let node = Instance::start(&home, &Finds::Nobody, 1).await;
    let asked = ask(node.address, &Question::Ask, timing().ask_timeout).await;
    let Ok(Answer::Node(answer)) = asked else { panic!("{asked:?}") };
    assert_eq!((answer.node.0, answer.expect, &*answer.cluster_name), (7, 1, "c"));
}
