//! `MembershipKeeper`: changes of the membership on the leader, one at a time, each under rules
//! that keep a majority that answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::{ChangeMembers, Instant as _, RaftMetrics};
use statekeeper_machine::{Name, NodeId, SubmitError};
use tokio::sync::Semaphore;

use super::limits::HEARTBEAT_LOOK_INTERVAL;
use super::type_config::{Peer, RaftGroup, RaftTypes};
use crate::consensus::{MembershipChange, MembershipError, PROMOTION_LAG_ENTRIES_MAX};

/// Changes the membership.
pub(crate) struct MembershipKeeper {
    raft: RaftGroup,
    /// A peer silent for longer does not count as answering.
    silence_max: Duration,
    turn: Arc<Semaphore>,
}

/// The membership as the leader sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    pub(crate) voters: BTreeSet<NodeId>,
    pub(crate) learners: BTreeSet<NodeId>,
    pub(crate) addresses: BTreeMap<NodeId, Name>,
    pub(crate) peers: BTreeMap<NodeId, PeerProgress>,
    pub(crate) changing: bool,
}

/// One peer as replication sees it; known to leaders only.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PeerProgress {
    pub(crate) matched: Option<u64>,
    pub(crate) silent_for: Option<Duration>,
    pub(crate) lag: Option<u64>,
}

impl Members {
    /// Reads what Raft knows.
    pub(crate) fn of(metrics: &RaftMetrics<RaftTypes>) -> Self {
        let membership = metrics.membership_config.membership();
        let changing = metrics.membership_config != metrics.committed_membership_config
            || membership.get_joint_config().len() > 1;
        let nodes = membership.nodes();
        let addresses = nodes.map(|(node, peer)| (NodeId(*node), peer.raft_address.clone()));
        let mut members = Self {
            voters: membership.voter_ids().map(NodeId).collect(),
            learners: membership.learner_ids().map(NodeId).collect(),
            addresses: addresses.collect(),
            peers: BTreeMap::new(),
            changing,
        };
        let last = metrics.last_log_index;
        for (node, matched) in metrics.replication.iter().flatten() {
            let matched = matched.map(|log_id| log_id.index);
            let lag = last.map(|last| last.saturating_sub(matched.map_or(0, |index| index)));
            let heard = metrics.heartbeat.as_ref().and_then(|heard| heard.get(node).copied());
            let silent_for = heard.flatten().map(|at| at.elapsed());
            members.peers.insert(NodeId(*node), PeerProgress { matched, silent_for, lag });
        }
        members
    }

    fn answers(&self, node: NodeId, me: NodeId, silence_max: Duration) -> bool {
        let silent_for = self.peers.get(&node).and_then(|peer| peer.silent_for);
        node == me || silent_for.is_some_and(|silent| silent < silence_max)
    }
}

impl MembershipKeeper {
    pub(crate) fn new(raft: RaftGroup, silence_max: Duration) -> Self {
        Self { raft, silence_max, turn: Arc::new(Semaphore::new(1)) }
    }

    /// The membership now.
    pub(crate) fn members(&self) -> Members {
        Members::of(&self.raft.metrics().borrow_watched())
    }

    /// Makes one change; for leaders.
    pub(crate) async fn change(&self, change: MembershipChange) -> Result<(), MembershipError> {
        let Ok(_turn) = self.turn.clone().try_acquire_owned() else {
            return refuse("another change of the membership is under way; wait for its end");
        };
        match change {
            MembershipChange::AddLearner { node, raft_address } => {
                self.add_learner(node, raft_address).await
            }
            MembershipChange::Promote { node } => self.promote(node).await,
            MembershipChange::Remove { node } => self.remove(node).await,
            MembershipChange::TransferLeader { to } => self.transfer(to).await,
        }
    }

    /// Writes down that a member lives at another address now.
    pub(crate) async fn move_member(
        &self,
        node: NodeId,
        raft_address: Name,
    ) -> Result<(), MembershipError> {
        let Ok(_turn) = self.turn.clone().try_acquire_owned() else {
            return refuse("another change of the membership is under way; wait for its end");
        };
        let nodes = BTreeMap::from([(node.0, Peer { raft_address })]);
        self.write(ChangeMembers::SetNodes(nodes), true).await
    }

    async fn add_learner(&self, node: NodeId, raft_address: Name) -> Result<(), MembershipError> {
        let members = self.members();
        match members.addresses.get(&node) {
            Some(known) if *known == raft_address => return Ok(()),
            Some(known) => {
                return refuse(format!(
                    "node {node} is a member at {known}; it describes itself when it comes back \
                     at another address"
                ));
            }
            None => {}
        }
        // Another id at this address is a node that was here before: a hello names its target, so
        // nothing reaches the one in place of the other.
        let nodes = BTreeMap::from([(node.0, Peer { raft_address })]);
        self.write(ChangeMembers::AddNodes(nodes), true).await
    }

    async fn promote(&self, node: NodeId) -> Result<(), MembershipError> {
        let members = self.members();
        if members.voters.contains(&node) {
            return Ok(());
        }
        if !members.learners.contains(&node) {
            return refuse(format!("node {node} is no learner; add it first"));
        }
        if !members.answers(node, self.me(), self.silence_max) {
            return refuse(format!("node {node} does not answer; start it or repair the network"));
        }
        let lag = members.peers.get(&node).and_then(|peer| peer.lag);
        if lag.is_none_or(|lag| lag > PROMOTION_LAG_ENTRIES_MAX) {
            let lag = lag.map_or_else(|| "an unknown number of".to_owned(), |lag| lag.to_string());
            return refuse(format!(
                "node {node} is {lag} entries behind the leader, a learner is promoted within \
                 {PROMOTION_LAG_ENTRIES_MAX}; wait until it has caught up"
            ));
        }
        let mut then: Vec<_> = members.voters.iter().copied().collect();
        then.push(node);
        self.expect_majority(&then, |voters, healthy| {
            format!(
                "of the {voters} voters there would be with node {node} only {healthy} answer, \
                 which is no majority; bring voters back first"
            )
        })
        .await?;
        self.write(ChangeMembers::AddVoterIds(BTreeSet::from([node.0])), true).await
    }

    async fn remove(&self, node: NodeId) -> Result<(), MembershipError> {
        let members = self.members();
        let ids = BTreeSet::from([node.0]);
        if members.learners.contains(&node) {
            return self.write(ChangeMembers::RemoveNodes(ids), false).await;
        }
        if !members.voters.contains(&node) {
            return Ok(());
        }
        let left: Vec<_> = members.voters.iter().copied().filter(|voter| *voter != node).collect();
        if left.is_empty() {
            return refuse("the last voter cannot be removed");
        }
        self.expect_majority(&left, |voters, healthy| {
            format!(
                "of the {voters} voters left without node {node} only {healthy} answer, which is \
                 no majority; bring voters back or add one first"
            )
        })
        .await?;
        self.write(ChangeMembers::RemoveVoters(ids), false).await
    }

    /// Refuses by the rule unless a majority of these voters answers a heartbeat that is sent from
    /// now on. What was heard before says nothing: a change that needs a node which died a moment
    /// ago would stop all writes until it is back. The rule is told how many there are and answer.
    async fn expect_majority(
        &self,
        voters: &[NodeId],
        rule: impl FnOnce(usize, usize) -> String,
    ) -> Result<(), MembershipError> {
        let asked = Instant::now();
        loop {
            let waited = asked.elapsed();
            let members = self.members();
            let answers = |voter: &&NodeId| members.answers(**voter, self.me(), waited);
            let healthy = voters.iter().filter(answers).count();
            if healthy > voters.len() / 2 {
                return Ok(());
            }
            if waited >= self.silence_max {
                return refuse(rule(voters.len(), healthy));
            }
            tokio::time::sleep(HEARTBEAT_LOOK_INTERVAL).await;
        }
    }

    async fn transfer(&self, to: NodeId) -> Result<(), MembershipError> {
        let members = self.members();
        if to == self.me() {
            return Ok(());
        }
        if !members.voters.contains(&to) {
            return refuse(format!("node {to} is no voter"));
        }
        if !members.answers(to, self.me(), self.silence_max) {
            return refuse(format!("node {to} does not answer"));
        }
        match self.hand_over(to, self.silence_max * 2).await {
            true => Ok(()),
            false => Err(MembershipError::Submit(SubmitError::Unknown)),
        }
    }

    /// Hands leadership over and waits until that node leads, or for so long.
    pub(crate) async fn hand_over(&self, to: NodeId, within: Duration) -> bool {
        if self.raft.trigger().transfer_leader(to.0).await.is_err() {
            return false;
        }
        let mut metrics = self.raft.server_metrics();
        let until = Instant::now() + within;
        loop {
            if metrics.borrow_and_update().current_leader == Some(to.0) {
                return true;
            }
            match tokio::time::timeout_at(until.into(), metrics.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return false,
            }
        }
    }

    /// The voter that has most of the log, other than this node.
    pub(crate) fn most_caught_up(&self) -> Option<NodeId> {
        let members = self.members();
        let voters = members.voters.iter().copied();
        let answering = voters
            .filter(|voter| *voter != self.me())
            .filter(|voter| members.answers(*voter, self.me(), self.silence_max));
        answering.max_by_key(|voter| members.peers.get(voter).and_then(|peer| peer.matched))
    }

    fn me(&self) -> NodeId {
        NodeId(*self.raft.node_id())
    }

    async fn write(
        &self,
        change: ChangeMembers<u64, Peer>,
        retain: bool,
    ) -> Result<(), MembershipError> {
        match self.raft.change_membership(change, retain).await {
            Ok(_) => Ok(()),
            Err(RaftError::APIError(error)) => Err(membership_error(&error)),
            Err(RaftError::Fatal(_)) => Err(MembershipError::Submit(SubmitError::Unknown)),
        }
    }
}

fn membership_error(error: &ClientWriteError<RaftTypes>) -> MembershipError {
    let rule = match error {
        ClientWriteError::ForwardToLeader(_) => {
            return MembershipError::Submit(SubmitError::NotProposed);
        }
        ClientWriteError::LogEntryDiscarded(_) | ClientWriteError::PreconditionFailed(_) => {
            return MembershipError::Submit(SubmitError::Unknown);
        }
        ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(_)) => {
            "another change of the membership is under way; wait for its end".to_owned()
        }
        ClientWriteError::ChangeMembershipError(error) => error.to_string(),
    };
    MembershipError::Refused { rule }
}

fn refuse<T>(rule: impl Into<String>) -> Result<T, MembershipError> {
    Err(MembershipError::Refused { rule: rule.into() })
}
