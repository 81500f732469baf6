//! Fenced locks: order, timed tries and the end of sessions, through the death of a leader.

use crate::support::cluster::{Cluster, Plan};
use crate::support::raw::{CallError, Locker, Pending, RawClient, RawLock, new_uid};
use crate::support::wait_for;
use statekeeper_protocol::ProtocolUuid;
use statekeeper_protocol::messages::fenced_lock::lock;
use std::time::{Duration, Instant};

const GRANT_TIMEOUT: Duration = Duration::from_secs(15);
/// Long enough for a request to reach the queue of waiters before the next one is sent.
const QUEUED: Duration = Duration::from_millis(300);
/// Sessions of the tests that wait for their end.
const TIME_TO_LIVE: Duration = Duration::from_secs(6);
const HEARTBEAT: Duration = Duration::from_secs(2);
/// An election, and one heartbeat interval that a new leader adds to every session.
const LEADERLESS_MAX: Duration = Duration::from_secs(5);
/// From a deadline to the answer of the waiter, on busy cores.
const LATE_MAX: Duration = Duration::from_secs(2);

fn short_sessions() -> Plan {
    Plan::of(3).with("cp.session-time-to-live", "6s").with("cp.session-heartbeat-interval", "2s")
}

/// A call that is answered in the end: whoever is not the leader may say 46 meanwhile.
fn until_applied<T>(mut call: impl FnMut() -> Result<T, CallError>) -> T {
    wait_for("an answer after the kill", GRANT_TIMEOUT, || match call() {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(error.is_not_applied(), "{error:?}");
            None
        }
    })
}

/// Somebody in the queue: asks again, under the same identity, when its connection is lost.
struct Waiter<'a> {
    lock: RawLock<'a>,
    uid: ProtocolUuid,
    client: RawClient,
    pending: Pending<lock::Response>,
}

impl<'a> Waiter<'a> {
    fn queue(lock: RawLock<'a>, client: RawClient) -> Waiter<'a> {
        let uid = new_uid();
        let pending = lock.lock(&client, uid).unwrap();
        pending.keeps_waiting(QUEUED);
        Waiter { lock, uid, client, pending }
    }

    fn ask_again_through(&mut self, client: RawClient) {
        self.pending = self.lock.lock(&client, self.uid).unwrap();
        self.client = client;
    }

    /// Waits for the grant; repeats what was answered as not applied.
    fn granted(self) -> (i64, RawLock<'a>, RawClient) {
        let Waiter { lock, uid, client, pending } = self;
        let mut pending = Some(pending);
        let fence = until_applied(|| {
            let asked = match pending.take() {
                Some(pending) => pending,
                None => lock.lock(&client, uid)?,
            };
            asked.wait(GRANT_TIMEOUT).map(|answer| answer.response)
        });
        (fence, lock, client)
    }
}

fn connect(cluster: &Cluster, i: usize) -> RawClient {
    RawClient::connect(cluster.client_address(i)).unwrap()
}

#[test]
fn waiters_get_the_lock_in_order_across_the_death_of_the_leader() {
    let mut cluster = Plan::of(3).start();
    let leader = cluster.leader();
    let [one, two] = [(leader + 1) % 3, (leader + 2) % 3];
    let holder_client = connect(&cluster, one);
    let sessions: Vec<Locker> = (0..4).map(|_| Locker::open(&holder_client, "ordered")).collect();
    let holder = sessions[0].lock("ordered", 1);
    let first_fence = holder.try_lock(&holder_client, Duration::ZERO).unwrap();
    assert!(first_fence > 0);
    // The second one asks through the leader, and must keep its place when that dies.
    let mut queue: Vec<Waiter<'_>> = [(1, two), (2, leader), (3, one)]
        .into_iter()
        .map(|(i, node)| Waiter::queue(sessions[i].lock("ordered", 1), connect(&cluster, node)))
        .collect();
    cluster.kill(leader);
    queue[1].ask_again_through(connect(&cluster, one));
    assert_eq!(until_applied(|| holder.ownership(&holder_client)).0, first_fence);
    for waiter in &queue {
        // None was let in while the holder lives.
        if let Err(error) = waiter.pending_result() {
            assert!(error.is_not_applied(), "{error:?}");
        }
    }
    until_applied(|| holder.unlock(&holder_client));
    let mut last = first_fence;
    for (place, waiter) in queue.into_iter().enumerate() {
        let (fence, lock, client) = waiter.granted();
        assert!(fence > last, "waiter {place}: fence {fence} after {last}");
        let (held, _) = until_applied(|| lock.ownership(&client));
        assert_eq!(held, fence, "waiter {place} holds it alone");
        last = fence;
        until_applied(|| lock.unlock(&client));
    }
}

impl Waiter<'_> {
    /// An early answer, which can only be "not applied"; none yet is as it should be.
    fn pending_result(&self) -> Result<(), CallError> {
        match self.pending.peek() {
            None => Ok(()),
            Some(Ok(answer)) => panic!("granted while it was held: {answer:?}"),
            Some(Err(error)) => Err(error),
        }
    }
}

#[test]
fn a_timed_try_waits_its_time_and_no_more() {
    let mut cluster = Plan::of(3).start();
    let leader = cluster.leader();
    let client = connect(&cluster, (leader + 1) % 3);
    let [holder, other] = [Locker::open(&client, "tried"), Locker::open(&client, "tried")];
    assert!(holder.lock("tried", 1).try_lock(&client, Duration::ZERO).unwrap() > 0);
    assert_eq!(other.lock("tried", 1).try_lock(&client, Duration::ZERO), Ok(0));
    let begin = Instant::now();
    let wait = Duration::from_secs(1);
    assert_eq!(other.lock("tried", 1).try_lock(&client, wait), Ok(0));
    let waited = begin.elapsed();
    assert!(waited >= wait && waited < wait + LATE_MAX, "{waited:?}");

    let begin = Instant::now();
    let wait = Duration::from_secs(4);
    let tried = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| other.lock("tried", 1).try_lock(&client, wait));
        cluster.kill(leader);
        waiting.join().unwrap()
    });
    let waited = begin.elapsed();
    assert_eq!(tried, Ok(0), "a try that began before the kill");
    assert!(waited >= wait && waited < wait + LEADERLESS_MAX, "{waited:?}");
}

#[test]
fn the_lock_of_a_silent_session_comes_free_at_its_end_and_not_before() {
    let cluster = short_sessions().start();
    let client = connect(&cluster, cluster.follower());
    let (granted, last_sign) = wait_for_the_end(&client, "silent", || {});
    let waited = granted - last_sign;
    assert!(waited >= TIME_TO_LIVE, "free after {waited:?}: too early");
    assert!(waited < TIME_TO_LIVE + LATE_MAX, "free after {waited:?}: too late");
}

#[test]
fn a_leaders_death_delays_the_end_of_a_session_by_the_time_without_a_leader_only() {
    let mut cluster = short_sessions().start();
    let leader = cluster.leader();
    let client = connect(&cluster, (leader + 1) % 3);
    let (granted, last_sign) = wait_for_the_end(&client, "orphaned", || cluster.kill(leader));
    let waited = granted - last_sign;
    assert!(waited >= TIME_TO_LIVE, "free after {waited:?}: too early");
    let late = TIME_TO_LIVE + HEARTBEAT + LEADERLESS_MAX;
    assert!(waited < late, "free after {waited:?}: too late");
}

#[test]
fn heartbeats_keep_a_session_and_closing_it_frees_its_locks_at_once() {
    let cluster = short_sessions().start();
    let client = connect(&cluster, cluster.follower());
    let holder = Locker::open(&client, "kept");
    assert_eq!(holder.time_to_live, TIME_TO_LIVE);
    assert!(holder.lock("kept", 1).try_lock(&client, Duration::ZERO).unwrap() > 0);
    let waiter = Locker::open(&client, "kept");
    let pending = waiter.lock("kept", 1).lock(&client, new_uid()).unwrap();
    for _ in 0..4 {
        pending.keeps_waiting(HEARTBEAT);
        holder.heartbeat(&client).unwrap();
        waiter.heartbeat(&client).unwrap();
    }
    let begin = Instant::now();
    assert!(holder.close(&client).unwrap());
    assert!(pending.wait(GRANT_TIMEOUT).unwrap().response > 0);
    assert!(begin.elapsed() < LATE_MAX, "free after {:?}", begin.elapsed());
    let unknown = holder.heartbeat(&client).unwrap_err();
    assert_eq!(unknown.code(), Some(85), "{unknown:?}");
}

/// A holder falls silent while another waits; when the lock came, and the holder's last sign.
fn wait_for_the_end(
    client: &RawClient,
    name: &str,
    meanwhile: impl FnOnce(),
) -> (Instant, Instant) {
    let holder = Locker::open(client, name);
    let waiter = Locker::open(client, name);
    assert!(holder.lock(name, 1).try_lock(client, Duration::ZERO).unwrap() > 0);
    let last_sign = Instant::now();
    holder.heartbeat(client).unwrap();
    let uid = new_uid();
    let mut pending = Some(waiter.lock(name, 1).lock(client, uid).unwrap());
    meanwhile();
    let deadline = last_sign + TIME_TO_LIVE * 4;
    loop {
        assert!(Instant::now() < deadline, "the lock never came free");
        let asked = match pending.take() {
            Some(pending) => Ok(pending),
            None => waiter.lock(name, 1).lock(client, uid),
        };
        let asked = asked.unwrap();
        // The waiter's own session lives as long as it waits.
        match asked.keep_alive(HEARTBEAT, || drop(waiter.heartbeat(client))) {
            Ok(answer) => {
                assert!(answer.response > 0);
                return (Instant::now(), last_sign);
            }
            Err(error) => assert!(error.is_not_applied(), "{error:?}"),
        }
    }
}
