//! Limits and times of finding each other, each with its reason.

use std::time::Duration;

/// The longest frame names `MEMBERS_MAX` nodes with two addresses each.
pub const FRAME_BYTES_MAX: usize = 48 * 1024;
/// A host name is at most 255 bytes, its port and brackets come on top; cluster names are shorter.
pub const TEXT_BYTES_MAX: usize = 272;
/// More voters than this no founding has.
pub const MEMBERS_MAX: usize = 64;
/// Questions on their way at once: a directory full of dead seeds must not use up descriptors.
pub const ASKS_IN_FLIGHT_MAX: usize = 64;
/// Addresses remembered from datagrams; anybody on the network may send some.
pub const HEARD_MAX: usize = 1024;
/// A peer that takes longer than this for one question and its answer is cut off.
pub const SERVE_TIMEOUT: Duration = Duration::from_secs(10);
/// The port that a listed host without a port stands for in a founding: one host, one place.
pub const FOUNDING_PORT: u16 = 5701;
/// The ports that clients try at a host without a port, and so do nodes.
pub const DEFAULT_PORTS: [u16; 3] = [5701, 5702, 5703];
