//! The C library's functions that are stood in for, by their names and types.
//!
//! What goes on to the kernel goes there by system call: by name it would come back here.
#![allow(
    unsafe_code,
    reason = "C symbols cannot be defined without it; each passes on what it was given, and what \
              its caller must see to is what the C function asks of it"
)]

use std::ffi::{c_int, c_void};
use std::ptr;

use libc::{clockid_t, iovec, off_t, size_t, ssize_t, time_t, timespec, timeval, timezone};

use crate::write::Fate;
use crate::{clock, flush, write};

fn answer(result: libc::c_long) -> c_int {
    c_int::try_from(result).unwrap_or(-1)
}

#[unsafe(no_mangle)]
extern "C" fn fsync(descriptor: c_int) -> c_int {
    // SAFETY: no memory is passed; the kernel checks the descriptor.
    let flush = || answer(unsafe { libc::syscall(libc::SYS_fsync, descriptor) });
    flush::descriptor(descriptor, flush)
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(descriptor: c_int) -> c_int {
    // SAFETY: no memory is passed; the kernel checks the descriptor.
    let flush = || answer(unsafe { libc::syscall(libc::SYS_fdatasync, descriptor) });
    flush::descriptor(descriptor, flush)
}

#[unsafe(no_mangle)]
extern "C" fn syncfs(descriptor: c_int) -> c_int {
    // SAFETY: no memory is passed; the kernel checks the descriptor.
    let flush = || answer(unsafe { libc::syscall(libc::SYS_syncfs, descriptor) });
    flush::descriptor(descriptor, flush)
}

#[unsafe(no_mangle)]
extern "C" fn msync(address: *mut c_void, bytes: size_t, flags: c_int) -> c_int {
    // SAFETY: the kernel checks that the range is mapped.
    flush::memory(|| answer(unsafe { libc::syscall(libc::SYS_msync, address, bytes, flags) }))
}

#[unsafe(no_mangle)]
extern "C" fn sync() {
    // SAFETY: no memory is passed. A failure has nowhere to go: the function answers nothing.
    flush::memory(|| answer(unsafe { libc::syscall(libc::SYS_sync) }));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn write(descriptor: c_int, from: *const c_void, bytes: size_t) -> ssize_t {
    let bytes = match write::fate(descriptor, bytes) {
        Fate::Whole => bytes,
        Fate::Half => bytes / 2,
        Fate::Fails(answer) => return answer,
    };
    // SAFETY: the caller's memory, and no more of it than the caller said.
    unsafe { libc::syscall(libc::SYS_write, descriptor, from, bytes) as ssize_t }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite(
    descriptor: c_int,
    from: *const c_void,
    bytes: size_t,
    offset: off_t,
) -> ssize_t {
    let bytes = match write::fate(descriptor, bytes) {
        Fate::Whole => bytes,
        Fate::Half => bytes / 2,
        Fate::Fails(answer) => return answer,
    };
    // SAFETY: the caller's memory, and no more of it than the caller said.
    unsafe { libc::syscall(libc::SYS_pwrite64, descriptor, from, bytes, offset) as ssize_t }
}

/// The same function: offsets have 64 bits here.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(
    descriptor: c_int,
    from: *const c_void,
    bytes: size_t,
    offset: off_t,
) -> ssize_t {
    // SAFETY: the caller's promises are passed on.
    unsafe { pwrite(descriptor, from, bytes, offset) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn writev(descriptor: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    let known = usize::try_from(count).unwrap_or(0);
    if known > 0 && !parts.is_null() {
        // SAFETY: the caller gives so many parts. The first one stands for all: its half is short.
        let first = unsafe { &*parts };
        match write::fate(descriptor, first.iov_len) {
            Fate::Whole => {}
            Fate::Fails(answer) => return answer,
            Fate::Half => {
                let half = first.iov_len / 2;
                // SAFETY: the caller's memory, and no more of it than the caller said.
                return unsafe {
                    libc::syscall(libc::SYS_write, descriptor, first.iov_base, half) as ssize_t
                };
            }
        }
    }
    // SAFETY: the caller's promises are passed on.
    unsafe { libc::syscall(libc::SYS_writev, descriptor, parts, count) as ssize_t }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    // SAFETY: the caller's promise is passed on.
    let result = unsafe { clock::real(clock, time) };
    let is_wall = matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE);
    if result == 0 && is_wall && !time.is_null() {
        // SAFETY: the C library has just written there.
        unsafe { *time = clock::falsified(*time) };
    }
    result
}

#[unsafe(no_mangle)]
unsafe extern "C" fn gettimeofday(time: *mut timeval, _zone: *mut timezone) -> c_int {
    let now = wall();
    if !time.is_null() {
        // SAFETY: the caller's promise.
        unsafe { *time = timeval { tv_sec: now.tv_sec, tv_usec: now.tv_nsec / 1000 } };
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn time(into: *mut time_t) -> time_t {
    let now = wall().tv_sec;
    if !into.is_null() {
        // SAFETY: the caller's promise.
        unsafe { *into = now };
    }
    now
}

fn wall() -> timespec {
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the place is ours.
    unsafe { clock_gettime(libc::CLOCK_REALTIME, ptr::from_mut(&mut now)) };
    now
}
