//! The control block: 64-bit slots in a small file that the harness writes and the preloaded
//! library maps. Both sides are built from this one list.

/// Slots in the block; the file has eight bytes for each, in the machine's order.
pub(crate) const SLOTS: usize = 32;

/// A flush takes this many milliseconds longer.
pub(crate) const SLOW_MS: usize = 0;
/// A flush waits for as long as this is not 0.
pub(crate) const HANG: usize = 1;
/// So many flushes still fail with `EIO`; `LASTING`: every one.
pub(crate) const FAILING_FLUSHES: usize = 2;
/// So many writes to regular files are still spoilt; `LASTING`: every one.
pub(crate) const SPOILT_WRITES: usize = 3;
/// What a spoilt write answers: an `errno`, or `SHORT`.
pub(crate) const WRITE_ANSWER: usize = 4;
/// Only files on the device of this number are affected; 0: all files.
pub(crate) const DEVICE: usize = 5;

/// Odd while the clock's slots are written, so that a reader never mixes two settings.
pub(crate) const CLOCK_VERSION: usize = 8;
/// Nanoseconds by which the wall clock is ahead, signed.
pub(crate) const CLOCK_AHEAD: usize = 9;
/// Nanoseconds it gains in each second, signed.
pub(crate) const CLOCK_DRIFT: usize = 10;
/// When the drift began: nanoseconds of the monotonic clock.
pub(crate) const CLOCK_SINCE: usize = 11;
/// Nanoseconds by which it is ahead in one half of a strobe's period and behind in the other.
pub(crate) const STROBE_BY: usize = 12;
/// Nanoseconds of a strobe's half period; 0: no strobe.
pub(crate) const STROBE_HALF: usize = 13;

/// Processes that have loaded the library with this block.
pub(crate) const LOADED: usize = 16;
/// Flushes made, spoilt or not.
pub(crate) const FLUSHES: usize = 17;
/// Flushes that were held back for `SLOW_MS`.
pub(crate) const FLUSHES_SLOWED: usize = 18;
/// Flushes that hung.
pub(crate) const FLUSHES_HUNG: usize = 19;
/// Flushes that were answered `EIO`.
pub(crate) const FLUSHES_FAILED: usize = 20;
/// Writes that failed or were cut short.
pub(crate) const WRITES_SPOILT: usize = 21;
/// Readings of a false wall clock.
pub(crate) const FALSE_TIMES: usize = 22;
/// Nanoseconds by which the last false reading was ahead, signed.
pub(crate) const LAST_AHEAD: usize = 23;

/// In place of a number of calls: until it is taken back.
pub(crate) const LASTING: u64 = u64::MAX;
/// In place of an `errno`: the first half of the bytes is written.
pub(crate) const SHORT: u64 = u64::MAX;
