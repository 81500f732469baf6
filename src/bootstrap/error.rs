//! Why a node cannot look for its cluster.

use crate::discovery::tcp_ip::AddressError;
use crate::seed::SeedError;
use crate::storage::StorageError;
use std::io;
use std::net::Ipv4Addr;

/// Why a node cannot look for its cluster.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The data directory refused; without it no promise can be given.
    #[error("cannot keep a promise in the data directory")]
    Storage(#[source] StorageError),
    /// The seed directory cannot be opened.
    #[error("cannot use the seed directory")]
    Seed(#[source] SeedError),
    /// An item of the list is no address.
    #[error("hazelcast.discovery.tcp-ip.seeds holds an item that is no address")]
    Address(#[source] AddressError),
    /// The group cannot be joined.
    #[error("cannot join the multicast group {group} on the interface {interface}")]
    Multicast {
        /// The group.
        group: Ipv4Addr,
        /// The interface.
        interface: Ipv4Addr,
        /// What the system said.
        source: io::Error,
    },
    /// The node was told to stop.
    #[error("stopped before a cluster was found")]
    Stopped,
}
