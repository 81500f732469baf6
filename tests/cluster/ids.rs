//! Flake ids: every id once, whoever leads and however often all nodes start.

use crate::support::cluster::{Cluster, Plan};
use crate::support::raw::RawClient;
use crate::support::wait_for;
use statekeeper_protocol::messages::flake_id_generator::new_id_batch;
use std::time::Duration;

const BATCH: i32 = 100;
const BATCHES_PER_NODE: usize = 20;
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

#[test]
fn ids_are_unique_across_leader_changes_and_restarts_of_all_nodes() {
    let mut cluster = Plan::of(3).start();
    let mut batches = Vec::new();
    take_from_every_node(&cluster, &mut batches);
    let leader = cluster.leader();
    cluster.kill(leader);
    take_from_every_node(&cluster, &mut batches);
    cluster.restart(leader);
    cluster.kill_all();
    (0..3).for_each(|i| cluster.restart(i));
    cluster.wait_ready().unwrap();
    take_from_every_node(&cluster, &mut batches);
    batches.sort_unstable();
    for pair in batches.windows(2) {
        let [(first, end), (next, _)] = pair else { unreachable!("windows of two") };
        assert!(end <= next, "ids {next}..{end} were given twice, after {first}");
    }
}

/// First id and the one after the last of each batch; the nodes are asked in turn.
fn take_from_every_node(cluster: &Cluster, batches: &mut Vec<(i64, i64)>) {
    let clients: Vec<RawClient> = cluster
        .running()
        .into_iter()
        .map(|i| RawClient::connect(cluster.client_address(i)).unwrap())
        .collect();
    for _ in 0..BATCHES_PER_NODE {
        for client in &clients {
            let batch = wait_for("a batch of ids", CALL_TIMEOUT, || {
                let request = new_id_batch::Request { name: "ids".to_owned(), batch_size: BATCH };
                client.call(&request).ok()
            });
            assert!(batch.base > 0 && batch.increment == 1 && batch.batch_size == BATCH);
            batches.push((batch.base, batch.base + i64::from(batch.batch_size)));
        }
    }
}
