//! Clusters begin.

use std::sync::atomic::Ordering;
use std::time::Duration;

use statekeeper::consensus::{Consensus, Role};

use super::trial::{TrialCluster, blob, eventually, get, put, put_now, settings, within};

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_founds_a_cluster_and_serves() {
    within(LIMIT, "one node", async {
        let mut cluster = TrialCluster::founded(1, settings()).await;
        assert_eq!(cluster.leader().await, 0);
        let node = cluster.nodes[0].node().clone();
        put_now(&node, "m", "k", "v").await;
        assert_eq!(get(&node, "m", "k").await, Ok(Some(blob("v"))));
        let view = node.view().borrow().clone();
        assert_eq!(view.owner, Some(view.members[0].member));
        drop(node);
        cluster.nodes[0].stop().await;
        cluster.nodes[0].start().await;
        cluster.leader().await;
        assert_eq!(get(cluster.nodes[0].node(), "m", "k").await, Ok(Some(blob("v"))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_found_a_cluster_and_any_of_them_serves() {
    within(LIMIT, "three nodes", async {
        let cluster = TrialCluster::founded(3, settings()).await;
        cluster.leader().await;
        for (at, node) in cluster.nodes.iter().enumerate() {
            let key = format!("k{at}");
            put_now(node.node(), "m", &key, "v").await;
            for reader in &cluster.nodes {
                assert_eq!(get(reader.node(), "m", &key).await, Ok(Some(blob("v"))));
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_cluster_waits_and_answers_nothing_as_done() {
    let mut quick = settings();
    quick.operation_timeout = Duration::from_millis(300);
    let cluster = TrialCluster::waiting(1, quick).await;
    let node = cluster.nodes[0].node();
    assert_eq!(node.status().borrow().role, Role::Waiting);
    let answer = node.submit(put("m", "k", "v")).await;
    assert_eq!(answer, Err(statekeeper_machine::SubmitError::NotProposed));
    assert!(!node.status().borrow().ready);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_founder_that_dies_in_the_middle_ends_it_when_it_is_back() {
    within(LIMIT, "a founder that died", async {
        let mut cluster = TrialCluster::waiting(3, settings()).await;
        let founder = cluster.nodes[0].node().clone();
        let founding = cluster.founding();
        // Nobody takes its messages in, so it cannot come to an end.
        let begun = tokio::time::timeout(Duration::from_millis(300), founder.found(founding));
        assert!(begun.await.is_err());
        drop(founder);
        cluster.nodes[0].kill().await;
        for node in &cluster.nodes[1..] {
            node.node().accept_cluster(cluster.cluster_id).await.unwrap();
        }
        cluster.nodes[0].start().await;
        cluster.leader().await;
        put_now(cluster.nodes[1].node(), "m", "k", "v").await;
        let file = cluster.nodes[0].path.join("founding");
        eventually("nothing is left to do", || !file.exists()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_of_one_node_enter_the_log_in_the_order_of_the_calls() {
    within(LIMIT, "an order", async {
        let cluster = TrialCluster::founded(3, settings()).await;
        let (leader, follower) = (cluster.leader().await, cluster.follower().await);
        for at in [leader, follower] {
            let node = cluster.nodes[at].node();
            let writes: Vec<_> =
                (0..2000).map(|value| node.submit(put("m", "k", &value.to_string()))).collect();
            for answer in futures::future::join_all(writes).await {
                answer.unwrap();
            }
            assert_eq!(get(node, "m", "k").await, Ok(Some(blob("1999"))));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_share_rounds_and_with_leases_they_need_none() {
    within(LIMIT, "reads", async {
        for lease_reads in [false, true] {
            let mut policy = settings();
            policy.lease_reads = lease_reads;
            let cluster = TrialCluster::founded(3, policy).await;
            cluster.leader().await;
            put_now(cluster.nodes[1].node(), "m", "k", "v").await;
            for node in &cluster.nodes {
                let reads: Vec<_> = (0..500).map(|_| get(node.node(), "m", "k")).collect();
                for answer in futures::future::join_all(reads).await {
                    assert_eq!(answer, Ok(Some(blob("v"))));
                }
            }
            let rounds: u64 = cluster
                .nodes
                .iter()
                .map(|node| node.node().metrics().read_rounds.load(Ordering::Relaxed))
                .sum();
            assert!(rounds < 100, "{rounds} rounds for 1500 reads");
        }
    })
    .await;
}
