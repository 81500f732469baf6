//! The sync shim: makes sled's `flush` reach the disk.
//!
//! sled 0.34 calls `sync_file_range` after each write and takes that for durable, which it is not:
//! neither the drive's cache nor the file's length and block mappings are committed. A program that
//! links this crate defines that C symbol itself, and the linker prefers it to the C library's; it
//! calls `fdatasync` instead. The counter lets the log store prove at start that it is in place.
//!
//! The only unsafe code of statekeeper: a C symbol cannot be defined without it.
#![deny(unsafe_code)]

use std::ffi::{c_int, c_uint};
use std::sync::atomic::{AtomicU64, Ordering};

static SYNCS: AtomicU64 = AtomicU64::new(0);

/// How many syncs went through the shim since the process began.
pub fn syncs() -> u64 {
    SYNCS.load(Ordering::Relaxed)
}

/// Stands in for the C library's function of this name: syncs the whole file's data and the
/// metadata needed to read it back. The range and the flags are ignored on purpose.
#[cfg(target_os = "linux")]
#[allow(
    unsafe_code,
    reason = "sled reaches this function through its C symbol only; fdatasync takes a plain \
              descriptor, and a wrong one is answered with an error"
)]
#[unsafe(no_mangle)]
pub extern "C" fn sync_file_range(
    descriptor: c_int,
    _offset: libc::off64_t,
    _bytes: libc::off64_t,
    _flags: c_uint,
) -> c_int {
    SYNCS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: no memory is passed; the kernel checks the descriptor.
    unsafe { libc::fdatasync(descriptor) }
}
