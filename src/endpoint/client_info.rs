//! Who a client says it is.

use statekeeper_machine::{ClientUuid, Name};

/// Who a client says it is (protocol: `Client.authentication`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// The client instance; one may have a connection to every node.
    pub client: ClientUuid,
    /// `JVM`, `PYH`, `NJS` and so on.
    pub language: Name,
    /// Its own version.
    pub version: Name,
    /// Its name, for instance `hz.client_1`.
    pub name: Name,
    /// Labels it was given.
    pub labels: Vec<Name>,
}
