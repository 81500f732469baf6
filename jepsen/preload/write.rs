//! Writes to regular files that fail or stop half way.

use std::ffi::c_int;

use crate::{count, fail, is_meant, slots, take, value};

/// Standard input, output and error: a log is not the disk that is meant.
const STANDARD: std::ops::RangeInclusive<c_int> = 0..=2;

/// What becomes of one write.
pub(crate) enum Fate {
    Whole,
    /// Only the first half.
    Half,
    /// Nothing is written, and this is the answer.
    Fails(isize),
}

/// Decides on a write of so many bytes.
pub(crate) fn fate(descriptor: c_int, bytes: usize) -> Fate {
    let calm = value(slots::SPOILT_WRITES) == 0 || STANDARD.contains(&descriptor);
    if calm || !is_meant(descriptor, true) {
        return Fate::Whole;
    }
    let answer = value(slots::WRITE_ANSWER);
    if (answer == slots::SHORT && bytes < 2) || !take(slots::SPOILT_WRITES) {
        return Fate::Whole;
    }
    count(slots::WRITES_SPOILT);
    match c_int::try_from(answer) {
        Ok(errno) => Fate::Fails(fail(errno)),
        Err(_) => Fate::Half,
    }
}
