//! What a checker knows of an object: one step at a time, one outcome a step.

use std::hash::Hash;

use serde_json::Value;

/// An object as its users may see it. Deterministic: an object that is not keeps the set of the
/// states it may be in.
pub trait Model: Sync {
    /// An operation with its arguments and what it told.
    type Op: Clone + Eq + Hash;
    /// All that later answers depend on.
    type State: Clone + Eq + Hash;

    /// The state at the beginning.
    fn initial(&self) -> Self::State;

    /// The state after the operation, or none if it could not have told what it told.
    fn step(&self, state: &Self::State, op: &Self::Op) -> Option<Self::State>;

    /// Whether the operation, if it fits, changes nothing in this state nor in any that may come
    /// after it.
    fn idle(&self, state: &Self::State, op: &Self::Op) -> bool;

    /// Whether the operation always fits and leaves the same state, whatever was there. A hint.
    fn blind(&self, op: &Self::Op) -> bool {
        let _ = op;
        false
    }

    /// The state for a report.
    fn describe(&self, state: &Self::State) -> Value;
}
