//! `Cluster`: what the cluster is, its nodes, and what clients are told about them.
//!
//! Invariants: listed nodes are described; both versions only grow; the owner is the member of the
//! node that took office last, which is always listed while it is described.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::accounting::ROW_BYTES;
use crate::command::{NodeDescription, SessionSettings};
use crate::event::Event;
use crate::expiry::Step;
use crate::ids::{MemberUuid, NodeId};
use crate::limits;
use crate::outcome::{Outcome, Rejection, Reply};
use crate::view::{ClusterInfo, ClusterView, PARTITION_VERSION_STEP};

/// The cluster's own state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cluster {
    pub(crate) info: Option<ClusterInfo>,
    pub(crate) sessions: SessionSettings,
    pub(crate) nodes: BTreeMap<NodeId, NodeDescription>,
    listed: BTreeSet<NodeId>,
    leader: Option<NodeId>,
    owner: Option<MemberUuid>,
    members_version: i32,
    partitions_version: i32,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            info: None,
            // What `cp.session-time-to-live` and `cp.session-heartbeat-interval` say by default.
            sessions: SessionSettings { time_to_live_ms: 30_000, heartbeat_interval_ms: 5_000 },
            nodes: BTreeMap::new(),
            listed: BTreeSet::new(),
            leader: None,
            owner: None,
            members_version: 0,
            partitions_version: 0,
        }
    }
}

impl Cluster {
    /// Accounted bytes.
    pub(crate) fn bytes(&self) -> u64 {
        ROW_BYTES * (1 + self.nodes.len() as u64)
    }

    /// The clients' view.
    pub(crate) fn view(&self) -> ClusterView {
        ClusterView {
            members_version: self.members_version,
            members: self.listed.iter().filter_map(|node| self.nodes.get(node)).cloned().collect(),
            partitions_version: self.partitions_version,
            owner: self.owner,
        }
    }

    /// Writes what the founder decided.
    pub(crate) fn found(&mut self, info: ClusterInfo, sessions: SessionSettings) -> Reply {
        if self.info.is_some() {
            return Err(Rejection::AlreadyFounded);
        }
        self.info = Some(ClusterInfo { leader: self.leader, ..info });
        self.sessions = sessions;
        Ok(Outcome::Done)
    }

    /// A leader takes office.
    pub(crate) fn take_office(&mut self, step: &mut Step<'_>, leader: NodeId) -> Reply {
        self.leader = Some(leader);
        if let Some(info) = &mut self.info {
            info.leader = Some(leader);
        }
        if self.nodes.contains_key(&leader) && self.listed.insert(leader) {
            self.members_version = self.members_version.saturating_add(1);
        }
        self.owner = self.nodes.get(&leader).map(|node| node.member);
        self.partitions_version = self.partitions_version.saturating_add(PARTITION_VERSION_STEP);
        step.events.push(Event::OfficeTaken { leader });
        step.events.push(Event::ViewChanged);
        Ok(Outcome::Done)
    }

    /// Makes a node known and lists it.
    pub(crate) fn describe(&mut self, step: &mut Step<'_>, node: NodeDescription) -> Reply {
        let id = node.node;
        if !self.nodes.contains_key(&id) && self.nodes.len() >= limits::NODES_MAX {
            return Err(limits::reached("nodes-max", limits::NODES_MAX));
        }
        let listed = self.listed.insert(id);
        let member = node.member;
        let same = self.nodes.get(&id) == Some(&node);
        self.nodes.insert(id, node);
        if listed || !same {
            self.members_changed(step);
        }
        if self.leader == Some(id) && self.owner != Some(member) {
            self.owner_changed(Some(member));
        }
        Ok(Outcome::Done)
    }

    /// Takes a node off the list. The leader stays: it owns the partitions, and an owner must be
    /// listed.
    pub(crate) fn unlist(&mut self, step: &mut Step<'_>, node: NodeId) -> Reply {
        if self.leader != Some(node) && self.listed.remove(&node) {
            self.members_changed(step);
        }
        Ok(Outcome::Done)
    }

    /// Puts a node on the list.
    pub(crate) fn list(&mut self, step: &mut Step<'_>, node: NodeId) -> Reply {
        if !self.nodes.contains_key(&node) {
            return Err(Rejection::NodeUnknown { node });
        }
        if self.listed.insert(node) {
            self.members_changed(step);
        }
        Ok(Outcome::Done)
    }

    /// Forgets a node that left.
    pub(crate) fn forget(&mut self, step: &mut Step<'_>, node: NodeId) -> Reply {
        if self.nodes.remove(&node).is_none() {
            return Ok(Outcome::Done);
        }
        if self.leader == Some(node) {
            self.owner_changed(None);
        }
        self.listed.remove(&node);
        self.members_changed(step);
        Ok(Outcome::Done)
    }

    fn members_changed(&mut self, step: &mut Step<'_>) {
        self.members_version = self.members_version.saturating_add(1);
        step.events.push(Event::ViewChanged);
    }

    fn owner_changed(&mut self, owner: Option<MemberUuid>) {
        self.owner = owner;
        self.partitions_version = self.partitions_version.saturating_add(PARTITION_VERSION_STEP);
    }
}
