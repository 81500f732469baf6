//! The clients under test and what each of them has.

use std::fmt;

/// One client: a language and, where several are held, a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The Java client of this version.
    Java(&'static str),
    /// The Python client.
    Python,
    /// The Node client.
    Node,
}

impl Kind {
    /// Fenced locks: the free Java client has none from 5.4 on.
    pub(crate) fn has_fenced_locks(self) -> bool {
        self != Kind::Java("5.7.0")
    }

    /// Locks that belong to a thread, and so can be taken again by it; Node has no threads.
    pub(crate) fn has_thread_locks(self) -> bool {
        self.has_fenced_locks() && self != Kind::Node
    }

    /// Java alone walks a map by pages and computes by compare-and-set.
    pub(crate) fn is_java(self) -> bool {
        matches!(self, Kind::Java(_))
    }

    /// Near caches that listen for invalidations.
    pub(crate) fn has_near_cache(self) -> bool {
        self != Kind::Python
    }

    /// Sends a class without any serializer as Compact, with its schema.
    pub(crate) fn has_zero_config_compact(self) -> bool {
        matches!(self, Kind::Java("5.3.8" | "5.7.0"))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Java(version) => write!(f, "java-{version}"),
            Kind::Python => f.write_str("python"),
            Kind::Node => f.write_str("node"),
        }
    }
}
