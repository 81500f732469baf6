//! Clusters begin.

use std::time::Duration;

use statekeeper::consensus::{Consensus, Role};

use super::trial::{TrialCluster, blob, get, put_now, settings, within};

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
    let answer = node.submit(super::trial::put("m", "k", "v")).await;
    assert_eq!(answer, Err(statekeeper_machine::SubmitError::NotProposed));
    assert!(!node.status().borrow().ready);
}
