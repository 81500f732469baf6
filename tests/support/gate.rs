//! Who may run beside whom: tests that measure or saturate run alone.
//!
//! Every cluster passes the gate when it starts, so no test can forget it. A test that measures
//! asks for the whole machine before it starts its cluster.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

struct State {
    /// Tests that run beside each other.
    sharing: usize,
    /// One test runs alone.
    taken: bool,
    /// Tests that wait to run alone: nobody new is let in before them.
    waiting: usize,
}

static STATE: Mutex<State> = Mutex::new(State { sharing: 0, taken: false, waiting: 0 });
static CHANGED: Condvar = Condvar::new();

thread_local! {
    /// How many passes this thread, which is this test, holds; the last one opens the gate.
    static HELD: Cell<usize> = const { Cell::new(0) };
    static IS_ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Leave to run, beside others or alone; given back when dropped, by the thread that took it.
#[must_use]
pub(crate) struct Pass {
    of_this_thread: PhantomData<*const ()>,
}

/// Waits until no test runs alone.
pub(crate) fn shared() -> Pass {
    if HELD.get() == 0 {
        let busy = |state: &mut State| state.taken || state.waiting > 0;
        let mut state = CHANGED.wait_while(state(), busy).unwrap_or_else(PoisonError::into_inner);
        state.sharing += 1;
        IS_ALONE.set(false);
    }
    pass()
}

/// Waits until no other test runs.
pub(crate) fn alone() -> Pass {
    assert_eq!(HELD.get(), 0, "a test asks to run alone before it starts anything");
    let mut waiting = state();
    waiting.waiting += 1;
    let busy = |state: &mut State| state.taken || state.sharing > 0;
    let mut state = CHANGED.wait_while(waiting, busy).unwrap_or_else(PoisonError::into_inner);
    state.waiting -= 1;
    state.taken = true;
    IS_ALONE.set(true);
    pass()
}

fn pass() -> Pass {
    HELD.set(HELD.get() + 1);
    Pass { of_this_thread: PhantomData }
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Pass {
    fn drop(&mut self) {
        HELD.set(HELD.get() - 1);
        if HELD.get() > 0 {
            return;
        }
        let mut state = state();
        if IS_ALONE.get() {
            state.taken = false;
        } else {
            state.sharing -= 1;
        }
        CHANGED.notify_all();
    }
}
