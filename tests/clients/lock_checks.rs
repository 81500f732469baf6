//! Fenced locks: fences, reentrancy, waiting, order, and what a crashed holder leaves.

use crate::support::cluster::Cluster;
use crate::support::driver::{Answer, Driver, Pending};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Settings under which a crashed client's locks come free while a test can wait for it.
pub(crate) const SHORT_SESSIONS: [(&str, &str); 2] =
    [("cp.session-time-to-live", "6s"), ("cp.session-heartbeat-interval", "2s")];
const GRANT_TIMEOUT: Duration = Duration::from_secs(10);
/// Long enough for a request to reach the queue of waiters before the next one is sent.
const QUEUED: Duration = Duration::from_millis(300);

/// A lock as one thread of one client sees it.
#[derive(Clone, Copy)]
pub(crate) struct LockOf<'a> {
    driver: &'a Driver,
    client: &'a str,
    thread: &'a str,
    name: &'a str,
}

impl<'a> LockOf<'a> {
    pub(crate) fn new(driver: &'a Driver, name: &'a str) -> LockOf<'a> {
        LockOf { driver, client: "default", thread: "main", name }
    }

    pub(crate) fn by(self, client: &'a str, thread: &'a str) -> LockOf<'a> {
        LockOf { client, thread, ..self }
    }

    fn command(&self, call: &str, mut fields: Value) -> Value {
        fields["op"] = json!(format!("lock.{call}"));
        fields["client"] = json!(self.client);
        fields["thread"] = json!(self.thread);
        fields["name"] = json!(self.name);
        fields
    }

    fn call(&self, call: &str) -> Answer {
        self.driver.call(self.command(call, json!({})))
    }

    fn ok(&self, call: &str) -> Value {
        self.driver.ok(self.command(call, json!({})))
    }

    pub(crate) fn lock(&self) -> u64 {
        fence(&self.ok("lock"))
    }

    pub(crate) fn begin_lock(&self) -> Pending {
        self.driver.call_async(self.command("lock", json!({})))
    }

    pub(crate) fn try_lock(&self, timeout_ms: u64) -> u64 {
        fence(&self.driver.ok(self.command("try_lock", json!({"timeout_ms": timeout_ms}))))
    }

    pub(crate) fn unlock(&self) {
        self.ok("unlock");
    }

    fn is_locked(&self) -> bool {
        self.ok("is_locked") == true
    }
}

/// Each holder gets a greater fence than the one before.
// checks: R-14
// covers: CPGroup.createCPGroup CPSession.createSession FencedLock.lock FencedLock.unlock
// covers: FencedLock.getLockOwnership
pub(crate) fn fences_grow(driver: &Driver, name: &str) {
    let lock = LockOf::new(driver, name);
    let mut last = 0;
    for (client, thread) in [("default", "one"), ("second", "two"), ("default", "one")] {
        let holder = lock.by(client, thread);
        let fence = holder.lock();
        assert!(fence > last, "{fence} after {last}");
        assert!(holder.is_locked());
        last = fence;
        holder.unlock();
    }
    assert!(!lock.is_locked());
    let grouped = format!("{name}@a-group");
    let grouped = LockOf::new(driver, &grouped);
    assert!(grouped.lock() > 0);
    assert!(!lock.is_locked(), "a lock of the same name in another group");
    grouped.unlock();
}

/// A thread may take its lock again, under the same fence.
pub(crate) fn reentrancy(driver: &Driver, name: &str) {
    let lock = LockOf::new(driver, name).by("default", "holder");
    let other = lock.by("default", "other");
    let fence = lock.lock();
    assert_eq!(lock.try_lock(0), fence);
    assert_eq!(lock.ok("count"), 2);
    if driver.kind.is_java() {
        assert_eq!(lock.ok("fence"), fence);
    }
    assert_eq!(lock.ok("is_mine"), true);
    assert_eq!(other.ok("is_mine"), false);
    let refused = other.call("unlock").expect_err("only the holder may unlock");
    assert!(refused.text().contains("IllegalMonitorState"), "{}", refused.text());
    lock.unlock();
    assert_eq!(lock.ok("count"), 1);
    assert!(lock.is_locked());
    lock.unlock();
    assert!(!lock.is_locked());
}

/// A timed try waits its time, no more, and takes what comes free meanwhile.
// covers: FencedLock.tryLock
pub(crate) fn timed_tries(driver: &Driver, name: &str) {
    let holder = LockOf::new(driver, name).by("default", "holder");
    let other = holder.by("second", "other");
    let first = holder.lock();
    assert_eq!(other.try_lock(0), 0);
    let begin = Instant::now();
    assert_eq!(other.try_lock(1000), 0);
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_millis(900), "{waited:?}");
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    let begun = driver.call_async(other.command("try_lock", json!({"timeout_ms": 20_000})));
    begun.keeps_waiting(QUEUED);
    holder.unlock();
    let second = fence(&begun.wait(GRANT_TIMEOUT).unwrap());
    assert!(second > first, "{second} after {first}");
    other.unlock();
}

/// Waiters are served in the order of their requests.
pub(crate) fn waiting_in_order(driver: &Driver, name: &str) {
    let holder = LockOf::new(driver, name).by("default", "holder");
    let mut last = holder.lock();
    let waiters = [("second", "first"), ("default", "next"), ("second", "last")];
    let mut waiting: Vec<(LockOf<'_>, Pending)> = Vec::new();
    for (client, thread) in waiters {
        let waiter = holder.by(client, thread);
        let begun = waiter.begin_lock();
        begun.keeps_waiting(QUEUED);
        waiting.push((waiter, begun));
    }
    holder.unlock();
    let mut queue = waiting.into_iter().peekable();
    while let Some((waiter, begun)) = queue.next() {
        let granted = fence(&begun.wait(GRANT_TIMEOUT).unwrap());
        assert!(granted > last, "{granted} after {last}");
        last = granted;
        if let Some((_, next)) = queue.peek() {
            next.keeps_waiting(QUEUED);
        }
        waiter.unlock();
    }
}

/// A destroyed lock stays destroyed.
// covers: CPGroup.destroyCPObject
pub(crate) fn destroyed_locks(driver: &Driver, name: &str) {
    let lock = LockOf::new(driver, name);
    lock.lock();
    lock.unlock();
    lock.ok("destroy");
    let refused = lock.call("lock").expect_err("a destroyed lock cannot be taken");
    assert!(refused.text().contains("estroyed"), "{}", refused.text());
}

/// The lock of a crashed client comes free when its session ends: not at once, not much later.
// checks: R-15
// covers: CPSession.heartbeatSession
pub(crate) fn crashed_holder(driver: &Driver, cluster: &Cluster, name: &str) {
    let mut crashing = Driver::start(driver.kind, cluster.options());
    let first = LockOf::new(&crashing, name).lock();
    let waiter = LockOf::new(driver, name).by("default", "crash-waiter");
    let begun = waiter.begin_lock();
    begun.keeps_waiting(QUEUED);
    let begin = Instant::now();
    crashing.kill();
    let granted = fence(&begun.wait(Duration::from_secs(25)).unwrap());
    let waited = begin.elapsed();
    assert!(granted > first, "{granted} after {first}");
    // The last heartbeat was up to one interval (2 s) before the crash, of a life time of 6 s.
    assert!(waited > Duration::from_secs(3), "free after {waited:?}: too early");
    assert!(waited < Duration::from_secs(12), "free after {waited:?}: too late");
    waiter.unlock();
}

/// Node answers 64-bit numbers as text where they do not fit.
fn fence(answer: &Value) -> u64 {
    let text = answer.as_str().map_or_else(|| answer.to_string(), ToString::to_string);
    text.parse().unwrap_or_else(|_| panic!("not a fence: {answer}"))
}
