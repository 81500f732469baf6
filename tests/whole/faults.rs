//! What goes wrong, drawn from the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use statekeeper::consensus::{Consensus, MembershipChange};
use statekeeper::raft::RaftNode;
use statekeeper_machine::NodeId;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::cluster::{CLUSTER, Cluster, address};
use crate::disk::{End, SyncFault};
use crate::random::Random;
use crate::trace;
use crate::watch::Watch;

/// More members than this are not made.
const MEMBERS_MAX: usize = 5;
/// Fewer are not left.
const MEMBERS_MIN: usize = 3;
/// A change of the membership is given up after this.
const CHANGE_PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts to make a learner a voter.
const PROMOTE_PAUSE: Duration = Duration::from_millis(300);

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Kill,
    PowerCut,
    PowerCutAll,
    PowerCutAtSync,
    SyncFails,
    Partition,
    IsolateOne,
    OneWayCut,
    Reset,
    SlowLinks,
    DiskStall,
    Heal,
    Transfer,
    Grow,
    Shrink,
}

/// Each as often as it stands here.
pub(crate) const FAULTS: [Fault; 22] = [
    Fault::Kill,
    Fault::Kill,
    Fault::PowerCut,
    Fault::PowerCut,
    Fault::PowerCutAll,
    Fault::PowerCutAtSync,
    Fault::PowerCutAtSync,
    Fault::SyncFails,
    Fault::Partition,
    Fault::IsolateOne,
    Fault::IsolateOne,
    Fault::OneWayCut,
    Fault::Reset,
    Fault::SlowLinks,
    Fault::DiskStall,
    Fault::Heal,
    Fault::Heal,
    Fault::Heal,
    Fault::Transfer,
    Fault::Transfer,
    Fault::Grow,
    Fault::Shrink,
];

/// Draws faults and brings them about.
pub(crate) struct Faults {
    random: Random,
    due: Instant,
    pub(crate) counts: BTreeMap<Fault, u64>,
    /// Changes of the membership under way: which node is gone for good when one ends well.
    changes: JoinSet<Option<u64>>,
}

impl Faults {
    pub(crate) fn new(random: Random) -> Self {
        let (counts, changes) = (BTreeMap::new(), JoinSet::new());
        Self { random, due: Instant::now(), counts, changes }
    }

    /// Ends what is under way.
    pub(crate) fn stop(&mut self) {
        self.changes.abort_all();
    }

    /// Brings the next fault about, when it is due.
    pub(crate) async fn step(&mut self, cluster: &mut Cluster) {
        while let Some(change) = self.changes.try_join_next() {
            if let Ok(Some(removed)) = change {
                cluster.remove(removed);
            }
        }
        if Instant::now() < self.due {
            return;
        }
        self.due = Instant::now() + Duration::from_millis(50 + self.random.below(1_500));
        let at = usize::try_from(self.random.below(FAULTS.len() as u64)).unwrap();
        let fault = FAULTS[at];
        trace::add(format!("fault {fault:?}"));
        if self.bring_about(fault, cluster).await {
            *self.counts.entry(fault).or_default() += 1;
        }
    }

    /// False: it found nothing to take hold of.
    async fn bring_about(&mut self, fault: Fault, cluster: &mut Cluster) -> bool {
        let live: Vec<u64> = cluster.live.lock().keys().copied().collect();
        let Some(one) = self.one_of(&live) else { return false };
        let restart = Some(Duration::from_millis(50 + self.random.below(3_000)));
        match fault {
            Fault::Kill => cluster.end(one, End::Killed, restart),
            Fault::PowerCut => cluster.end(one, End::PowerCut, restart),
            Fault::PowerCutAll => {
                for id in live {
                    cluster.end(id, End::PowerCut, restart);
                }
            }
            Fault::PowerCutAtSync => {
                cluster.set_disk_fault(one, SyncFault::CutAfter(self.random.below(12)));
            }
            Fault::SyncFails => {
                cluster.set_disk_fault(one, SyncFault::FailsAfter(self.random.below(12)));
            }
            Fault::Partition => self.partition(cluster),
            Fault::IsolateOne => {
                let one = self.leader(cluster).filter(|_| !self.random.one_in(3)).unwrap_or(one);
                for other in cluster.ids() {
                    cluster.network.cut(one, other);
                    cluster.network.cut(other, one);
                }
            }
            Fault::OneWayCut => {
                let others = cluster.ids();
                if let Some(other) = self.one_of(&others) {
                    cluster.network.cut(one, other);
                }
            }
            Fault::Reset => {
                for other in cluster.ids() {
                    cluster.network.break_between(one, other);
                }
            }
            Fault::SlowLinks => {
                let most_ms = 20 + self.random.below(400);
                for other in cluster.ids() {
                    cluster.network.slow(one, other, Some(most_ms));
                    cluster.network.slow(other, one, Some(most_ms));
                }
            }
            Fault::DiskStall => {
                let most_ms = 50 + self.random.below(2_000);
                cluster.nodes.iter().filter(|node| node.id == one).for_each(|node| {
                    node.speed.set(Some(most_ms));
                });
            }
            Fault::Heal => {
                cluster.network.heal();
                cluster.nodes.iter().for_each(|node| node.speed.set(None));
            }
            Fault::Transfer | Fault::Grow | Fault::Shrink => {
                return self.change_membership(fault, one, cluster).await;
            }
        }
        true
    }

    fn one_of(&mut self, ids: &[u64]) -> Option<u64> {
        if ids.is_empty() {
            return None;
        }
        let at = usize::try_from(self.random.below(ids.len() as u64)).unwrap();
        ids.get(at).copied()
    }

    fn partition(&mut self, cluster: &Cluster) {
        let ids = cluster.ids();
        let here: BTreeSet<u64> = ids.iter().copied().filter(|_| self.random.one_in(2)).collect();
        for one in &ids {
            for other in &ids {
                if here.contains(one) != here.contains(other) {
                    cluster.network.cut(*one, *other);
                }
            }
        }
    }

    /// A node that believes to lead.
    fn leader(&self, cluster: &Cluster) -> Option<u64> {
        let live = cluster.live.lock();
        let leads = |(id, (_, node)): (&u64, &(_, Arc<RaftNode>))| {
            (node.status().borrow().leader == Some(NodeId(*id))).then_some(*id)
        };
        live.iter().find_map(leads)
    }

    async fn change_membership(&mut self, fault: Fault, one: u64, cluster: &mut Cluster) -> bool {
        let members = cluster.ids();
        let Some(asked) = cluster.running(one) else { return false };
        let Some(other) = self.one_of(&members) else { return false };
        match fault {
            Fault::Transfer => {
                self.change(asked, MembershipChange::TransferLeader { to: NodeId(other) }, None);
            }
            Fault::Shrink if members.len() > MEMBERS_MIN && self.changes.is_empty() => {
                let change = MembershipChange::Remove { node: NodeId(other) };
                self.change(asked, change, Some(other));
            }
            Fault::Grow if members.len() < MEMBERS_MAX && self.changes.is_empty() => {
                let new = cluster.add().await;
                let addresses = members.iter().map(|id| address(*id)).collect();
                if let Some(node) = cluster.running(new) {
                    let watch = cluster.watch.clone();
                    self.changes.spawn(join(node, NodeId(new), addresses, watch));
                }
            }
            _ => return false,
        }
        true
    }

    fn change(&mut self, asked: Arc<RaftNode>, change: MembershipChange, removed: Option<u64>) {
        self.changes.spawn(async move {
            let done = timeout(CHANGE_PATIENCE, asked.change_membership(change)).await;
            trace::add(format!("membership {removed:?}: {done:?}"));
            removed.filter(|_| matches!(done, Ok(Ok(()))))
        });
    }
}

/// A new node becomes a learner and then a voter, as far as it gets.
async fn join(
    node: Arc<RaftNode>,
    id: NodeId,
    addresses: Vec<String>,
    watch: Watch,
) -> Option<u64> {
    let joined = timeout(CHANGE_PATIENCE, node.join(CLUSTER, addresses)).await;
    trace::add(format!("node {id} joins: {joined:?}"));
    for _ in 0..10 {
        let promote = node.change_membership(MembershipChange::Promote { node: id });
        let promoted = timeout(CHANGE_PATIENCE, promote).await;
        trace::add(format!("node {id} becomes a voter: {promoted:?}"));
        if matches!(promoted, Ok(Ok(()))) {
            watch.count("joins");
            break;
        }
        sleep(PROMOTE_PAUSE).await;
    }
    None
}
