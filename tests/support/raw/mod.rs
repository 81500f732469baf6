//! A client of our own on the wire: what the tests send is exactly what they say.
//!
//! It routes nothing and repeats nothing, so that a test sees each answer and each silence.

mod client;
mod lock;
mod map;
mod values;

pub(crate) use client::{CallError, Pending, RawClient};
pub(crate) use lock::{Locker, RawLock, new_uid};
pub(crate) use map::RawMap;
pub(crate) use values::{number, number_of, text, text_of};
