//! The judges: they see histories only.
//!
//! - `judge`: the one entry; divides a history into parts and judges each.
//! - `wgl`: the search for an order, over the `models` of objects; `events` and `ttl` are models
//!   with lines and moments of their own. `ids`, `record` and `set_full` need no search.
//! - `explain`, `shrink`: what is wrong, and the least that shows it.
//! - `coverage`, `available`: whether a run did enough to count, and served while it should.

mod available;
mod coverage;
mod events;
mod explain;
mod ids;
mod judge;
mod list;
mod model;
mod models;
mod operation;
mod placed;
mod record;
mod set_full;
mod shrink;
mod ttl;
mod verdict;
mod wgl;

pub use available::{Availability, Window, available, faulted};
pub use coverage::{Coverage, Needs, Outcomes, coverage};
pub use judge::{judge, judge_file};
pub use model::Model;
pub use verdict::{Budget, CheckerResult, Judgement, Verdict, Violation};
pub use wgl::{Call, Found, Limits, search};
