//! A wall clock that is ahead, drifts, or goes to and fro.
//!
//! Own code and not libfaketime, which reads its file again at each reading of the clock (8 µs
//! instead of 0.04) or once a second, tells nobody that it was asked, and fakes waits too.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use libc::{clockid_t, timespec};

use crate::{count, set, slots, value};

const SECOND: i128 = 1_000_000_000;
/// A harness that died while it wrote leaves the version odd for ever.
const ATTEMPTS: usize = 1000;

/// The C library's own `clock_gettime`, which asks the kernel without a system call.
static REAL: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

#[allow(unsafe_code, reason = "the function behind ours is found by its name alone")]
pub(crate) fn find_real() {
    // SAFETY: the name is a C string.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, c"clock_gettime".as_ptr()) };
    REAL.store(found, Ordering::Release);
}

/// The true time of a clock.
///
/// # Safety
///
/// `time` must be valid for writing or null, as for the C function.
#[allow(unsafe_code, reason = "calls the C library's function by its address")]
pub(crate) unsafe fn real(clock: clockid_t, time: *mut timespec) -> c_int {
    type Function = unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int;
    let found = REAL.load(Ordering::Acquire);
    // SAFETY: the address is that of a function of this type; the caller vouches for `time`.
    unsafe {
        if found.is_null() {
            // Not a failure of a symbol that has to be there: other libraries start before us.
            return c_int::try_from(libc::syscall(libc::SYS_clock_gettime, clock, time))
                .unwrap_or(-1);
        }
        std::mem::transmute::<*mut c_void, Function>(found)(clock, time)
    }
}

/// What a process is to see in place of the true wall time.
pub(crate) fn falsified(time: timespec) -> timespec {
    let Some(ahead) = ahead() else { return time };
    count(slots::FALSE_TIMES);
    set(slots::LAST_AHEAD, ahead.cast_unsigned());
    let nanoseconds = i128::from(time.tv_sec) * SECOND + i128::from(time.tv_nsec);
    // Nobody has a time before the epoch.
    let nanoseconds = (nanoseconds + i128::from(ahead)).max(0);
    let part = |value: i128| i64::try_from(value).unwrap_or(i64::MAX);
    timespec { tv_sec: part(nanoseconds / SECOND), tv_nsec: part(nanoseconds % SECOND) }
}

/// Nanoseconds by which the wall clock is ahead now; nothing where it is true.
fn ahead() -> Option<i64> {
    let [ahead, drift, since, by, half] = settings()?;
    if ahead == 0 && drift == 0 && half == 0 {
        return None;
    }
    let mut ahead = i128::from(ahead);
    if drift != 0 || half != 0 {
        let now = monotonic();
        ahead += (now - i128::from(since)) * i128::from(drift) / SECOND;
        if half > 0 {
            let is_behind = now / i128::from(half) % 2 == 1;
            ahead += if is_behind { -i128::from(by) } else { i128::from(by) };
        }
    }
    i64::try_from(ahead).ok()
}

fn settings() -> Option<[i64; 5]> {
    use slots::{CLOCK_AHEAD, CLOCK_DRIFT, CLOCK_SINCE, STROBE_BY, STROBE_HALF};
    let mut settings = None;
    for _ in 0..ATTEMPTS {
        let version = value(slots::CLOCK_VERSION);
        if version == 0 {
            return None;
        }
        let all = [CLOCK_AHEAD, CLOCK_DRIFT, CLOCK_SINCE, STROBE_BY, STROBE_HALF];
        settings = Some(all.map(|slot| value(slot).cast_signed()));
        if version.is_multiple_of(2) && version == value(slots::CLOCK_VERSION) {
            break;
        }
        std::hint::spin_loop();
    }
    settings
}

#[allow(unsafe_code, reason = "asks the C library for the time")]
fn monotonic() -> i128 {
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the place is ours.
    unsafe { real(libc::CLOCK_MONOTONIC, &raw mut time) };
    i128::from(time.tv_sec) * SECOND + i128::from(time.tv_nsec)
}
