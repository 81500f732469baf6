//! Locks that are waited for, over whatever happens meanwhile.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use statekeeper::consensus::{Consensus, Consistency};
use statekeeper::raft::RaftNode;
use statekeeper_machine::{
    Answer, Caller, ClientUuid, Command, CpCommand, Fence, InvocationUid, LockEndpoint, MapChange,
    Name, Outcome, Query, Rejection, SessionId, SubmitError, ThreadId,
};

use super::trial::{TrialCluster, blob, eventually, put, settings, within};

const LIMIT: Duration = Duration::from_secs(25);

/// A client of the lock `lock` in the default group.
pub(crate) struct Locker {
    node: Arc<RaftNode>,
    endpoint: LockEndpoint,
}

impl Locker {
    /// With a session of its own.
    pub(crate) async fn new(node: &Arc<RaftNode>, client: u128) -> Self {
        let command = CpCommand::CreateSession {
            group: Name::from("default"),
            endpoint_name: Name::from("client"),
            client: ClientUuid(client),
        };
        let session = match node.submit(Command::Cp(command)).await {
            Ok(Outcome::Session { session, .. }) => session,
            other => panic!("no session: {other:?}"),
        };
        let endpoint = LockEndpoint { session, thread: ThreadId(1) };
        Self { node: node.clone(), endpoint }
    }

    pub(crate) fn session(&self) -> SessionId {
        self.endpoint.session
    }

    /// Locks, or waits without end.
    pub(crate) fn lock_later(
        &self,
        uid: u128,
    ) -> impl Future<Output = Result<Outcome, SubmitError>> + Send + use<> {
        self.node.submit(Command::Cp(CpCommand::Lock {
            group: Name::from("default"),
            name: Name::from("lock"),
            endpoint: self.endpoint,
            uid: InvocationUid(uid),
            timeout_ms: None,
        }))
    }

    pub(crate) async fn lock(&self, uid: u128) -> Option<Fence> {
        match self.lock_later(uid).await {
            Ok(Outcome::Fence(fence)) => Some(fence),
            _ => None,
        }
    }

    /// True when it did not fail.
    pub(crate) async fn unlock(&self, uid: u128) -> bool {
        let command = CpCommand::Unlock {
            group: Name::from("default"),
            name: Name::from("lock"),
            endpoint: self.endpoint,
            uid: InvocationUid(uid),
        };
        self.node.submit(Command::Cp(command)).await.is_ok()
    }
}

/// Waits until somebody waits for a fenced lock, as this node knows.
pub(crate) async fn is_waiting(node: &RaftNode) {
    for _ in 0..1000 {
        if let Ok(Answer::Locks(locks)) = node.read(Query::Locks, Consistency::Local).await
            && locks.iter().any(|lock| !lock.waiters.is_empty())
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody waits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_on_a_follower_ends_when_the_lock_is_given_on() {
    within(LIMIT, "a wait", async {
        let cluster = TrialCluster::founded(3, settings()).await;
        let (leader, follower) = (cluster.leader().await, cluster.follower().await);
        let holder = Locker::new(cluster.nodes[leader].node(), 1).await;
        let waiter = Locker::new(cluster.nodes[follower].node(), 2).await;
        let fence = holder.lock(1).await.unwrap();
        let waiting = tokio::spawn(waiter.lock_later(2));
        is_waiting(cluster.nodes[follower].node()).await;
        assert!(holder.unlock(3).await);
        let answer = waiting.await.unwrap();
        assert!(matches!(answer, Ok(Outcome::Fence(next)) if next > fence), "{answer:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_outlives_the_leader_and_its_own_deadline() {
    within(LIMIT, "a wait over a fail-over", async {
        let mut short = settings();
        short.operation_timeout = Duration::from_millis(2500);
        let mut cluster = TrialCluster::founded(3, short).await;
        let (leader, follower) = (cluster.leader().await, cluster.follower().await);
        let node = cluster.nodes[follower].node().clone();
        let holder = Locker::new(&node, 1).await;
        let waiter = Locker::new(&node, 2).await;
        holder.lock(1).await.unwrap();
        let waiting = tokio::spawn(waiter.lock_later(2));
        is_waiting(&node).await;
        cluster.nodes[leader].kill().await;
        cluster.leader().await;
        // A wait has no deadline while somebody leads.
        tokio::time::sleep(Duration::from_millis(2600)).await;
        assert!(!waiting.is_finished());
        assert!(holder.unlock(3).await);
        assert!(matches!(waiting.await.unwrap(), Ok(Outcome::Fence(_))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_is_given_up_when_nobody_leads_for_an_operation_timeout() {
    within(LIMIT, "a wait without a leader", async {
        let mut short = settings();
        short.operation_timeout = Duration::from_millis(2500);
        for on_leader in [false, true] {
            let mut cluster = TrialCluster::founded(3, short.clone()).await;
            let (leader, follower) = (cluster.leader().await, cluster.follower().await);
            let left = if on_leader { leader } else { follower };
            let node = cluster.nodes[left].node().clone();
            let holder = Locker::new(&node, 1).await;
            let waiter = Locker::new(&node, 2).await;
            holder.lock(1).await.unwrap();
            let waiting = tokio::spawn(waiter.lock_later(2));
            is_waiting(&node).await;
            for at in (0..3).filter(|at| *at != left) {
                cluster.nodes[at].kill().await;
            }
            assert_eq!(waiting.await.unwrap(), Err(SubmitError::Unknown));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_to_a_locked_key_waits_and_is_done_when_the_key_is_free() {
    within(LIMIT, "a write that waits", async {
        let cluster = TrialCluster::founded(3, settings()).await;
        let node = cluster.nodes[cluster.follower().await].node().clone();
        let owner = Caller { client: ClientUuid(7), thread: ThreadId(1) };
        let lock = |change| Command::Map { map: Name::from("m"), caller: owner, change };
        let (key, reference) = (blob("k"), 1);
        let locked = node.submit(lock(MapChange::Lock {
            key: key.clone(),
            lease_ms: None,
            timeout_ms: Some(0),
            reference,
        }));
        assert_eq!(locked.await, Ok(Outcome::Flag(true)));
        let write = tokio::spawn(node.submit(put("m", "k", "v")));
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!write.is_finished());
        let unlock = MapChange::Unlock { key, reference: 2 };
        node.submit(lock(unlock)).await.unwrap();
        assert_eq!(write.await.unwrap(), Ok(Outcome::Done));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timed_wait_ends_by_the_leader_alone() {
    within(LIMIT, "a timed wait", async {
        let cluster = TrialCluster::founded(3, settings()).await;
        let node = cluster.nodes[cluster.follower().await].node().clone();
        let holder = Locker::new(&node, 1).await;
        let waiter = Locker::new(&node, 2).await;
        holder.lock(1).await.unwrap();
        let begun = std::time::Instant::now();
        let answer = node
            .submit(Command::Cp(CpCommand::Lock {
                group: Name::from("default"),
                name: Name::from("lock"),
                endpoint: LockEndpoint { session: waiter.session(), thread: ThreadId(5) },
                uid: InvocationUid(9),
                timeout_ms: Some(500),
            }))
            .await;
        assert_eq!(answer, Ok(Outcome::Fence(Fence(0))));
        let took = begun.elapsed();
        assert!(
            took >= Duration::from_millis(450) && took < Duration::from_millis(1200),
            "{took:?}"
        );
        // A refusal that all agree on comes back as one.
        let close = CpCommand::CloseSession { group: "default".into(), session: waiter.session() };
        node.submit(Command::Cp(close)).await.unwrap();
        assert!(matches!(
            waiter.lock_later(10).await,
            Err(SubmitError::Rejected(Rejection::SessionUnknown { .. }))
        ));
        eventually("it is settled", || !node.status().borrow().isolated).await;
    })
    .await;
}
