//! A lock: reentrant up to a limit, with fencing tokens, and freed when a session ends.

use serde_json::{Map, Value, json};

use super::super::model::Model;
use super::super::operation::Operation;
use super::{Built, Told, Values, flag, flag_of, number, number_of};
use crate::history::Malformed;

/// A lock and the names of its owners.
pub(crate) struct Lock {
    holds_max: u32,
    fenced: bool,
    owners: Values,
}

/// Who holds it, and what is known of the newest token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LockState {
    /// 0: nobody.
    owner: u32,
    holds: u32,
    /// The token of the newest hold, or the least it can be: holds of unknown token raised it by
    /// one at least.
    token: i64,
    exact: bool,
}

/// One operation; owners by number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LockOp {
    /// Held once more; the token, if told.
    Acquire(u32, Told<i64>),
    Try(u32, Answer),
    Release(u32, Told<bool>),
    /// The session of the owner ends.
    Expire(u32),
    IsLocked(Told<bool>),
    Count(Told<i64>),
    Fence(Told<i64>),
}

/// What an attempt told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Untold,
    Refused,
    Held(Told<i64>),
}

impl Lock {
    pub(crate) fn build(
        operations: &[Operation<'_>],
        params: &Map<String, Value>,
    ) -> Result<Built<Self>, Malformed> {
        let holds_max = u32::try_from(number_of(params, "max-holds", 1)?)
            .map_err(|_| Malformed::at(1, "max-holds is out of range"))?;
        let fenced = flag_of(params, "fenced")?;
        let mut owners = Values::new();
        let model = Self { holds_max, fenced, owners: Values::new() };
        let mut built = Built::new(operations, model, |operation| {
            let mut owner = || owners.number(&Value::String(operation.client()));
            Ok(match operation.f() {
                "acquire" => Some(LockOp::Acquire(owner(), token(operation.result()))),
                "try-acquire" => Some(LockOp::Try(owner(), attempt(operation))),
                "release" => {
                    let told = match operation.result() {
                        Some(Value::Bool(told)) => Told::This(*told),
                        _ if operation.answered.is_some() => Told::This(true),
                        _ => Told::Nothing,
                    };
                    Some(LockOp::Release(owner(), told))
                }
                "expire" => Some(LockOp::Expire(owner())),
                "is-locked" => flag(operation.answer()).known().map(LockOp::IsLocked),
                "lock-count" => number(operation.answer()).known().map(LockOp::Count),
                "get-fence" => number(operation.answer()).known().map(LockOp::Fence),
                _ => return Err(operation.malformed("is not an operation of a lock")),
            })
        })?;
        built.model.owners = owners;
        Ok(built)
    }

    fn acquire(&self, state: &LockState, owner: u32, told: &Told<i64>) -> Option<LockState> {
        if !self.may_hold(state, owner) || *told == Told::Nonsense {
            return None;
        }
        let mut state = state.clone();
        if state.owner == owner {
            state.holds += 1;
            return self.learn(state, told);
        }
        state.owner = owner;
        state.holds = 1;
        if self.fenced {
            state.token += 1;
            state.exact = false;
            return self.learn(state, told);
        }
        Some(state)
    }

    fn may_hold(&self, state: &LockState, owner: u32) -> bool {
        state.owner == 0 || (state.owner == owner && state.holds < self.holds_max)
    }

    /// The state once the token of the present hold is told.
    fn learn(&self, mut state: LockState, told: &Told<i64>) -> Option<LockState> {
        let told = match told {
            Told::Nothing => return Some(state),
            Told::Nonsense => return None,
            Told::This(_) if !self.fenced => return Some(state),
            Told::This(told) => *told,
        };
        let fits = if state.exact { told == state.token } else { told >= state.token };
        state.token = told;
        state.exact = true;
        fits.then_some(state)
    }

    fn release(state: &LockState, holds: u32) -> LockState {
        let mut state = state.clone();
        state.holds -= holds;
        if state.holds == 0 {
            state.owner = 0;
        }
        state
    }
}

/// The token of a hold; a bare `true` or `null` tells none.
fn token(told: Option<&Value>) -> Told<i64> {
    match told {
        None | Some(Value::Null | Value::Bool(true)) => Told::Nothing,
        told => number(told),
    }
}

fn attempt(operation: &Operation<'_>) -> Answer {
    match operation.result() {
        None | Some(Value::Null) => Answer::Untold,
        Some(Value::Bool(false)) => Answer::Refused,
        Some(told) if told.as_i64() == Some(0) => Answer::Refused,
        told => Answer::Held(token(told)),
    }
}

impl Model for Lock {
    type Op = LockOp;
    type State = LockState;

    fn initial(&self) -> LockState {
        LockState { owner: 0, holds: 0, token: 0, exact: true }
    }

    fn step(&self, state: &LockState, op: &LockOp) -> Option<LockState> {
        match op {
            LockOp::Acquire(owner, told) => self.acquire(state, *owner, told),
            LockOp::Try(owner, Answer::Held(told)) => self.acquire(state, *owner, told),
            // Refused only when it cannot be held, so what was not told is known.
            LockOp::Try(owner, Answer::Untold) if self.may_hold(state, *owner) => {
                self.acquire(state, *owner, &Told::Nothing)
            }
            LockOp::Try(_, Answer::Untold) => Some(state.clone()),
            LockOp::Try(owner, Answer::Refused) => {
                (!self.may_hold(state, *owner)).then(|| state.clone())
            }
            LockOp::Release(owner, told) => {
                let held = state.owner == *owner;
                let after = if held { Self::release(state, 1) } else { state.clone() };
                told.allows(&held).then_some(after)
            }
            LockOp::Expire(owner) if state.owner == *owner => {
                Some(Self::release(state, state.holds))
            }
            LockOp::Expire(_) => Some(state.clone()),
            LockOp::IsLocked(told) => told.allows(&(state.owner != 0)).then(|| state.clone()),
            LockOp::Count(told) => told.allows(&i64::from(state.holds)).then(|| state.clone()),
            LockOp::Fence(told) if state.owner == 0 => told.allows(&0).then(|| state.clone()),
            LockOp::Fence(told) => self.learn(state.clone(), told),
        }
    }

    fn idle(&self, _: &LockState, op: &LockOp) -> bool {
        match op {
            LockOp::Try(_, answer) => *answer == Answer::Refused,
            LockOp::Release(_, told) => *told == Told::This(false),
            LockOp::Acquire(..) | LockOp::Expire(_) => false,
            // A fence that is told may make the token known: then it is no idle step.
            LockOp::IsLocked(_) | LockOp::Count(_) | LockOp::Fence(_) => true,
        }
    }

    fn describe(&self, state: &LockState) -> Value {
        let owner = self.owners.value(state.owner);
        let known = if state.exact { "token" } else { "token at least" };
        json!({ "owner": owner, "holds": state.holds, known: state.token })
    }
}
