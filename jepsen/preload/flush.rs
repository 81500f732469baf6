//! Flushes that are slow, hang, or fail.

use std::ffi::c_int;
use std::thread::sleep;
use std::time::Duration;

use crate::{count, fail, is_meant, slots, take, value};

/// How often a hanging flush looks whether it may go on.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// What becomes of a flush before it reaches the kernel: its answer, if it never does.
fn spoil(descriptor: Option<c_int>) -> Option<c_int> {
    count(slots::FLUSHES);
    if descriptor.is_some_and(|descriptor| !is_meant(descriptor, false)) {
        return None;
    }
    if value(slots::HANG) != 0 {
        count(slots::FLUSHES_HUNG);
        // Asleep and not stopped by the kernel: SIGKILL ends it.
        while value(slots::HANG) != 0 {
            sleep(LOOK_INTERVAL);
        }
    }
    let slow = value(slots::SLOW_MS);
    if slow > 0 {
        count(slots::FLUSHES_SLOWED);
        sleep(Duration::from_millis(slow));
    }
    if take(slots::FAILING_FLUSHES) {
        count(slots::FLUSHES_FAILED);
        return Some(fail(libc::EIO));
    }
    None
}

pub(crate) fn descriptor(descriptor: c_int, flush: impl FnOnce() -> c_int) -> c_int {
    spoil(Some(descriptor)).unwrap_or_else(flush)
}

pub(crate) fn memory(flush: impl FnOnce() -> c_int) -> c_int {
    spoil(None).unwrap_or_else(flush)
}
