//! A CP group.

use super::custom_type;

custom_type! {
    /// The id of a CP group: opaque to clients, the same for the same name always.
    RaftGroupId {
        /// The group's name.
        name: String,
        /// Tells apart groups across a reset of the CP subsystem.
        seed: i64,
        /// The group's number.
        id: i64,
    }
}
