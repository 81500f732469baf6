//! Why a node cannot look for its cluster.

use crate::discovery::tcp_ip::AddressError;
use crate::seed::SeedError;
use crate::storage::StorageError;
use statekeeper_machine::ClusterId;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;

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
    /// The neighbours are of another cluster of this name than the data directory.
    #[error(
        "the data directory {} belongs to cluster {own}, but the neighbours to cluster {other} of \
         the same name, {cluster_name}: {said_by}; set the data directory aside, and this node \
         joins that cluster empty, or give it another state-store.cluster",
        path.display()
    )]
    OtherCluster {
        /// The data directory.
        path: PathBuf,
        /// The name of both.
        cluster_name: String,
        /// The cluster of the data directory.
        own: ClusterId,
        /// The other.
        other: ClusterId,
        /// Who is of the other.
        said_by: String,
    },
    /// The node was told to stop.
    #[error("stopped before a cluster was found")]
    Stopped,
}
