//! What clients are told about the cluster: members, and who owns the partitions.

use serde::{Deserialize, Serialize};

use crate::command::NodeDescription;
use crate::ids::{ClusterId, ClusterTime, MemberUuid, Name, NodeId};

/// Partition versions are a counter of the state times this, so that a node cut off from the leader
/// can show a table of its own in the gap (protocol page, section 6).
pub const PARTITION_VERSION_STEP: i32 = 256;

/// The clients' view of the cluster at one log index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    /// Grows with every change of `members`.
    pub members_version: i32,
    /// Listed members in order of their node ids.
    pub members: Vec<NodeDescription>,
    /// Grows with every change of `owner`, in steps of `PARTITION_VERSION_STEP`.
    pub partitions_version: i32,
    /// The member that owns every partition: the leader.
    pub owner: Option<MemberUuid>,
}

/// What the founder wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterInfo {
    /// The cluster.
    pub id: ClusterId,
    /// What clients ask for.
    pub name: Name,
    /// When it was founded.
    pub founded_at: ClusterTime,
    /// Who took office last.
    pub leader: Option<NodeId>,
}

/// What became of a waiting call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitState {
    /// It still waits.
    Waiting,
    /// It has this answer.
    Ended(crate::outcome::Reply),
    /// The state knows nothing of it (any more).
    Unknown,
}
