//! `Cp`: groups, their sessions, and the fenced locks those hold.
//!
//! Invariant: every holder and waiter of a lock belongs to a session that lives. A session ends by
//! a call or by its deadline, and takes all it held with it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::accounting::ROW_BYTES;
use crate::command::{CpCommand, SessionSettings};
use crate::event::{Event, WaitKey};
use crate::expiry::{Due, Step};
use crate::fenced_lock::{Ended, FREE, FencedLock, LockCaller, LockStep, wait_key};
use crate::ids::{ClientUuid, ClusterTime, Fence, Name, SessionId};
use crate::limits;
use crate::outcome::{Group, LockView, Outcome, Ownership, Rejection, Reply, SessionView};
use crate::view::WaitState;

/// The protocol's name of the service of fenced locks.
pub(crate) const LOCK_SERVICE: &str = "hz:raft:lockService";

/// One session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    endpoint_name: Name,
    client: ClientUuid,
    created_at: ClusterTime,
    until: ClusterTime,
}

/// One group, without its sessions and locks.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct GroupState {
    id: i64,
    last_session: i64,
    last_thread: i64,
}

/// All groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cp {
    pub(crate) groups: BTreeMap<Name, GroupState>,
    pub(crate) sessions: BTreeMap<(Name, SessionId), Session>,
    pub(crate) locks: BTreeMap<(Name, Name), FencedLock>,
    /// Group, service and name of what was destroyed.
    pub(crate) destroyed: BTreeSet<(Name, Name, Name)>,
    /// The last fence given, over all locks.
    pub(crate) last_fence: Fence,
    bytes: u64,
}

impl Cp {
    /// Accounted bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What `bytes` must say.
    pub(crate) fn recount(&self) -> u64 {
        let groups: u64 = self.groups.keys().map(|name| row_bytes([name])).sum();
        let sessions = self.sessions.iter();
        let sessions: u64 =
            sessions.map(|((group, _), state)| row_bytes([group, &state.endpoint_name])).sum();
        let locks = self.locks.iter();
        let locks: u64 = locks.map(|((group, name), lock)| lock_bytes(group, name, lock)).sum();
        let destroyed = self.destroyed.iter();
        let destroyed: u64 =
            destroyed.map(|(group, service, name)| row_bytes([group, service, name])).sum();
        groups + sessions + locks + destroyed
    }

    /// Applies a command.
    pub(crate) fn apply(
        &mut self,
        step: &mut Step<'_>,
        settings: SessionSettings,
        command: CpCommand,
    ) -> Reply {
        match command {
            CpCommand::CreateGroup { group } => {
                let id = self.group(&group)?.id;
                Ok(Outcome::Group(Group { name: group, seed: 0, id }))
            }
            CpCommand::DestroyObject { group, service, name } => {
                self.destroy(step, group, service, name)
            }
            CpCommand::CreateSession { group, endpoint_name, client } => {
                self.create_session(step, settings, group, (endpoint_name, client))
            }
            CpCommand::CloseSession { group, session } => {
                Ok(Outcome::Flag(self.end_session(step, &group, session, false)))
            }
            CpCommand::Heartbeat { sessions } => {
                let until = step.now.plus_ms(settings.time_to_live_ms);
                let unknown = sessions
                    .into_iter()
                    .filter(|(group, session)| !self.prolong(step, group, *session, until))
                    .collect();
                Ok(Outcome::UnknownSessions(unknown))
            }
            CpCommand::GenerateThreadId { group } => {
                let group = self.group(&group)?;
                group.last_thread += 1;
                Ok(Outcome::ThreadId(group.last_thread))
            }
            CpCommand::Lock { group, name, endpoint, uid, timeout_ms } => {
                let caller = LockCaller { endpoint, uid };
                self.admit(&group, &name, endpoint.session)?;
                let known = self.locks.contains_key(&(group.clone(), name.clone()));
                if !known && self.locks.len() >= limits::FENCED_LOCKS_MAX {
                    return Err(limits::reached("fenced-locks-max", limits::FENCED_LOCKS_MAX));
                }
                self.on_lock(step, &group, &name, |lock, cx| lock.lock(cx, caller, timeout_ms))
            }
            CpCommand::Unlock { group, name, endpoint, uid } => {
                self.admit(&group, &name, endpoint.session)?;
                if !self.locks.contains_key(&(group.clone(), name.clone())) {
                    return Err(Rejection::NotLockOwner);
                }
                let caller = LockCaller { endpoint, uid };
                self.on_lock(step, &group, &name, |lock, cx| lock.unlock(cx, caller))
            }
            CpCommand::ForceRelease { group, name, fence } => {
                let known = self.locks.contains_key(&(group.clone(), name.clone()));
                let released = known
                    && self.on_lock(step, &group, &name, |lock, cx| lock.force_release(cx, fence));
                Ok(Outcome::Flag(released))
            }
        }
    }

    // req: R-15
    /// Ends a session; says whether it lived.
    pub(crate) fn end_session(
        &mut self,
        step: &mut Step<'_>,
        group: &Name,
        session: SessionId,
        expired: bool,
    ) -> bool {
        let Some(state) = self.sessions.remove(&(group.clone(), session)) else { return false };
        self.bytes -= row_bytes([group, &state.endpoint_name]);
        step.deadlines.remove(state.until, due(group, session));
        // Most locks have nothing to do with the session, and many sessions may end at once.
        let concerned = self.locks_of(group).filter(|(_, lock)| lock.concerns(session));
        let names: Vec<Name> = concerned.map(|(name, _)| name.clone()).collect();
        for name in names {
            self.on_lock(step, group, &name, |lock, cx| lock.end_session(cx, session));
        }
        step.events.push(Event::SessionEnded { group: group.clone(), session, expired });
        true
    }

    /// Moves every session's deadline: nobody could take heartbeats for so long.
    pub(crate) fn move_deadlines(&mut self, step: &mut Step<'_>, by_ms: u64) {
        for ((group, session), state) in &mut self.sessions {
            step.deadlines.remove(state.until, due(group, *session));
            state.until = state.until.plus_ms(by_ms);
            step.deadlines.add(state.until, due(group, *session));
        }
    }

    /// Ends a wait whose time is over.
    pub(crate) fn end_wait(&mut self, step: &mut Step<'_>, key: &WaitKey) {
        let WaitKey::Lock { group, name, endpoint, uid } = key else { return };
        if self.locks.contains_key(&(group.clone(), name.clone())) {
            let caller = LockCaller { endpoint: *endpoint, uid: *uid };
            self.on_lock(step, group, name, |lock, cx| lock.time_out(cx, caller));
        }
    }

    pub(crate) fn wait_state(&self, group: &Name, name: &Name, caller: LockCaller) -> WaitState {
        if let Err(rejection) = self.admit(group, name, caller.endpoint.session) {
            return WaitState::Ended(Err(rejection));
        }
        let lock = self.locks.get(&(group.clone(), name.clone()));
        lock.map_or(WaitState::Unknown, |lock| lock.wait_state(caller))
    }

    pub(crate) fn group_of(&self, name: &Name) -> Option<Group> {
        let state = self.groups.get(name)?;
        Some(Group { name: name.clone(), seed: 0, id: state.id })
    }

    /// Who holds a lock; refused for one that is destroyed.
    pub(crate) fn ownership(&self, group: &Name, name: &Name) -> Result<Ownership, Rejection> {
        self.refuse_destroyed(group, name)?;
        let lock = self.locks.get(&(group.clone(), name.clone()));
        Ok(lock.map_or(FREE, FencedLock::ownership))
    }

    pub(crate) fn lock_views(&self) -> Vec<LockView> {
        self.locks.iter().map(|((group, name), lock)| lock.view(group, name)).collect()
    }

    pub(crate) fn session_views(&self) -> Vec<SessionView> {
        let mut held: BTreeMap<(&Name, SessionId), Vec<Name>> = BTreeMap::new();
        for ((group, name), lock) in &self.locks {
            if !matches!(lock.ownership().count, 0) {
                let session = lock.ownership().endpoint.session;
                held.entry((group, session)).or_default().push(name.clone());
            }
        }
        let rows = self.sessions.iter();
        rows.map(|((group, session), state)| SessionView {
            group: group.clone(),
            session: *session,
            endpoint_name: state.endpoint_name.clone(),
            client: state.client,
            created_at: state.created_at,
            expires_at: state.until,
            locks: held.remove(&(group, *session)).unwrap_or_default(),
        })
        .collect()
    }

    /// Lists deadlines and counts bytes again, after a restore.
    pub(crate) fn rebuild(&mut self, step: &mut Step<'_>) {
        for ((group, session), state) in &self.sessions {
            step.deadlines.add(state.until, due(group, *session));
        }
        for ((group, name), lock) in &self.locks {
            for (until, caller) in lock.deadlines() {
                step.deadlines.add(until, Due::Wait(Box::new(wait_key(group, name, caller))));
            }
        }
        self.bytes = self.recount();
    }

    fn group(&mut self, name: &Name) -> Result<&mut GroupState, Rejection> {
        if !self.groups.contains_key(name) {
            if self.groups.len() >= limits::CP_GROUPS_MAX {
                return Err(limits::reached("cp-groups-max", limits::CP_GROUPS_MAX));
            }
            self.bytes += row_bytes([name]);
        }
        // Groups are never removed, so their number is the next id.
        let id = self.groups.len() as i64 + 1;
        Ok(self.groups.entry(name.clone()).or_insert(GroupState { id, ..GroupState::default() }))
    }

    fn create_session(
        &mut self,
        step: &mut Step<'_>,
        settings: SessionSettings,
        group: Name,
        (endpoint_name, client): (Name, ClientUuid),
    ) -> Reply {
        if self.sessions.len() >= limits::CP_SESSIONS_MAX {
            return Err(limits::reached("cp-sessions-max", limits::CP_SESSIONS_MAX));
        }
        let state = self.group(&group)?;
        state.last_session += 1;
        let session = SessionId(state.last_session);
        let until = step.now.plus_ms(settings.time_to_live_ms);
        step.deadlines.add(until, due(&group, session));
        self.bytes += row_bytes([&group, &endpoint_name]);
        let state = Session { endpoint_name, client, created_at: step.now, until };
        self.sessions.insert((group, session), state);
        Ok(Outcome::Session {
            session,
            time_to_live_ms: settings.time_to_live_ms,
            heartbeat_interval_ms: settings.heartbeat_interval_ms,
        })
    }

    fn prolong(
        &mut self,
        step: &mut Step<'_>,
        group: &Name,
        session: SessionId,
        until: ClusterTime,
    ) -> bool {
        let Some(state) = self.sessions.get_mut(&(group.clone(), session)) else { return false };
        // A change of leader may have given more time than one heartbeat does.
        if until > state.until {
            step.deadlines.remove(state.until, due(group, session));
            state.until = until;
            step.deadlines.add(until, due(group, session));
        }
        true
    }

    fn destroy(&mut self, step: &mut Step<'_>, group: Name, service: Name, name: Name) -> Reply {
        let object = (group, service, name);
        if self.destroyed.contains(&object) {
            return Ok(Outcome::Done);
        }
        if self.destroyed.len() >= limits::CP_TOMBSTONES_MAX {
            return Err(limits::reached("cp-tombstones-max", limits::CP_TOMBSTONES_MAX));
        }
        let (group, service, name) = object.clone();
        self.bytes += row_bytes([&group, &service, &name]);
        self.destroyed.insert(object);
        if &*service == LOCK_SERVICE
            && let Some(lock) = self.locks.remove(&(group.clone(), name.clone()))
        {
            self.bytes -= lock_bytes(&group, &name, &lock);
            let mut cx = LockStep::new(step.now, &mut self.last_fence);
            lock.destroy(&mut cx, &name);
            tell(step, &group, &name, cx);
        }
        Ok(Outcome::Done)
    }

    /// Refuses destroyed locks and sessions that do not live.
    fn admit(&self, group: &Name, name: &Name, session: SessionId) -> Result<(), Rejection> {
        self.refuse_destroyed(group, name)?;
        if self.sessions.contains_key(&(group.clone(), session)) {
            Ok(())
        } else {
            Err(Rejection::SessionUnknown { session })
        }
    }

    fn refuse_destroyed(&self, group: &Name, name: &Name) -> Result<(), Rejection> {
        if self.destroyed.is_empty() {
            return Ok(());
        }
        let object = (group.clone(), Name::from(LOCK_SERVICE), name.clone());
        if self.destroyed.contains(&object) {
            return Err(Rejection::ObjectDestroyed { name: name.clone() });
        }
        Ok(())
    }

    /// Changes a lock, tells whose wait ended, and lets go of a lock nothing is known of any more.
    fn on_lock<R>(
        &mut self,
        step: &mut Step<'_>,
        group: &Name,
        name: &Name,
        act: impl FnOnce(&mut FencedLock, &mut LockStep<'_>) -> R,
    ) -> R {
        let id = (group.clone(), name.clone());
        let mut before = 0;
        let lock = self.locks.entry(id);
        let lock = lock.and_modify(|lock| before = lock_bytes(group, name, lock)).or_default();
        let mut cx = LockStep::new(step.now, &mut self.last_fence);
        let result = act(lock, &mut cx);
        let mut after = lock_bytes(group, name, lock);
        let idle = lock.is_idle();
        tell(step, group, name, cx);
        if idle {
            after = 0;
            self.locks.remove(&(group.clone(), name.clone()));
        }
        self.bytes = self.bytes + after - before;
        result
    }

    fn locks_of(&self, group: &Name) -> impl Iterator<Item = (&Name, &FencedLock)> {
        let first = (group.clone(), Name::from(""));
        self.locks
            .range(first..)
            .take_while(move |((own, _), _)| own == group)
            .map(|((_, name), lock)| (name, lock))
    }
}

fn row_bytes<const N: usize>(names: [&Name; N]) -> u64 {
    ROW_BYTES + names.iter().map(|name| name.len() as u64).sum::<u64>()
}

fn lock_bytes(group: &Name, name: &Name, lock: &FencedLock) -> u64 {
    lock.bytes() + (group.len() + name.len()) as u64
}

fn due(group: &Name, session: SessionId) -> Due {
    Due::Session { group: group.clone(), session }
}

fn tell(step: &mut Step<'_>, group: &Name, name: &Name, cx: LockStep<'_>) {
    if let Some((at, caller)) = cx.began {
        step.deadlines.add(at, Due::Wait(Box::new(wait_key(group, name, caller))));
    }
    for Ended { caller, until, reply } in cx.ended {
        let wait = wait_key(group, name, caller);
        if let Some(at) = until {
            step.deadlines.remove(at, Due::Wait(Box::new(wait.clone())));
        }
        step.events.push(Event::WaitEnded { wait, reply });
    }
}
