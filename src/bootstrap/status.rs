//! What a node without a cluster tells its operator.

use std::time::Instant;

/// Where the bootstrap stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootstrapStatus {
    /// What the node waits for, in one line; empty before the first look and after the decision.
    pub waits_for: String,
    /// What was asked in the last look around.
    pub attempts: Vec<Attempt>,
}

/// One address and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The address.
    pub address: String,
    /// What came of it, in words.
    pub result: String,
    /// Whether a node answered.
    pub answered: bool,
    /// When it was asked.
    pub at: Instant,
}
