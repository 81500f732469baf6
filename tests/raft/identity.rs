//! Who is taken in and who is not.

use std::time::Duration;

use statekeeper::consensus::{Consensus, MembershipChange, MembershipError, Role};
use statekeeper::raft::RaftError;
use statekeeper_machine::{ClusterId, NodeId, Outcome, SubmitError};

use super::trial::{
    TrialCluster, blob, eventually, get, local_size, put, put_now, settings, within,
};

const LIMIT: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_cluster_is_refused() {
    within(LIMIT, "a foreign node", async {
        let mut cluster = TrialCluster::founded(1, settings()).await;
        let other = cluster.add_waiting().await;
        let address = cluster.nodes[0].address.clone();
        let foreign = ClusterId(0xF0E);
        let refused = cluster.nodes[other].node().join(foreign, vec![address.clone()]).await;
        assert!(matches!(refused, Err(RaftError::JoinRefused { .. })), "{refused:?}");
        // It belongs to the other cluster for ever now.
        let moved = cluster.nodes[other].node().join(cluster.cluster_id, vec![address]).await;
        assert!(matches!(moved, Err(RaftError::Storage(_))), "{moved:?}");
        assert_eq!(cluster.nodes[0].status().peers.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_its_log_is_refused_under_its_old_id() {
    within(LIMIT, "a wiped node", async {
        let mut cluster = TrialCluster::founded(3, settings()).await;
        let leader = cluster.leader().await;
        let wiped = cluster.follower().await;
        let node = cluster.nodes[leader].node().clone();
        for at in 0..20 {
            put_now(&node, "m", &at.to_string(), "v").await;
        }
        cluster.settled().await;
        cluster.nodes[wiped].kill().await;
        std::fs::remove_dir_all(&cluster.nodes[wiped].path).unwrap();
        cluster.nodes[wiped].start().await;
        cluster.nodes[wiped].node().accept_cluster(cluster.cluster_id).await.unwrap();
        let address = cluster.nodes[leader].address.clone();
        let joined = cluster.nodes[wiped].node().join(cluster.cluster_id, vec![address]).await;
        assert!(matches!(joined, Err(RaftError::JoinRefused { .. })), "{joined:?}");
        for at in 20..40 {
            put_now(&node, "m", &at.to_string(), "v").await;
        }
        assert_eq!(cluster.nodes[wiped].status().last_log_index, 0, "nothing is replicated to it");
        assert_eq!(local_size(cluster.nodes[wiped].node(), "m").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_node_joins_is_promoted_and_votes() {
    within(LIMIT, "a node that joins", async {
        let mut three = settings();
        three.bootstrap_expect = 3;
        let mut cluster = TrialCluster::founded(1, three).await;
        put_now(cluster.nodes[0].node(), "m", "k", "v").await;
        for _ in 0..2 {
            let new = cluster.add_waiting().await;
            let addresses = vec!["127.0.0.1:1".to_owned(), cluster.nodes[0].address.clone()];
            cluster.nodes[new].node().join(cluster.cluster_id, addresses).await.unwrap();
        }
        let voters = || cluster.nodes[0].status().peers.iter().filter(|peer| peer.voter).count();
        eventually("all vote", || voters() == 3).await;
        let listed = || cluster.nodes[2].node().view().borrow().members.len() == 3;
        eventually("all are members", listed).await;
        assert_eq!(get(cluster.nodes[2].node(), "m", "k").await, Ok(Some(blob("v"))));
        cluster.nodes[0].kill().await;
        let heir = cluster.leader().await;
        assert_ne!(heir, 0);
        put_now(cluster.nodes[heir].node(), "m", "k2", "v").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_membership_changes_under_rules_from_any_node() {
    within(LIMIT, "membership", async {
        let mut cluster = TrialCluster::founded(3, settings()).await;
        let (leader, follower) = (cluster.leader().await, cluster.follower().await);
        let node = cluster.nodes[follower].node().clone();
        let third = 3 - leader - follower;
        let id = |at: usize| cluster.nodes[at].id;
        let (leader_id, follower_id, third_id) = (id(leader), id(follower), id(third));

        let stranger = MembershipChange::Promote { node: NodeId(99) };
        assert!(matches!(
            node.change_membership(stranger).await,
            Err(MembershipError::Refused { .. })
        ));
        let transfer = MembershipChange::TransferLeader { to: follower_id };
        node.change_membership(transfer).await.unwrap();
        eventually("the other one leads", || node.status().borrow().role == Role::Leader).await;
        let heard = |of: NodeId| {
            let status = node.status().borrow().clone();
            let peer = status.peers.iter().find(|peer| peer.node == of);
            peer.and_then(|peer| peer.silent_for)
        };
        eventually("it hears of both", || heard(leader_id).is_some() && heard(third_id).is_some())
            .await;

        // Two of three answer: without one more of them there would be no majority.
        cluster.nodes[third].kill().await;
        eventually("the third is silent", || {
            heard(third_id).is_some_and(|silent| silent > Duration::from_secs(2))
        })
        .await;
        let remove = MembershipChange::Remove { node: leader_id };
        let refused = node.change_membership(remove).await;
        assert!(matches!(refused, Err(MembershipError::Refused { .. })), "{refused:?}");
        node.change_membership(MembershipChange::Remove { node: third_id }).await.unwrap();
        assert_eq!(node.status().borrow().peers.len(), 2);
        put_now(&node, "m", "k", "v").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_comes_back_at_another_address_is_found_again() {
    within(LIMIT, "a move", async {
        let mut cluster = TrialCluster::founded(3, settings()).await;
        let moved = cluster.follower().await;
        let leader = cluster.leader().await;
        cluster.nodes[moved].kill().await;
        cluster.move_node(moved).await;
        cluster.nodes[moved].start().await;
        for at in 0..10 {
            put_now(cluster.nodes[leader].node(), "m", &at.to_string(), "v").await;
        }
        let back = cluster.nodes[moved].node().clone();
        eventually("it is reached", || back.status().borrow().ready).await;
        assert_eq!(get(&back, "m", "9").await, Ok(Some(blob("v"))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_state_takes_only_what_frees_something() {
    within(LIMIT, "a limit", async {
        let mut small = settings();
        small.state_bytes_max = 60_000;
        let cluster = TrialCluster::founded(3, small).await;
        let node = cluster.nodes[cluster.follower().await].node().clone();
        let value = "v".repeat(4096);
        let mut refused = None;
        for at in 0..40 {
            match node.submit(put("m", &at.to_string(), &value)).await {
                Ok(Outcome::Done) => {}
                other => {
                    refused = Some(other);
                    break;
                }
            }
        }
        let limit = "limits.state-bytes-max".into();
        assert_eq!(refused, Some(Err(SubmitError::Overloaded { limit })));
        let clear = statekeeper_machine::Command::Map {
            map: "m".into(),
            caller: statekeeper_machine::Caller::default(),
            change: statekeeper_machine::MapChange::Clear,
        };
        node.submit(clear).await.unwrap();
        put_now(&node, "m", "k", "v").await;
    })
    .await;
}
