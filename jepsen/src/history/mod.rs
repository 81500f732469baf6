//! What a run writes down: entries in the order in which the harness saw them.

mod entry;
mod recorder;

pub use entry::{Entry, EntryType, Header, History, Process};
pub use recorder::Recorder;
