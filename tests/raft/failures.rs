//! Nodes die, come back, and are cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use statekeeper::consensus::{Consensus, Role};
use statekeeper_machine::{Outcome, SubmitError};

use super::trial::{
    TrialCluster, blob, count, eventually, get, local_size, put, put_now, settings, within,
};

const LIMIT: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_soon_after_the_leader_died_and_none_is_lost() {
    within(LIMIT, "a fail-over", async {
        let mut cluster = TrialCluster::founded(3, settings()).await;
        let leader = cluster.leader().await;
        let survivor = cluster.follower().await;
        let node = cluster.nodes[survivor].node().clone();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (writer, done) = (node.clone(), acknowledged.clone());
        let writing = tokio::spawn(async move {
            for at in 0..400 {
                assert_eq!(writer.submit(put("m", &at.to_string(), "v")).await, Ok(Outcome::Done));
                done.store(at + 1, Ordering::Relaxed);
            }
        });
        eventually("some are written", || acknowledged.load(Ordering::Relaxed) > 50).await;
        let died = Instant::now();
        cluster.nodes[leader].kill().await;
        let before = acknowledged.load(Ordering::Relaxed);
        eventually("more are written", || acknowledged.load(Ordering::Relaxed) > before + 1).await;
        let gap = died.elapsed();
        assert!(gap < Duration::from_secs(3), "writes stood still for {gap:?}");
        writing.await.unwrap();
        for at in 0..400 {
            assert_eq!(get(&node, "m", &at.to_string()).await, Ok(Some(blob("v"))), "key {at}");
        }
        drop(node);
        cluster.nodes[leader].start().await;
        cluster.settled().await;
        assert_eq!(local_size(cluster.nodes[leader].node(), "m").await, 400);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_die_at_once_and_every_acknowledged_write_is_back() {
    within(LIMIT, "a restart of all", async {
        let mut cluster = TrialCluster::founded(3, settings()).await;
        let node = cluster.nodes[1].node().clone();
        for at in 0..100 {
            put_now(&node, "m", &at.to_string(), "v").await;
        }
        drop(node);
        for node in &mut cluster.nodes {
            node.kill().await;
        }
        for node in &mut cluster.nodes {
            node.start().await;
        }
        cluster.leader().await;
        for node in &cluster.nodes {
            for at in [0, 50, 99] {
                let read = get(node.node(), "m", &at.to_string()).await;
                assert_eq!(read, Ok(Some(blob("v"))), "key {at}");
            }
        }
        put_now(cluster.nodes[2].node(), "m", "new", "v").await;
    })
    .await;
}

/// The mark of what is committed lags on every disk after a death of all: a leader that is restored
/// without an election knows no better until its office is applied, and followers ask it at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_read_after_a_death_of_all_sees_the_last_write() {
    within(LIMIT, "first reads", async {
        let mut cluster = TrialCluster::founded(3, settings()).await;
        for round in 0..5 {
            cluster.leader().await;
            put_now(cluster.nodes[1].node(), "m", "k", "old").await;
            kill_all(&mut cluster).await;
            let mut marks = Vec::new();
            for node in &mut cluster.nodes {
                marks.push(node.committed_mark().await);
                node.start().await;
            }
            cluster.leader().await;
            put_now(cluster.nodes[1].node(), "m", "k", &round.to_string()).await;
            kill_all(&mut cluster).await;
            for (node, mark) in cluster.nodes.iter().zip(marks) {
                node.set_committed_mark(mark).await;
            }
            let last = Ok(Some(blob(&round.to_string())));
            let begin = cluster.nodes.iter_mut().map(async |node| {
                node.start().await;
                for _ in 0..20 {
                    assert_eq!(get(node.node(), "m", "k").await, last, "round {round}");
                }
            });
            futures::future::join_all(begin).await;
        }
    })
    .await;
}

async fn kill_all(cluster: &mut TrialCluster) {
    for node in &mut cluster.nodes {
        node.kill().await;
    }
}

/// A thread id is drawn by each application: the next one tells how often all were applied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_sent_again_after_a_fail_over_is_applied_once() {
    within(LIMIT, "counting", async {
        let mut cluster = TrialCluster::founded(3, settings()).await;
        let leader = cluster.leader().await;
        let node = cluster.nodes[cluster.follower().await].node().clone();
        let commands: Vec<_> = (0..200).map(|_| node.submit(count())).collect();
        cluster.nodes[leader].kill().await;
        let mut ids = Vec::new();
        for answer in futures::future::join_all(commands).await {
            match answer {
                Ok(Outcome::ThreadId(id)) => ids.push(id),
                other => panic!("not answered: {other:?}"),
            }
        }
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), 200, "no id was answered twice");
        match node.submit(count()).await {
            Ok(Outcome::ThreadId(id)) => {
                let first = ids.iter().min().unwrap();
                assert_eq!(id - first, 200, "each was applied once");
            }
            other => panic!("not answered: {other:?}"),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_nothing_is_answered_as_done_and_clients_are_steered_away() {
    within(LIMIT, "a cut-off node", async {
        let mut quick = settings();
        quick.operation_timeout = Duration::from_secs(3);
        let mut cluster = TrialCluster::founded(3, quick).await;
        let leader = cluster.leader().await;
        let own = cluster.nodes[leader].id;
        let node = cluster.nodes[leader].node().clone();
        put_now(&node, "m", "k", "v").await;
        let before = node.view().borrow().clone();
        for at in (0..3).filter(|at| *at != leader) {
            cluster.nodes[at].kill().await;
        }
        let answer = node.submit(put("m", "k", "other")).await;
        let errors = [SubmitError::Unknown, SubmitError::NotProposed];
        assert!(answer.is_err_and(|error| errors.contains(&error)));
        assert_eq!(get(&node, "m", "k").await, Err(SubmitError::NotProposed));
        eventually("it is cut off", || node.status().borrow().isolated).await;
        let view = node.view();
        eventually("it has a table of its own", || {
            view.borrow().partitions_version == before.partitions_version + 1
        })
        .await;
        let table = view.borrow().clone();
        let owner = table.members.iter().find(|member| Some(member.member) == table.owner);
        assert_ne!(owner.map(|owner| owner.node), Some(own), "another one owns everything");
        for at in (0..3).filter(|at| *at != leader) {
            cluster.nodes[at].start().await;
        }
        cluster.leader().await;
        eventually("it is back", || {
            !node.status().borrow().isolated
                && view.borrow().partitions_version > before.partitions_version + 1
                || node.view().borrow().partitions_version == before.partitions_version
        })
        .await;
        put_now(&node, "m", "k", "later").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_stop_of_the_leader_hands_over_at_once() {
    within(LIMIT, "a hand-over", async {
        let mut cluster = TrialCluster::founded(3, settings()).await;
        let leader = cluster.leader().await;
        let follower = cluster.follower().await;
        let node = cluster.nodes[follower].node().clone();
        put_now(&node, "m", "k", "v").await;
        let begun = Instant::now();
        cluster.nodes[leader].stop().await;
        put_now(&node, "m", "k", "after").await;
        let took = begun.elapsed();
        assert!(took < Duration::from_millis(1500), "no election time-out is waited for: {took:?}");
        assert_ne!(cluster.leader().await, leader);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_stop_of_all_nodes_a_leader_is_elected_under_another_term() {
    within(LIMIT, "a leader of another term", async {
        let mut cluster = TrialCluster::founded(1, settings()).await;
        put_now(cluster.nodes[0].node(), "m", "k", "v").await;
        let before = cluster.nodes[0].node().view().borrow().partitions_version;
        let term = cluster.nodes[0].status().term;
        cluster.nodes[0].kill().await;
        cluster.nodes[0].start().await;
        let node = cluster.nodes[0].node().clone();
        eventually("it leads", || node.status().borrow().role == Role::Leader).await;
        put_now(&node, "m", "k", "w").await;
        // Going on under the old one, it could give an index twice: what it had sent to others and
        // lost itself would carry the same log id as what it writes now.
        assert!(node.status().borrow().term > term);
        assert_eq!(node.view().borrow().partitions_version, before + 256);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_goes_dead_without_a_word_is_given_up_and_used_again_when_it_is_mended() {
    within(LIMIT, "a silent line", async {
        let cluster = TrialCluster::founded(3, settings()).await;
        let leader = cluster.leader().await;
        let id = cluster.nodes[leader].id;
        let survivor = cluster.nodes[cluster.follower().await].node().clone();
        put_now(&survivor, "m", "0", "v").await;
        let begun = Instant::now();
        cluster.lines.silence(id.0, true);
        put_now(&survivor, "m", "1", "v").await;
        let gap = begun.elapsed();
        assert!(gap < Duration::from_secs(3), "writes stood still for {gap:?}");
        let old = cluster.nodes[leader].node().clone();
        eventually("the old leader is cut off", || old.status().borrow().isolated).await;
        cluster.lines.silence(id.0, false);
        let mended = Instant::now();
        eventually("it follows again", || !old.status().borrow().isolated).await;
        put_now(&old, "m", "2", "v").await;
        assert_eq!(get(&old, "m", "1").await, Ok(Some(blob("v"))));
        let took = mended.elapsed();
        assert!(took < Duration::from_secs(3), "it was back after {took:?}");
    })
    .await;
}
