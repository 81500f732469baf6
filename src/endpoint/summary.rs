//! A conversation in lists.

/// A conversation in lists (admin API: `/v1/clients`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointSummary {
    /// Listeners registered.
    pub listeners: usize,
    /// Requests without an answer yet.
    pub in_flight: usize,
}
