//! `RaftSettings`: what replication is told, as plain values, and the timers that follow from it.

use std::time::Duration;

use openraft::{Config, SnapshotPolicy};
use statekeeper_machine::{ClusterId, MapSettings, Name, NodeId, SessionSettings};

use super::error::RaftError;
use super::limits;
use crate::consensus::PROMOTION_LAG_ENTRIES_MAX;

/// What replication is told.
#[derive(Clone, Debug)]
pub struct RaftSettings {
    /// `raft.heartbeat-interval`.
    pub heartbeat_interval: Duration,
    /// `raft.election-timeout`: the whole wait before a campaign, as an operator sees it.
    pub election_timeout: Duration,
    /// `raft.reads` is `lease`.
    pub lease_reads: bool,
    /// `raft.snapshot-log-bytes`.
    pub snapshot_log_bytes: u64,
    /// `raft.bootstrap-expect`.
    pub bootstrap_expect: usize,
    /// `client.operation-timeout`.
    pub operation_timeout: Duration,
    /// `client.member-timeout`.
    pub member_timeout: Duration,
    /// `coordinator.check-timeout`.
    pub coordinator_check_timeout: Duration,
    /// `limits.state-bytes-max`.
    pub state_bytes_max: u64,
    /// `log.slow-apply`.
    pub slow_apply: Duration,
}

/// What the founder decides, once in the life of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founding {
    /// Drawn by the founder.
    pub cluster_id: ClusterId,
    /// What clients must ask for.
    pub cluster_name: Name,
    /// The first voters and their Raft addresses, the founder among them.
    pub members: Vec<(NodeId, Name)>,
    /// CP session times.
    pub sessions: SessionSettings,
    /// Settings of maps by name.
    pub maps: Vec<(Name, MapSettings)>,
}

impl RaftSettings {
    /// How long without a sign of the leader until a node calls itself cut off.
    pub(crate) fn isolated_after(&self) -> Duration {
        2 * self.election_timeout
    }

    /// openraft's configuration.
    ///
    /// openraft adds the lease (its `election_timeout_max`) and the random election time-out before
    /// a follower campaigns: half of our time-out, and 0.3 to 0.5 of it, give 0.8 to 1.0.
    pub(crate) fn openraft_config(&self) -> Result<Config, RaftError> {
        let timeout_ms = millis(self.election_timeout);
        let config = Config {
            cluster_name: "statekeeper".to_owned(),
            heartbeat_interval: millis(self.heartbeat_interval),
            election_timeout_min: timeout_ms * 3 / 10,
            election_timeout_max: timeout_ms / 2,
            // The whole of one call of a snapshot transfer; its parts have deadlines of their own.
            install_snapshot_timeout: 20_000,
            max_payload_entries: limits::APPEND_ENTRIES_MAX,
            // Compaction counts bytes, which openraft does not: see `compaction`.
            snapshot_policy: SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: u64::MAX,
            replication_lag_threshold: PROMOTION_LAG_ENTRIES_MAX,
            enable_pre_vote: Some(true),
            // Followers are sent entries that the leader's own disk may not have yet. A leader that
            // lost one and went on under the same term would give its index to another command,
            // and nobody could tell the two apart.
            enable_leader_restore: Some(false),
            allow_log_reversion: Some(false),
            // A follower that is back is tried again soon: the delay counts against the fail-over.
            backoff: "50ms 100ms 200ms ..500ms".to_owned(),
            ..Config::default()
        };
        config.validate().map_err(|source| RaftError::Settings { reason: source.to_string() })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
