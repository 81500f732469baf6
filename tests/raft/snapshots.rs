//! The log is bounded, and who needs what is gone gets a snapshot.

use std::sync::atomic::Ordering;
use std::time::Duration;

use statekeeper::consensus::Consensus;
use statekeeper::raft::RaftNode;
use statekeeper_machine::{Event, Outcome};

use super::trial::{
    TrialCluster, blob, eventually, get, local_size, put, put_now, settings, within,
};
use super::waits::{Locker, is_waiting};

const LIMIT: Duration = Duration::from_secs(25);
const LOG_BYTES: u64 = 256 * 1024;

async fn small_log(count: u64) -> TrialCluster {
    let mut small = settings();
    small.snapshot_log_bytes = LOG_BYTES;
    TrialCluster::founded(count, small).await
}

/// Writes a few times the bytes that the log may have.
async fn write_much(cluster: &TrialCluster, from: usize, prefix: &str) {
    let node = cluster.nodes[from].node();
    let value = "v".repeat(4096);
    let writes = (0..400).map(|at| node.submit(put("big", &format!("{prefix}{at}"), &value)));
    let writes: Vec<_> = writes.collect();
    for answer in futures::future::join_all(writes).await {
        assert_eq!(answer, Ok(Outcome::Done));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_cut_behind_a_snapshot_and_a_restart_finds_everything() {
    within(LIMIT, "compaction", async {
        let mut cluster = small_log(1).await;
        write_much(&cluster, 0, "a").await;
        let node = cluster.nodes[0].node().clone();
        eventually("a snapshot is there", || node.status().borrow().snapshot_index > 0).await;
        write_much(&cluster, 0, "b").await;
        is_cut(&node).await;
        drop(node);
        cluster.nodes[0].kill().await;
        cluster.nodes[0].start().await;
        cluster.leader().await;
        assert_eq!(local_size(cluster.nodes[0].node(), "big").await, 800);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_for_long_gets_a_snapshot_and_goes_on() {
    within(LIMIT, "a snapshot for a follower", async {
        let mut cluster = small_log(3).await;
        let away = cluster.follower().await;
        let leader = cluster.leader().await;
        cluster.nodes[away].kill().await;
        for round in 0..3 {
            write_much(&cluster, leader, &format!("r{round}-")).await;
        }
        let node = cluster.nodes[leader].node().clone();
        is_cut(&node).await;
        cluster.nodes[away].start().await;
        cluster.settled().await;
        let back = cluster.nodes[away].node().clone();
        let installed = &back.metrics().snapshots_installed;
        assert_eq!(installed.load(Ordering::Relaxed), 1);
        assert_eq!(local_size(&back, "big").await, 1200);
        put_now(&back, "m", "k", "v").await;
        assert_eq!(get(&back, "m", "k").await, Ok(Some(blob("v"))));
    })
    .await;
}

/// The follower that holds the ticket is frozen out while the wait ends and the log is cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_that_ended_in_skipped_entries_is_answered_after_a_snapshot() {
    within(LIMIT, "a wait over a snapshot", async {
        let cluster = small_log(3).await;
        let leader = cluster.leader().await;
        let away = cluster.follower().await;
        let holder = Locker::new(cluster.nodes[leader].node(), 1).await;
        let fence = holder.lock(1).await.unwrap();
        let waiter = Locker::new(cluster.nodes[away].node(), 2).await;
        let waiting = tokio::spawn(waiter.lock_later(2));
        eventually_waiting(&cluster, leader).await;

        // It learns of nothing until it is behind what the log of the others begins with.
        let node = cluster.nodes[away].node().clone();
        let id = cluster.nodes[away].id.0;
        cluster.lines.close(id, true);
        assert!(holder.unlock(3).await);
        for round in 0..3 {
            write_much(&cluster, leader, &format!("r{round}-")).await;
        }
        let ahead = cluster.nodes[leader].node().clone();
        is_cut(&ahead).await;
        let mut events = node.subscribe(4096);
        cluster.lines.close(id, false);
        let answer = waiting.await.unwrap();
        assert!(matches!(answer, Ok(Outcome::Fence(next)) if next > fence), "{answer:?}");
        let mut gap = false;
        while let Ok(batch) = events.try_recv() {
            gap |= batch.gap;
            let ended = |event: &Event| matches!(event, Event::WaitEnded { .. });
            assert!(!batch.events.iter().any(ended), "the end of the wait was skipped");
        }
        assert!(gap, "subscribers are told of the gap");
    })
    .await;
}

/// Far more was written than the log holds now.
async fn is_cut(node: &RaftNode) {
    let stats = node.storage_stats();
    eventually("the log is cut", || stats.log_bytes.load(Ordering::Relaxed) < 3 * LOG_BYTES).await;
}

async fn eventually_waiting(cluster: &TrialCluster, at: usize) {
    let node = cluster.nodes[at].node();
    is_waiting(node).await;
}
