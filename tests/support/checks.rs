//! Checks that share one cluster: each runs even when an earlier one failed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// Runs named checks and fails at the end with the list of those that failed.
pub(crate) struct Checks {
    subject: String,
    failed: Vec<String>,
}

impl Checks {
    /// Starts a list for a client.
    pub(crate) fn of(subject: impl ToString) -> Checks {
        Checks { subject: subject.to_string(), failed: Vec::new() }
    }

    /// Runs one check; its panic is kept for the end.
    pub(crate) fn check(&mut self, name: &str, check: impl FnOnce()) {
        let begin = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(check));
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        eprintln!("{}: {name}: {word} ({} ms)", self.subject, begin.elapsed().as_millis());
        if let Err(panic) = outcome {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
                .unwrap_or_default();
            self.failed.push(format!("{name}: {text}"));
        }
    }

    /// Panics when any check failed.
    pub(crate) fn finish(self) {
        assert!(
            self.failed.is_empty(),
            "{} of {}'s checks failed:\n  {}",
            self.failed.len(),
            self.subject,
            self.failed.join("\n  ")
        );
    }
}
