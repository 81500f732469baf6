//! How many voters there are, how many answer, and how many more may fail.

use std::time::Duration;

use statekeeper_machine::NodeId;

use crate::consensus::{PeerStatus, Role, Status};

/// The voters as this node sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Quorum {
    /// All voters, in order of their ids.
    pub(super) voters: Vec<NodeId>,
    /// Those that answer; leaders only know.
    pub(super) healthy: Option<Vec<NodeId>>,
}

impl Quorum {
    /// From what Raft says; a peer silent for longer than `silence_max` does not count as healthy.
    pub(super) fn of(status: &Status, silence_max: Duration) -> Self {
        let voters = || status.peers.iter().filter(|peer| peer.voter);
        let healthy = (status.role == Role::Leader).then(|| {
            let answers = |peer: &&PeerStatus| answers(status, peer, silence_max);
            voters().filter(answers).map(|peer| peer.node).collect()
        });
        Self { voters: voters().map(|peer| peer.node).collect(), healthy }
    }

    /// Voters it takes.
    pub(super) fn needed(&self) -> usize {
        needed(self.voters.len())
    }

    /// How many more may fail; negative without a quorum.
    pub(super) fn margin(&self) -> Option<i32> {
        let healthy = i32::try_from(self.healthy.as_ref()?.len()).unwrap_or(i32::MAX);
        Some(healthy - i32::try_from(self.needed()).unwrap_or(i32::MAX))
    }

    /// The same in words.
    pub(super) fn words(&self) -> String {
        let all = self.voters.len();
        match (&self.healthy, self.margin()) {
            _ if all == 0 => "no voters are known".to_owned(),
            (Some(healthy), Some(margin)) => {
                let may_fail = match margin {
                    ..0 => "no quorum".to_owned(),
                    0 => "none may fail".to_owned(),
                    1 => "one may fail".to_owned(),
                    more => format!("{more} may fail"),
                };
                format!("{} of {all} nodes, {may_fail}", healthy.len())
            }
            (None, _) | (_, None) => {
                format!("{all} voters, {} must answer; the leader knows which do", self.needed())
            }
        }
    }
}

/// Whether a peer is there, as far as a leader knows; it is always there itself.
pub(super) fn answers(status: &Status, peer: &PeerStatus, silence_max: Duration) -> bool {
    peer.node == status.node || peer.silent_for.is_some_and(|silent| silent <= silence_max)
}

/// A majority of so many voters.
pub(super) fn needed(voters: usize) -> usize {
    voters / 2 + 1
}
