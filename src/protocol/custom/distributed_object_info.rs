//! One distributed object, as the list of them shows it.

use super::custom_type;

custom_type! {
    /// Name and service of a distributed object.
    DistributedObjectInfo {
        /// The service, such as `hz:impl:mapService`.
        service_name: String,
        /// The object's name.
        name: String,
    }
}
