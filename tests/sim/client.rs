//! One client: what it asks next, and what it makes of the answers.

use statekeeper_protocol::ExceptionCode;

use super::random::Random;
use super::requests::{Ask, Told};

const KEYS: u64 = 4;
/// Values are unique, so that an answer tells which write it saw.
const VALUES: u64 = 1 << 20;

/// Where a client stands with the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LockState {
    NoGroup,
    NoSession,
    Free { session: i64 },
    Held { session: i64 },
}

/// What a client knows.
#[derive(Debug)]
pub(crate) struct Client {
    lock: LockState,
    next_uid: u128,
    next_value: u64,
}

impl Client {
    pub(crate) fn new(number: usize) -> Self {
        let base = u64::try_from(number).unwrap() * VALUES;
        Self { lock: LockState::NoGroup, next_uid: u128::from(base) + 1, next_value: base }
    }

    /// What the thread for data asks.
    pub(crate) fn next_data_ask(&mut self, random: &mut Random) -> Ask {
        let key = u8::try_from(random.below(KEYS)).unwrap();
        let value = self.next_value;
        self.next_value += 1;
        match random.below(12) {
            0 => Ask::Put { key, value },
            1 => Ask::Set { key, value },
            2 => Ask::PutIfAbsent { key, value },
            3 => Ask::Replace { key, value },
            4 => Ask::CompareAndSet { key, expected: random.below(VALUES), value },
            5 => Ask::Remove { key },
            6 => Ask::Size,
            7 => Ask::SetAdd { item: key },
            8 => Ask::SetRemove { item: key },
            9 => Ask::SetContains { item: key },
            10 => Ask::NewIds,
            _ => Ask::Get { key },
        }
    }

    /// What the thread for the lock asks.
    pub(crate) fn next_lock_ask(&mut self, random: &mut Random) -> Ask {
        let uid = self.next_uid;
        self.next_uid += 1;
        match self.lock {
            LockState::NoGroup => Ask::CreateGroup,
            LockState::NoSession => Ask::CreateSession,
            LockState::Free { session } | LockState::Held { session } if random.one_in(4) => {
                Ask::Heartbeat { session }
            }
            LockState::Free { session } => match random.below(3) {
                0 => Ask::Lock { session, uid },
                1 => Ask::TryLock { session, uid, timeout_ms: 0 },
                _ => {
                    let timeout_ms = i64::try_from(random.below(2_000)).unwrap();
                    Ask::TryLock { session, uid, timeout_ms }
                }
            },
            LockState::Held { session } => Ask::Unlock { session, uid },
        }
    }

    /// What the lock thread learns from an answer.
    pub(crate) fn learn(&mut self, ask: Ask, told: &Told) {
        let expired = *told == Told::Failed(ExceptionCode::SessionExpired);
        match (ask, told) {
            (Ask::CreateGroup, Told::Nothing) => self.lock = LockState::NoSession,
            (Ask::CreateSession, Told::Session(session)) => {
                self.lock = LockState::Free { session: *session };
            }
            (Ask::Lock { session, .. } | Ask::TryLock { session, .. }, Told::Fence(fence))
                if *fence > 0 =>
            {
                self.lock = LockState::Held { session };
            }
            (Ask::Unlock { session, .. }, Told::Flag(still)) => {
                // A copy of an earlier call may have come late and locked once more: give it up
                // too.
                self.lock =
                    if *still { LockState::Held { session } } else { LockState::Free { session } };
            }
            // The session is gone, and with it the lock: begin anew.
            _ if expired => self.lock = LockState::NoSession,
            // By the time an unlock came, the session had ended and somebody else may hold it.
            (Ask::Unlock { .. }, Told::Failed(ExceptionCode::IllegalMonitorState)) => {
                self.lock = LockState::NoSession;
            }
            _ => {}
        }
    }
}
