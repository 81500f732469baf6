//! `FencedLock`: who holds one lock, who waits, and which answers were given.
//!
//! Invariants: nobody waits for a free lock; an endpoint waits at most once; the fence of every new
//! hold is drawn from a counter of the machine, so it is above all earlier ones of any lock,
//! whatever became of the lock in between. A call repeated under its invocation uid gets the answer
//! of its first.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::accounting::{MEMO_BYTES, ROW_BYTES};
use crate::command::LockEndpoint;
use crate::event::WaitKey;
use crate::ids::{ClusterTime, Fence, InvocationUid, Name, SessionId, ThreadId};
use crate::limits;
use crate::outcome::{LockView, Outcome, Ownership, Rejection, Reply};
use crate::view::WaitState;

/// What a free lock shows.
pub(crate) const FREE: Ownership = Ownership {
    fence: Fence(0),
    count: 0,
    endpoint: LockEndpoint { session: SessionId(-1), thread: ThreadId(-1) },
};

/// A call that may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LockCaller {
    pub(crate) endpoint: LockEndpoint,
    pub(crate) uid: InvocationUid,
}

/// Which answer is remembered: a uid is drawn for each call, but a client that draws one twice
/// shall not get a fence for an unlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Call {
    Lock,
    Unlock,
}

type MemoKey = (LockEndpoint, InvocationUid, Call);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Hold {
    endpoint: LockEndpoint,
    fence: Fence,
    count: u32,
    since: ClusterTime,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Wait {
    caller: LockCaller,
    until: Option<ClusterTime>,
}

/// One fenced lock.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct FencedLock {
    hold: Option<Hold>,
    waits: VecDeque<Wait>,
    memos: BTreeMap<MemoKey, (u64, Reply)>,
    memo_order: BTreeMap<u64, MemoKey>,
    next_memo: u64,
}

/// A wait that ended, with its answer.
pub(crate) struct Ended {
    pub(crate) caller: LockCaller,
    pub(crate) until: Option<ClusterTime>,
    pub(crate) reply: Reply,
}

/// What a change of a lock draws on and leaves behind.
pub(crate) struct LockStep<'a> {
    now: ClusterTime,
    last_fence: &'a mut Fence,
    /// Waits that ended, in order.
    pub(crate) ended: Vec<Ended>,
    /// A wait that began and has an end.
    pub(crate) began: Option<(ClusterTime, LockCaller)>,
}

impl<'a> LockStep<'a> {
    pub(crate) fn new(now: ClusterTime, last_fence: &'a mut Fence) -> Self {
        Self { now, last_fence, ended: Vec::new(), began: None }
    }

    fn next_fence(&mut self) -> Fence {
        self.last_fence.0 += 1;
        *self.last_fence
    }

    fn end(&mut self, wait: Wait, reply: Reply) {
        self.ended.push(Ended { caller: wait.caller, until: wait.until, reply });
    }
}

impl FencedLock {
    // req: R-14
    /// `lock` and `tryLock`.
    pub(crate) fn lock(
        &mut self,
        cx: &mut LockStep<'_>,
        caller: LockCaller,
        timeout_ms: Option<u64>,
    ) -> Reply {
        if let Some(reply) = self.memo(caller, Call::Lock) {
            return reply;
        }
        if self.waits.iter().any(|wait| wait.caller == caller) {
            return Ok(Outcome::Waiting);
        }
        let fence = match &mut self.hold {
            None => self.take(cx, caller.endpoint),
            Some(hold) if hold.endpoint == caller.endpoint => {
                hold.count = hold.count.saturating_add(1);
                hold.fence
            }
            Some(_) => {
                self.cancel(cx, caller.endpoint, &Rejection::WaitCancelled);
                if timeout_ms == Some(0) {
                    Fence(0)
                } else if self.waits.len() >= limits::WAITS_PER_LOCK_MAX {
                    return Err(limits::reached("waits-per-lock-max", limits::WAITS_PER_LOCK_MAX));
                } else {
                    let until = timeout_ms.map(|ms| cx.now.plus_ms(ms));
                    cx.began = until.map(|at| (at, caller));
                    self.waits.push_back(Wait { caller, until });
                    return Ok(Outcome::Waiting);
                }
            }
        };
        self.remember(caller, Call::Lock, Ok(Outcome::Fence(fence)))
    }

    /// `unlock`: true while the caller still holds it.
    pub(crate) fn unlock(&mut self, cx: &mut LockStep<'_>, caller: LockCaller) -> Reply {
        if let Some(reply) = self.memo(caller, Call::Unlock) {
            return reply;
        }
        let Some(hold) = self.hold.as_mut().filter(|hold| hold.endpoint == caller.endpoint) else {
            self.cancel(cx, caller.endpoint, &Rejection::WaitCancelled);
            return Err(Rejection::NotLockOwner);
        };
        hold.count -= 1;
        let held = hold.count > 0;
        if !held {
            self.forget(caller.endpoint);
            self.hand_over(cx);
        }
        self.remember(caller, Call::Unlock, Ok(Outcome::Flag(held)))
    }

    /// The operator's release of one certain hold.
    pub(crate) fn force_release(&mut self, cx: &mut LockStep<'_>, fence: Fence) -> bool {
        let Some(hold) = self.hold.as_ref().filter(|hold| hold.fence == fence) else {
            return false;
        };
        let endpoint = hold.endpoint;
        self.forget(endpoint);
        self.hand_over(cx);
        true
    }

    /// Whether the end of this session would change anything here.
    pub(crate) fn concerns(&self, session: SessionId) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.endpoint.session == session)
            || self.memos_of(session).next().is_some()
            || self.waits.iter().any(|wait| wait.caller.endpoint.session == session)
    }

    /// Ends everything of a session: its waits, its hold, its memos.
    pub(crate) fn end_session(&mut self, cx: &mut LockStep<'_>, session: SessionId) {
        let waits = std::mem::take(&mut self.waits);
        for wait in waits {
            if wait.caller.endpoint.session == session {
                cx.end(wait, Err(Rejection::SessionUnknown { session }));
            } else {
                self.waits.push_back(wait);
            }
        }
        let memos: Vec<MemoKey> = self.memos_of(session).copied().collect();
        self.drop_memos(memos);
        if self.hold.as_ref().is_some_and(|hold| hold.endpoint.session == session) {
            self.hand_over(cx);
        }
    }

    /// Ends a wait whose time is over: not acquired.
    pub(crate) fn time_out(&mut self, cx: &mut LockStep<'_>, caller: LockCaller) {
        let Some(index) = self.waits.iter().position(|wait| wait.caller == caller) else { return };
        if let Some(wait) = self.waits.remove(index) {
            let reply = self.remember(caller, Call::Lock, Ok(Outcome::Fence(Fence(0))));
            cx.end(wait, reply);
        }
    }

    /// Ends all waits, for a lock that is destroyed.
    pub(crate) fn destroy(mut self, cx: &mut LockStep<'_>, name: &Name) {
        for wait in self.waits.drain(..) {
            cx.end(wait, Err(Rejection::ObjectDestroyed { name: name.clone() }));
        }
    }

    pub(crate) fn ownership(&self) -> Ownership {
        self.hold.as_ref().map_or(FREE, |hold| Ownership {
            fence: hold.fence,
            count: hold.count,
            endpoint: hold.endpoint,
        })
    }

    pub(crate) fn view(&self, group: &Name, name: &Name) -> LockView {
        LockView {
            group: group.clone(),
            name: name.clone(),
            ownership: self.ownership(),
            held_since: self.hold.as_ref().map(|hold| hold.since),
            waiters: self.waits.iter().map(|wait| (wait.caller.endpoint, wait.until)).collect(),
        }
    }

    /// Whether nothing would be lost with this lock.
    pub(crate) fn is_idle(&self) -> bool {
        self.hold.is_none() && self.waits.is_empty() && self.memos.is_empty()
    }

    pub(crate) fn wait_state(&self, caller: LockCaller) -> WaitState {
        if let Some(reply) = self.memo(caller, Call::Lock) {
            return WaitState::Ended(reply);
        }
        if self.waits.iter().any(|wait| wait.caller == caller) {
            return WaitState::Waiting;
        }
        WaitState::Unknown
    }

    /// Waits with an end, to list their deadlines again after a restore.
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = (ClusterTime, LockCaller)> {
        self.waits.iter().filter_map(|wait| Some((wait.until?, wait.caller)))
    }

    pub(crate) fn bytes(&self) -> u64 {
        ROW_BYTES * (1 + self.waits.len() as u64) + MEMO_BYTES * self.memos.len() as u64
    }

    fn take(&mut self, cx: &mut LockStep<'_>, endpoint: LockEndpoint) -> Fence {
        let fence = cx.next_fence();
        self.hold = Some(Hold { endpoint, fence, count: 1, since: cx.now });
        fence
    }

    /// Frees the lock and gives it to whoever waits longest.
    fn hand_over(&mut self, cx: &mut LockStep<'_>) {
        self.hold = None;
        if let Some(next) = self.waits.pop_front() {
            let fence = self.take(cx, next.caller.endpoint);
            let reply = self.remember(next.caller, Call::Lock, Ok(Outcome::Fence(fence)));
            cx.end(next, reply);
        }
    }

    fn cancel(&mut self, cx: &mut LockStep<'_>, endpoint: LockEndpoint, why: &Rejection) {
        while let Some(index) = self.waits.iter().position(|w| w.caller.endpoint == endpoint)
            && let Some(wait) = self.waits.remove(index)
        {
            let reply = self.remember(wait.caller, Call::Lock, Err(why.clone()));
            cx.end(wait, reply);
        }
    }

    fn memos_of(&self, session: SessionId) -> impl Iterator<Item = &MemoKey> {
        let endpoint = |thread| LockEndpoint { session, thread: ThreadId(thread) };
        let first = (endpoint(i64::MIN), InvocationUid(0), Call::Lock);
        let last = (endpoint(i64::MAX), InvocationUid(u128::MAX), Call::Unlock);
        self.memos.range(first..=last).map(|(key, _)| key)
    }

    fn memo(&self, caller: LockCaller, call: Call) -> Option<Reply> {
        let (_, reply) = self.memos.get(&(caller.endpoint, caller.uid, call))?;
        Some(reply.clone())
    }

    fn remember(&mut self, caller: LockCaller, call: Call, reply: Reply) -> Reply {
        if self.memos.len() >= limits::MEMOS_PER_FENCED_LOCK_MAX {
            let holder = self.hold.as_ref().map(|hold| hold.endpoint);
            let mut oldest = self.memo_order.values();
            let victim =
                oldest.find(|key| Some(key.0) != holder).or(self.memo_order.values().next());
            if let Some(victim) = victim.copied() {
                self.drop_memos([victim]);
            }
        }
        let key = (caller.endpoint, caller.uid, call);
        let order = self.next_memo;
        self.next_memo += 1;
        if let Some((old, _)) = self.memos.insert(key, (order, reply.clone())) {
            self.memo_order.remove(&old);
        }
        self.memo_order.insert(order, key);
        reply
    }

    fn forget(&mut self, endpoint: LockEndpoint) {
        let first = (endpoint, InvocationUid(0), Call::Lock);
        let last = (endpoint, InvocationUid(u128::MAX), Call::Unlock);
        let memos: Vec<MemoKey> = self.memos.range(first..=last).map(|(key, _)| *key).collect();
        self.drop_memos(memos);
    }

    fn drop_memos(&mut self, keys: impl IntoIterator<Item = MemoKey>) {
        for key in keys {
            if let Some((order, _)) = self.memos.remove(&key) {
                self.memo_order.remove(&order);
            }
        }
    }
}

/// The wait key of a call on a lock.
pub(crate) fn wait_key(group: &Name, name: &Name, caller: LockCaller) -> WaitKey {
    WaitKey::Lock {
        group: group.clone(),
        name: name.clone(),
        endpoint: caller.endpoint,
        uid: caller.uid,
    }
}
