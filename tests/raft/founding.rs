//! Clusters begin.

use std::sync::atomic::Ordering;
use std::time::Duration;

use statekeeper::consensus::{Consensus, Role};
use statekeeper::storage::FoundingRecord;
use uuid::Uuid;

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
async fn commands_of_one_node_enter_the_log_in_the_order_of_the_calls() {
    within(LIMIT, "an order", async {
        // A lease that no busy machine lets lapse: after a lapse the order is not promised.
        let mut patient = settings();
        patient.election_timeout = Duration::from_secs(4);
        let cluster = TrialCluster::founded(3, patient).await;
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

/// As a node does whose disk hangs (`raft.disk-stall-step-down`).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_steps_down_goes_on_as_a_follower() {
    within(LIMIT, "another leader", async {
        let cluster = TrialCluster::founded(3, settings()).await;
        let old = cluster.leader().await;
        cluster.nodes[old].node().step_down().await;
        eventually("it follows", || cluster.nodes[old].status().role == Role::Follower).await;
        assert_ne!(cluster.leader().await, old);
        put_now(cluster.nodes[old].node(), "m", "k", "v").await;
        assert!(cluster.nodes[old].status().ready);
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

/// The set a founder has set out with is kept by bootstrap, which needs it after a death as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_founder_that_dies_on_the_way_finds_what_it_set_out_for_and_ends_it() {
    within(LIMIT, "a founder that dies", async {
        let mut cluster = TrialCluster::waiting(2, settings()).await;
        let record = FoundingRecord {
            founder: cluster.nodes[0].id.0,
            cluster_id: Uuid::from_u128(cluster.cluster_id.0),
            members: Vec::new(),
        };
        cluster.nodes[0].kill().await;
        cluster.nodes[0].data_dir().await.set_founding(&record).unwrap();
        cluster.nodes[0].start().await;

        // The other voter does not know the cluster yet: the founder gets no further than its log.
        let (founder, founding) = (cluster.nodes[0].node().clone(), cluster.founding());
        let founds = tokio::spawn(async move { founder.found(founding).await });
        eventually("it asks for votes", || cluster.nodes[0].status().term > 0).await;
        founds.abort();
        drop(founds.await);
        cluster.nodes[0].kill().await;
        let data_dir = cluster.nodes[0].data_dir().await;
        assert_eq!(data_dir.founding().unwrap(), Some(record));
        assert_eq!(data_dir.identity().cluster_id, Some(Uuid::from_u128(cluster.cluster_id.0)));
        drop(data_dir);

        cluster.nodes[0].start().await;
        cluster.nodes[1].node().accept_cluster(cluster.cluster_id).await.unwrap();
        cluster.nodes[0].node().found(cluster.founding()).await.unwrap();
        put_now(cluster.nodes[1].node(), "m", "k", "v").await;
    })
    .await;
}
