//! Newtypes for every identity and time the machine handles: a bare integer never stands for one.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a map, set, lock, id generator or CP group; cheap to clone.
pub type Name = Arc<str>;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
            Serialize, Deserialize,
        )]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! uuid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let hex = format!("{:032x}", self.0);
                let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
                f.write_str(&parts.join("-"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

number! {
    /// A Raft participant, drawn once and kept in its data directory; never zero.
    NodeId(u64)
}
number! {
    /// Cluster time in milliseconds since the Unix epoch, as stamped by leaders; see
    /// `LogEntry::at`.
    ClusterTime(u64)
}
number! {
    /// A CP session, unique within its group, at least 1 (protocol: `CPSession.createSession`).
    SessionId(i64)
}
number! {
    /// A client's thread; meaningful only together with its session or client.
    ThreadId(i64)
}
number! {
    /// A fencing token: grows with every new hold of a lock, 0 stands for "not acquired".
    Fence(i64)
}
uuid! {
    /// What clients call a member: one per node, kept in its data directory.
    MemberUuid
}
uuid! {
    /// A client instance, drawn by the client (protocol: `Client.authentication`).
    ClientUuid
}
uuid! {
    /// The cluster, drawn by its founder and never changed.
    ClusterId
}
uuid! {
    /// The identity of a CP call, the same in every retry of it (protocol: `invocationUid`).
    InvocationUid
}

impl ThreadId {
    /// Whichever thread of a client: calls that carry none (`Map.putAll`, `setTtl`, `removeAll`)
    /// must not wait for a lock that their own thread may hold.
    pub const ANY: Self = Self(i64::MIN);
}

impl ClusterTime {
    /// This time moved on by `ms` milliseconds.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}
