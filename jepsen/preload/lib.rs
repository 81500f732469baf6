//! Preloaded into a process (`LD_PRELOAD`): stands before the C library's functions that flush,
//! write, and read the wall clock, and does to them what the control block says.
//!
//! - The block is the file that `JEPSEN_FAULTS` names; without it everything passes through.
//! - The monotonic clock is never touched, nor what the kernel does by its own wall clock: times
//!   of files, and waits until an instant of the wall clock.
//! - `sync_file_range` is left alone: a node defines it itself, to call `fdatasync`, and takes a
//!   second definition for a sign that its own does not count.
//! - The C symbols must not allocate: an allocator calls them too.
#![deny(unsafe_code)]

mod calls;
mod clock;
mod flush;
mod slots;
mod write;

use std::ffi::{CString, c_int};
use std::os::unix::ffi::OsStrExt as _;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// The mapped block; null where there is none.
static BLOCK: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// Runs before the program's `main`, when it has one thread: a lock taken at the first call
/// could be held by another thread when the process forks.
#[allow(unsafe_code, reason = "the linker's section for functions that run at the start")]
#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = {
    extern "C" fn at_start() {
        clock::find_real();
        let Some(path) = std::env::var_os("JEPSEN_FAULTS") else { return };
        let Ok(path) = CString::new(path.as_bytes()) else { return };
        match map(&path) {
            Some(block) => {
                BLOCK.store(block, Ordering::Release);
                count(slots::LOADED);
            }
            None => eprintln!("statekeeper_preload: cannot map {path:?}"),
        }
    }
    at_start
};

#[allow(unsafe_code, reason = "memory shared with another process comes from mmap alone")]
fn map(path: &CString) -> Option<*mut AtomicU64> {
    let bytes = slots::SLOTS * size_of::<AtomicU64>();
    // SAFETY: the path is a C string; the mapping is new, is checked, and is never unmapped.
    let mapped = unsafe {
        let file = libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        if file < 0 {
            return None;
        }
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let mapped = libc::mmap(ptr::null_mut(), bytes, access, libc::MAP_SHARED, file, 0);
        libc::close(file);
        mapped
    };
    (mapped != libc::MAP_FAILED).then_some(mapped.cast())
}

#[allow(unsafe_code, reason = "reads memory that mmap gave")]
fn slot(number: usize) -> Option<&'static AtomicU64> {
    assert!(number < slots::SLOTS);
    let block = BLOCK.load(Ordering::Acquire);
    // SAFETY: the mapping is never unmapped and has `SLOTS` slots of zeros or more; a mapped page
    // begins at a multiple of eight.
    (!block.is_null()).then(|| unsafe { &*block.add(number) })
}

/// What a slot holds; 0 without a block.
fn value(number: usize) -> u64 {
    slot(number).map_or(0, |slot| slot.load(Ordering::Acquire))
}

fn set(number: usize, to: u64) {
    if let Some(slot) = slot(number) {
        slot.store(to, Ordering::Release);
    }
}

fn count(number: usize) {
    if let Some(slot) = slot(number) {
        slot.fetch_add(1, Ordering::AcqRel);
    }
}

/// Takes one of the calls that are still to be spoilt.
fn take(number: usize) -> bool {
    let Some(slot) = slot(number) else { return false };
    let one_less = |left| match left {
        0 => None,
        slots::LASTING => Some(slots::LASTING),
        left => Some(left - 1),
    };
    slot.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_ok()
}

/// Whether the faults are meant for this file.
#[allow(unsafe_code, reason = "the only way to ask for a descriptor's device")]
fn is_meant(descriptor: c_int, regular_only: bool) -> bool {
    let device = value(slots::DEVICE);
    if device == 0 && !regular_only {
        return true;
    }
    // SAFETY: the kernel fills the structure, and checks the descriptor.
    let status = unsafe {
        let mut status = std::mem::zeroed::<libc::stat>();
        if libc::fstat(descriptor, &raw mut status) != 0 {
            return false;
        }
        status
    };
    let is_regular = status.st_mode & libc::S_IFMT == libc::S_IFREG;
    (device == 0 || device == status.st_dev) && (is_regular || !regular_only)
}

/// What a C function answers that fails.
#[allow(unsafe_code, reason = "errno is reached by its address alone")]
fn fail<T: From<i8>>(errno: c_int) -> T {
    // SAFETY: the address is this thread's own.
    unsafe { *libc::__errno_location() = errno };
    T::from(-1)
}
