//! Pages and plots of a run.

mod figures;
mod latency;
mod markup;
mod operations;
mod plot;
mod rate;
mod recovery;
mod run;
#[cfg(test)]
mod samples;

pub use figures::{Figures, KindFigures, Quantiles, figures};
pub use latency::{latency_quantiles, latency_raw};
pub use rate::rate;
pub use recovery::{Recovery, RecoveryFigures, RecoverySample, recovery};
pub use run::{FaultTally, RunPlan, RunResults, StoredRun, Verdict, Violation, stored_runs};
