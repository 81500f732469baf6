//! Events: in log order, before the answer, emitted by one node.

use std::time::Duration;

use statekeeper::consensus::Consensus;
use statekeeper_machine::{Event, EventBatch};

use super::trial::{TrialCluster, blob, eventually, put_now, settings, within};

const LIMIT: Duration = Duration::from_secs(20);

fn keys(batch: &EventBatch) -> impl Iterator<Item = String> {
    batch.events.iter().filter_map(|event| match event {
        Event::MapEntry { key, .. } => {
            let text = (0..100).map(|at| at.to_string()).find(|at| *key == blob(at));
            Some(text.unwrap_or_default())
        }
        _ => None,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_in_log_order_before_the_answer_and_one_node_emits_them() {
    within(LIMIT, "events", async {
        let cluster = TrialCluster::founded(3, settings()).await;
        let leader = cluster.leader().await;
        let follower = cluster.follower().await;
        let mut subscribers: Vec<_> =
            cluster.nodes.iter().map(|node| node.node().subscribe(1024)).collect();
        for at in 0..20 {
            put_now(cluster.nodes[follower].node(), "m", &at.to_string(), "v").await;
            let mut seen = Vec::new();
            while let Ok(batch) = subscribers[follower].try_recv() {
                assert!(!batch.emitter);
                seen.extend(keys(&batch));
            }
            assert_eq!(seen, vec![at.to_string()], "it is there when the answer is");
        }
        cluster.settled().await;
        let (mut last, mut seen) = (0, Vec::new());
        while let Ok(batch) = subscribers[leader].try_recv() {
            assert!(batch.index > last, "in log order");
            last = batch.index;
            assert!(batch.emitter, "the leader emits");
            seen.extend(keys(&batch));
        }
        let all: Vec<_> = (0..20).map(|at| at.to_string()).collect();
        assert_eq!(seen, all);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_fail_over_the_new_leader_emits_and_a_leader_that_is_back_does_not() {
    within(LIMIT, "events over a fail-over", async {
        let cluster = TrialCluster::founded(3, settings()).await;
        let old = cluster.leader().await;
        put_now(cluster.nodes[old].node(), "m", "0", "v").await;
        cluster.lines.close(cluster.nodes[old].id.0, true);
        let id = cluster.nodes[old].id;
        // What it proposes while it is alone may get into the log later, or never.
        let alone: Vec<_> = (50..60)
            .map(|at| {
                cluster.nodes[old].node().submit(super::trial::put("m", &at.to_string(), "v"))
            })
            .collect();
        let others = || cluster.nodes.iter().filter(|node| node.id != id);
        eventually("another one leads", || {
            others().any(|node| node.status().leader.is_some_and(|leader| leader != id))
        })
        .await;
        let survivor = others().next().unwrap();
        let mut subscribers: Vec<_> =
            cluster.nodes.iter().map(|node| (node.id, node.node().subscribe(4096))).collect();
        for at in 1..10 {
            put_now(survivor.node(), "m", &at.to_string(), "v").await;
        }
        cluster.lines.close(id.0, false);
        for answer in futures::future::join_all(alone).await {
            answer.unwrap();
        }
        cluster.settled().await;
        let leader = cluster.nodes[cluster.leader().await].id;
        assert_ne!(leader, id);
        let mut emitted = Vec::new();
        for (node, events) in &mut subscribers {
            while let Ok(batch) = events.try_recv() {
                if batch.emitter {
                    assert_eq!(*node, leader);
                    emitted.extend(keys(&batch));
                }
            }
        }
        emitted.sort();
        let mut all: Vec<_> = (1..10).chain(50..60).map(|at: u32| at.to_string()).collect();
        all.sort();
        assert_eq!(emitted, all, "each once, by one node");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_are_applied_again_at_a_start_raise_no_events() {
    within(LIMIT, "a restart", async {
        let mut cluster = TrialCluster::founded(1, settings()).await;
        for at in 0..20 {
            put_now(cluster.nodes[0].node(), "m", &at.to_string(), "v").await;
        }
        cluster.nodes[0].kill().await;
        cluster.nodes[0].start().await;
        let mut events = cluster.nodes[0].node().subscribe(1024);
        cluster.leader().await;
        put_now(cluster.nodes[0].node(), "m", "99", "v").await;
        let mut seen = Vec::new();
        while let Ok(batch) = events.try_recv() {
            seen.extend(keys(&batch));
        }
        assert_eq!(seen, vec!["99".to_owned()]);
    })
    .await;
}
