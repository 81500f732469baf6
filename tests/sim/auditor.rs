//! Judges what clients were told. It knows what was applied in which order, never why.

use std::collections::{BTreeMap, BTreeSet};

use super::requests::{Ask, BATCH, Told};

/// Time to live of CP sessions in the simulation, milliseconds.
pub(crate) const SESSION_MS: u64 = 30_000;

/// What must be so, from what was applied so far.
#[derive(Debug, Default)]
pub(crate) struct Auditor {
    map: BTreeMap<u8, u64>,
    set: BTreeSet<u8>,
    ids_given: BTreeSet<i64>,
    fence_max: i64,
    holder: Option<Hold>,
    /// Fence by call, so that a repeated call is told from a new one.
    fences: BTreeMap<u128, i64>,
    /// Last sign of life by session, milliseconds of cluster time.
    sessions: BTreeMap<i64, u64>,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    session: i64,
    fence: i64,
}

impl Auditor {
    /// What a command or query must answer when it takes place now; `None` where the model has no
    /// opinion.
    pub(crate) fn take_place(&mut self, ask: Ask) -> Option<Told> {
        Some(match ask {
            Ask::Put { key, value } => Told::Value(self.map.insert(key, value)),
            Ask::Set { key, value } => {
                self.map.insert(key, value);
                Told::Nothing
            }
            Ask::PutIfAbsent { key, value } => {
                let old = self.map.get(&key).copied();
                self.map.entry(key).or_insert(value);
                Told::Value(old)
            }
            Ask::Replace { key, value } => {
                let old = self.map.get_mut(&key).map(|there| std::mem::replace(there, value));
                Told::Value(old)
            }
            Ask::CompareAndSet { key, expected, value } => {
                let same = self.map.get(&key) == Some(&expected);
                if same {
                    self.map.insert(key, value);
                }
                Told::Flag(same)
            }
            Ask::Remove { key } => Told::Value(self.map.remove(&key)),
            Ask::Get { key } => Told::Value(self.map.get(&key).copied()),
            Ask::Size => Told::Count(i32::try_from(self.map.len()).unwrap()),
            Ask::SetAdd { item } => Told::Flag(self.set.insert(item)),
            Ask::SetRemove { item } => Told::Flag(self.set.remove(&item)),
            Ask::SetContains { item } => Told::Flag(self.set.contains(&item)),
            Ask::NewIds
            | Ask::CreateGroup
            | Ask::CreateSession
            | Ask::Heartbeat { .. }
            | Ask::Lock { .. }
            | Ask::TryLock { .. }
            | Ask::Unlock { .. } => return None,
        })
    }

    /// Ids are told once.
    pub(crate) fn ids(&mut self, base: i64) {
        assert!(base > 0, "ids are positive");
        for id in base..base + i64::from(BATCH) {
            assert!(self.ids_given.insert(id), "the id {id} was given twice");
        }
    }

    /// The log gave the lock away.
    pub(crate) fn granted(&mut self, session: i64, uid: u128, fence: i64) {
        if self.fences.get(&uid) == Some(&fence) {
            return;
        }
        let reentrant = |hold: Hold| hold.session == session && hold.fence == fence;
        if !self.holder.is_some_and(reentrant) {
            assert!(
                self.holder.is_none(),
                "session {session} got fence {fence} while {:?} holds the lock",
                self.holder
            );
            assert!(fence > self.fence_max, "fence {fence} after {}", self.fence_max);
            self.fence_max = fence;
            self.holder = Some(Hold { session, fence });
        }
        self.fences.insert(uid, fence);
    }

    /// The session that holds the lock.
    pub(crate) fn holder(&self) -> Option<i64> {
        self.holder.map(|hold| hold.session)
    }

    /// The log took the last hold of the lock back.
    pub(crate) fn released(&mut self, session: i64) {
        self.holder = self.holder.filter(|hold| hold.session != session);
    }

    /// A session was made or gave a sign of life.
    pub(crate) fn session_lives(&mut self, session: i64, now_ms: u64) {
        self.sessions.insert(session, now_ms);
    }

    /// The log ended a session: never before its time.
    pub(crate) fn session_expired(&mut self, session: i64, now_ms: u64) {
        let heard_ms = self.sessions.remove(&session).expect("only sessions that lived end");
        assert!(
            now_ms >= heard_ms + SESSION_MS,
            "session {session} ended {} ms after its last sign of life",
            now_ms - heard_ms
        );
        self.released(session);
    }
}
