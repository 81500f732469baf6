//! Pages and plots of a run, and what many runs amount to.
//!
//! Everything but `write`, `serve` and `summary` is a pure function from a history and results to
//! text: what is told of a run depends on its files alone, so that it can be told again.

mod anomaly;
mod edn;
mod figures;
mod folder;
mod index;
mod latency;
mod markup;
mod operations;
mod overview;
mod plot;
mod rate;
mod recovery;
mod run;
#[cfg(test)]
mod samples;
mod serve;
mod summary;
mod timeline;

pub use anomaly::{Anomaly, anomaly_page};
pub use edn::results_edn;
pub use figures::{Figures, KindFigures, Quantiles, figures};
pub use folder::write;
pub use index::{Run, index};
pub use latency::{latency_quantiles, latency_raw};
pub use overview::{cell_page, overview};
pub use rate::rate;
pub use recovery::{Recovery, RecoveryFigures, RecoverySample, recovery};
pub use run::{
    FaultTally, RunPlan, RunResults, StoredRun, StoredRuns, Verdict, Violation, stored_runs,
};
pub use serve::{serve, serve_on};
pub use summary::{GoalRow, GoalState, Measured, Sum, Summary, Told, note_measured, summary};
pub use timeline::timeline;
