//! What a run writes down: entries in the order in which the harness saw them.
//!
//! - `entry`: one line; `recorder`: the one place where lines get their order.
//! - `json`: the file, written and read again.
//! - `wellformed`: the rules a harness must keep; a history that breaks them judges nobody.
//! - `edn`: the same history for other people's checkers.

mod edn;
mod entry;
mod json;
mod recorder;
mod wellformed;

pub use edn::edn;
pub use entry::{Entry, EntryType, Header, History, Process};
pub use json::{parse, read, write};
pub use recorder::Recorder;
pub use wellformed::{Malformed, check};
