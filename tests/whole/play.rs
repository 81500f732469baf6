//! One play: a cluster, its clients, faults, then healing, and a full read at every node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use statekeeper::consensus::Consensus;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::clients::{Client, Oracle};
use crate::cluster::Cluster;
use crate::faults::{FAULTS, Fault, Faults};
use crate::random::Random;
use crate::{panics, surroundings, trace};

/// Time with faults.
const TROUBLE: Duration = Duration::from_secs(15);
/// A healed cluster serves within this: elections, the longest pauses, a snapshot.
const RECOVERY: Duration = Duration::from_secs(30);
/// The invariants are asked this often, beside every change of a log.
const STEP: Duration = Duration::from_millis(5);
const CLIENTS: u64 = 4;

/// What a play was.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) fingerprint: u64,
    pub(crate) lines: u64,
    pub(crate) counts: BTreeMap<String, u64>,
}

/// Plays a seed, on this thread and no other.
pub(crate) fn play(seed: u64) -> Report {
    surroundings::take_in(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let counts = runtime.block_on(Box::pin(async {
        surroundings::follow_the_runtime();
        trace::begin();
        run(Random::new(seed)).await
    }));
    let (fingerprint, lines) = trace::end();
    surroundings::let_go();
    drop(runtime);
    Report { fingerprint, lines, counts }
}

async fn run(mut random: Random) -> BTreeMap<String, u64> {
    let founders = if random.one_in(3) { 5 } else { 3 };
    let mut cluster = Cluster::found(founders, Random::new(random.next())).await;
    let oracle = Oracle::default();
    let mut clients = JoinSet::new();
    for number in 1..=CLIENTS {
        let (random, live) = (Random::new(random.next()), cluster.live.clone());
        clients.spawn(Client { number, random, live, oracle: oracle.clone() }.run());
    }
    let mut faults = Faults::new(Random::new(random.next()));
    let until = Instant::now() + TROUBLE;
    while Instant::now() < until {
        faults.step(&mut cluster).await;
        step(&mut cluster).await;
    }
    trace::add("healed".to_owned());
    faults.stop();
    cluster.heal().await;
    recover(&mut cluster).await;
    oracle.stop();
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    read_everywhere(&mut cluster, &oracle).await;
    counts(&cluster, &oracle, &faults)
}

async fn step(cluster: &mut Cluster) {
    sleep(STEP).await;
    panics::check();
    cluster.step().await;
}

/// Waits until every member follows one leader and serves.
async fn recover(cluster: &mut Cluster) {
    let until = Instant::now() + RECOVERY;
    while !cluster.serves() {
        assert!(Instant::now() < until, "Progress: a healed cluster does not serve");
        step(cluster).await;
    }
}

/// Reads every register through every member, until all have applied the same.
async fn read_everywhere(cluster: &mut Cluster, oracle: &Oracle) {
    for node in cluster.members() {
        oracle.read_all(&node).await;
        step(cluster).await;
    }
    let until = Instant::now() + RECOVERY;
    loop {
        let applied = |node: &std::sync::Arc<statekeeper::raft::RaftNode>| {
            (node.applied_index(), node.state_digest())
        };
        let members = cluster.members();
        let states: Vec<_> = members.iter().map(applied).collect();
        if states.windows(2).all(|pair| pair[0] == pair[1]) {
            let view = members[0].status().borrow().clone();
            trace::add(format!("the end: {:?}, {} members", states[0], view.peers.len()));
            return;
        }
        assert!(Instant::now() < until, "Progress: the members differ: {states:?}");
        step(cluster).await;
    }
}

fn counts(cluster: &Cluster, oracle: &Oracle, faults: &Faults) -> BTreeMap<String, u64> {
    let (answers, unknown) = oracle.counts();
    let name = |(fault, count): (&Fault, &u64)| (format!("{fault:?}"), *count);
    let mut counts: BTreeMap<_, _> = faults.counts.iter().map(name).collect();
    counts.insert("answers".to_owned(), answers);
    counts.insert("unknown".to_owned(), unknown);
    counts.insert("entries".to_owned(), cluster.watch.committed_index());
    counts.extend(cluster.watch.counts());
    counts
}

/// What a run of many seeds must have counted, or it has tested less than it says.
pub(crate) fn must_happen() -> BTreeSet<String> {
    let faults = FAULTS.iter().map(|fault| format!("{fault:?}"));
    let others = [
        "answers",
        "unknown",
        "entries",
        "truncations",
        "purges",
        "votes",
        "snapshots",
        "cuts-at-sync",
        "failed-syncs",
        "joins",
        "removals",
    ];
    faults.chain(others.map(str::to_owned)).collect()
}
