//! The version of a cluster.

use super::custom_type;

custom_type! {
    /// A cluster's version.
    #[since("2.8")]
    Version {
        /// Major.
        major: i8,
        /// Minor.
        minor: i8,
    }
}
