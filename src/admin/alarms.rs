//! What an operator should look at, from the state of this moment: nothing has to be cleared.

use crate::consensus::{Role, Status};

use super::context::AdminContext;
use super::quorum::Quorum;

/// Accounted bytes above this part of the limit are an alarm.
const STATE_PERCENT_MAX: u64 = 80;

/// Something to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// This node stops.
    NodeFailed,
    /// This node hears of no leader.
    NoLeader,
    /// The next failure stops the cluster.
    NoFailureTolerated,
    /// One voter more would be as safe as this many.
    EvenVoters,
    /// The state is near its limit.
    StateNearlyFull,
}

impl Alarm {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [
        Self::NodeFailed,
        Self::NoLeader,
        Self::NoFailureTolerated,
        Self::EvenVoters,
        Self::StateNearlyFull,
    ];

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NodeFailed => "node-failed",
            Self::NoLeader => "no-leader",
            Self::NoFailureTolerated => "no-failure-tolerated",
            Self::EvenVoters => "even-voters",
            Self::StateNearlyFull => "state-nearly-full",
        }
    }

    /// What it means and what to do.
    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::NodeFailed => "this node may not go on; its log says why",
            Self::NoLeader => "no leader is known here: start the missing nodes, check the network",
            Self::NoFailureTolerated => {
                "one more failure stops the cluster: bring nodes back, or add one"
            }
            Self::EvenVoters => "an even number of voters tolerates no more than one fewer",
            Self::StateNearlyFull => {
                "the state has more than 80 % of limits.state-bytes-max: remove data or raise it"
            }
        }
    }
}

/// What is on now.
pub(super) fn active(context: &AdminContext, status: &Status) -> Vec<Alarm> {
    let quorum = Quorum::of(status, context.info.peer_silence_max);
    let state_bytes_max = context.limits.state_bytes_max;
    let is_on = |alarm: &Alarm| match alarm {
        Alarm::NodeFailed => status.failure.is_some(),
        Alarm::NoLeader => status.cluster.is_some() && (status.leader.is_none() || status.isolated),
        Alarm::NoFailureTolerated => {
            status.role == Role::Leader && quorum.margin().is_some_and(|margin| margin <= 0)
        }
        Alarm::EvenVoters => !quorum.voters.is_empty() && quorum.voters.len().is_multiple_of(2),
        Alarm::StateNearlyFull => {
            status.state_bytes > state_bytes_max / 100 * STATE_PERCENT_MAX && state_bytes_max > 0
        }
    };
    Alarm::ALL.into_iter().filter(is_on).collect()
}
