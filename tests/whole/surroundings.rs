//! Clock, random numbers and syncs of the simulated process: C functions that std, tokio and every
//! library reach, defined here and therefore found before the C library's.
//!
//! On the simulation's thread the monotonic and the wall clock follow tokio's paused clock, and
//! random bytes follow the seed, so that hash maps, election time-outs and the order in which
//! `select!` looks at its branches are the same in every run. Syncs go to the simulated disk.
//! Threads that were not taken in see the real functions.

use std::cell::Cell;
use std::ffi::{c_int, c_long, c_uint, c_void};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::disk;
use crate::random::Random;

/// Wall clock at the beginning, seconds since the epoch.
const WALL_AT_START_S: i64 = 1_800_000_000;
/// Monotonic clock at the beginning, seconds.
const MONOTONIC_AT_START_S: i64 = 1_000;
const NANOS_PER_S: u128 = 1_000_000_000;

#[derive(Clone, Copy)]
enum Clock {
    Real,
    /// Stands still while the runtime is made.
    Frozen,
    Follows(Instant),
}

thread_local! {
    static CLOCK: Cell<Clock> = const { Cell::new(Clock::Real) };
    static LAST: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static ENTROPY: Cell<Option<u64>> = const { Cell::new(None) };
}

static DISK: AtomicBool = AtomicBool::new(false);

/// Takes this thread in: its clock stands still, its random bytes follow the seed, and all syncs of
/// the process go to the simulated disk.
pub(crate) fn take_in(seed: u64) {
    CLOCK.set(Clock::Frozen);
    ENTROPY.set(Some(seed));
    DISK.store(true, Ordering::SeqCst);
}

/// From now on the clocks follow tokio's. Called inside the paused runtime.
pub(crate) fn follow_the_runtime() {
    CLOCK.set(Clock::Follows(Instant::now()));
}

/// Lets go of this thread, before its runtime ends.
pub(crate) fn let_go() {
    CLOCK.set(Clock::Real);
    ENTROPY.set(None);
    DISK.store(false, Ordering::SeqCst);
}

/// Since the beginning of the simulation; `None` where the real clock rules.
fn elapsed() -> Option<Duration> {
    match CLOCK.get() {
        Clock::Real => None,
        Clock::Frozen => Some(LAST.get()),
        Clock::Follows(start) => {
            // Whatever tokio asks while it answers this finds the clock standing still.
            CLOCK.set(Clock::Frozen);
            LAST.set(start.elapsed());
            CLOCK.set(Clock::Follows(start));
            Some(LAST.get())
        }
    }
}

fn fill(bytes: &mut [u8]) -> bool {
    let Some(state) = ENTROPY.get() else { return false };
    let mut random = Random::new(state);
    for chunk in bytes.chunks_mut(8) {
        let drawn = random.next().to_le_bytes();
        chunk.copy_from_slice(&drawn[..chunk.len()]);
    }
    ENTROPY.set(Some(random.next()));
    true
}

/// What a C function that may fail returns.
fn returned(result: Result<(), c_int>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(error) => {
            // SAFETY: the C library's own place for this thread's error number.
            unsafe { *libc::__errno_location() = error };
            -1
        }
    }
}

/// # Safety
/// As the C function: `time` points to a place for a time.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    let Some(elapsed) = elapsed() else {
        // SAFETY: the caller's own arguments.
        return unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as c_int };
    };
    let base = if clock == libc::CLOCK_REALTIME { WALL_AT_START_S } else { MONOTONIC_AT_START_S };
    let nanos = elapsed.as_nanos();
    let seconds = i64::try_from(nanos / NANOS_PER_S).unwrap_or(i64::MAX - base);
    let tv_nsec = (nanos % NANOS_PER_S) as c_long;
    // SAFETY: the caller promises a place for a time.
    unsafe { *time = libc::timespec { tv_sec: base + seconds, tv_nsec } };
    0
}

/// # Safety
/// As the C function: `buffer` has room for `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, flags: c_uint) -> isize {
    if ENTROPY.get().is_some() && !buffer.is_null() {
        // SAFETY: the caller promises so many bytes.
        let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
        bytes.fill(0);
        fill(bytes);
        return length as isize;
    }
    // SAFETY: the caller's own arguments.
    unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) as isize }
}

#[unsafe(no_mangle)]
extern "C" fn fsync(descriptor: c_int) -> c_int {
    if DISK.load(Ordering::SeqCst) {
        return returned(disk::synced(descriptor));
    }
    // SAFETY: no memory is passed; the kernel checks the descriptor.
    unsafe { libc::syscall(libc::SYS_fsync, descriptor) as c_int }
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(descriptor: c_int) -> c_int {
    if DISK.load(Ordering::SeqCst) {
        return returned(disk::synced(descriptor));
    }
    // SAFETY: no memory is passed; the kernel checks the descriptor.
    unsafe { libc::syscall(libc::SYS_fdatasync, descriptor) as c_int }
}
