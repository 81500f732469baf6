//! One member of the cluster as clients see it.

use super::{Address, custom_type};
use crate::field::{Entries, ProtocolUuid};

custom_type! {
    /// A member.
    MemberInfo {
        /// Where clients connect to.
        address: Address,
        /// The member's stable id.
        uuid: ProtocolUuid,
        /// Free attributes; empty is fine.
        attributes: Entries<String, String>,
        /// A member without data.
        lite_member: bool,
        /// The version it claims.
        version: MemberVersion,
        /// Addresses by use. Must hold [`EndpointQualifier::MEMBER`], or Java 5.1 does not start.
        #[since("2.0.1")]
        address_map: Entries<EndpointQualifier, Address>,
    }
}

custom_type! {
    /// A member's version.
    MemberVersion {
        /// Major.
        major: i8,
        /// Minor.
        minor: i8,
        /// Patch.
        patch: i8,
    }
}

custom_type! {
    /// What an address is for.
    #[since("2.0.1")]
    EndpointQualifier {
        /// The protocol's number of the use; 0 is member, 1 client.
        r#type: i32,
        /// Tells several of one use apart.
        identifier: Option<String>,
    }
}

impl EndpointQualifier {
    /// The key every address map must have.
    pub const MEMBER: Self = Self { r#type: 0, identifier: None };
}
