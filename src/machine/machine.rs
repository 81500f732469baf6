//! `Machine`: the whole replicated state and the one way to change it.

use crate::command::NodeDescription;
use crate::event::WaitKey;
use crate::ids::{ClientUuid, ClusterTime};
use crate::outcome::{Answer, Outcome, Reply};
use crate::proposal::{Applied, LogEntry, Origin};
use crate::query::Query;
use crate::snapshot::{Frozen, SnapshotError};
use crate::view::{ClusterInfo, ClusterView, WaitState};

/// The replicated state.
#[derive(Debug, Default)]
pub struct Machine {
    time: ClusterTime,
}

impl Machine {
    /// The empty machine, before `Found`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies one log entry.
    pub fn apply(&mut self, entry: LogEntry) -> Applied {
        self.time = self.time.max(entry.at);
        Applied { reply: Ok(Outcome::Done), events: Vec::new() }
    }

    /// Answers a query; changes nothing and looks at no clock.
    #[must_use]
    pub fn query(&self, _query: &Query) -> Answer {
        Answer::Nothing
    }

    /// Time of the last entry.
    #[must_use]
    pub fn time(&self) -> ClusterTime {
        self.time
    }

    /// What the founder wrote, once it did.
    #[must_use]
    pub fn cluster(&self) -> Option<&ClusterInfo> {
        None
    }

    /// Listed members, partition owner, versions.
    #[must_use]
    pub fn view(&self) -> ClusterView {
        ClusterView::default()
    }

    /// All described nodes, listed or not.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeDescription> {
        Vec::new()
    }

    /// The earliest time to live, session end, wait end or lease end: the leader then proposes `Expire`.
    #[must_use]
    pub fn next_deadline(&self) -> Option<ClusterTime> {
        None
    }

    /// The earliest idle end: the leader first proposes collected touches, then `Expire`.
    #[must_use]
    pub fn next_idle_deadline(&self) -> Option<ClusterTime> {
        None
    }

    /// Whether reads of this map must be told by `Touch`.
    #[must_use]
    pub fn wants_touches(&self, _map: &str) -> bool {
        false
    }

    /// What became of a waiting call.
    #[must_use]
    pub fn wait_state(&self, _wait: &WaitKey) -> WaitState {
        WaitState::Unknown
    }

    /// The remembered reply of a sequence.
    #[must_use]
    pub fn reply_of(&self, _origin: &Origin) -> Option<Reply> {
        None
    }

    /// Clients that hold or wait for map locks.
    #[must_use]
    pub fn map_lock_holders(&self) -> Vec<ClientUuid> {
        Vec::new()
    }

    /// Accounted bytes of the whole state.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        0
    }

    /// Hash of the whole state: equal on all nodes exactly when their states are.
    #[must_use]
    pub fn digest(&self) -> u64 {
        0
    }

    /// A cheap view of the state at this moment, for a snapshot; writes go on meanwhile.
    #[must_use]
    pub fn freeze(&self) -> Frozen {
        Frozen {}
    }

    /// Reads an image that `Frozen::blocks` wrote.
    ///
    /// # Errors
    /// When the image is damaged, cut short or of another version.
    pub fn restore<I, B>(_blocks: I) -> Result<Self, SnapshotError>
    where
        I: IntoIterator<Item = B>,
        B: AsRef<[u8]>,
    {
        Ok(Self::default())
    }
}
