//! Where a member listens.

use super::custom_type;

custom_type! {
    /// A member's client address. Clients connect to exactly what stands here.
    Address {
        /// Name or IP address.
        host: String,
        /// Port.
        port: i32,
    }
}
