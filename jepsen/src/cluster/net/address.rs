//! Who has which address, and whom a packet concerns.
//!
//! One subnet for all, so that a broadcast reaches every node and no route is needed.

use std::net::Ipv4Addr;

use anyhow::ensure;

/// As many as the addresses between the first and the clients' allow.
pub const NODES_MAX: usize = 250;
/// The links are a square of all ends: at both limits they take some fifty megabytes.
pub const CLIENTS_MAX: usize = 250;

/// The subnet; also the length of its prefix, for the devices.
const SUBNET: u32 = u32::from_be_bytes([10, 90, 0, 0]);
pub(super) const PREFIX_BITS: u32 = 16;
const BROADCAST: u32 = SUBNET | (u32::MAX >> PREFIX_BITS);
const FIRST_NODE: u32 = SUBNET + 1;
const FIRST_CLIENT: u32 = SUBNET + 0x101;
const OBSERVER: u32 = BROADCAST - 1;

/// Somebody with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum End {
    /// A node, from 0.
    Node(usize),
    /// A client, from 0.
    Client(usize),
    /// The harness itself, in the namespace of the clients: asks nodes for their state, and no
    /// fault touches it.
    Observer,
}

/// Whom a packet concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    One(End),
    /// Multicast and broadcast: every node but the sender.
    EveryNode,
    Nobody,
}

/// How many there are of each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    nodes: usize,
    clients: usize,
}

impl Layout {
    pub(super) fn new(nodes: usize, clients: usize) -> anyhow::Result<Layout> {
        ensure!(nodes <= NODES_MAX, "{nodes} nodes are more than {NODES_MAX}");
        ensure!(clients <= CLIENTS_MAX, "{clients} clients are more than {CLIENTS_MAX}");
        Ok(Layout { nodes, clients })
    }

    pub(super) fn nodes(&self) -> usize {
        self.nodes
    }

    pub(super) fn ends(&self) -> usize {
        self.nodes + self.clients + 1
    }

    /// The place of an end in a list of all.
    pub(super) fn place(&self, end: End) -> usize {
        match end {
            End::Node(i) => {
                assert!(i < self.nodes, "node {i} of {}", self.nodes);
                i
            }
            End::Client(i) => {
                assert!(i < self.clients, "client {i} of {}", self.clients);
                self.nodes + i
            }
            End::Observer => self.nodes + self.clients,
        }
    }

    /// One for each node, then the clients'.
    pub(super) fn devices(&self) -> usize {
        self.nodes + 1
    }

    /// The device behind which an end is.
    pub(super) fn device(&self, end: End) -> usize {
        self.place(end).min(self.nodes)
    }

    pub(super) fn address(&self, end: End) -> Ipv4Addr {
        self.place(end);
        let offset = |i| u32::try_from(i).expect("far fewer ends than addresses");
        Ipv4Addr::from(match end {
            End::Node(i) => FIRST_NODE + offset(i),
            End::Client(i) => FIRST_CLIENT + offset(i),
            End::Observer => OBSERVER,
        })
    }

    /// All addresses behind a device; the first is that of sockets bound to none.
    pub(super) fn addresses(&self, device: usize) -> Vec<Ipv4Addr> {
        if device < self.nodes {
            return vec![self.address(End::Node(device))];
        }
        let clients = (0..self.clients).map(End::Client);
        clients.chain([End::Observer]).map(|end| self.address(end)).collect()
    }

    /// Who has the address.
    pub(super) fn end(&self, address: u32) -> Option<End> {
        let below = |first: u32, count: usize| {
            let i = usize::try_from(address.checked_sub(first)?).ok()?;
            (i < count).then_some(i)
        };
        if address == OBSERVER {
            return Some(End::Observer);
        }
        let node = below(FIRST_NODE, self.nodes).map(End::Node);
        node.or_else(|| below(FIRST_CLIENT, self.clients).map(End::Client))
    }

    pub(super) fn destination(&self, address: u32) -> Destination {
        let ip = Ipv4Addr::from(address);
        if address == BROADCAST || ip.is_broadcast() || ip.is_multicast() {
            return Destination::EveryNode;
        }
        self.end(address).map_or(Destination::Nobody, Destination::One)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_is_found_by_its_address_alone() {
        let layout = Layout::new(NODES_MAX, CLIENTS_MAX).unwrap();
        let nodes = (0..NODES_MAX).map(End::Node);
        let clients = (0..CLIENTS_MAX).map(End::Client);
        for end in nodes.chain(clients).chain([End::Observer]) {
            assert_eq!(layout.end(layout.address(end).into()), Some(end));
        }
    }

    #[test]
    fn no_end_has_an_address_beyond_the_last() {
        let layout = Layout::new(3, 2).unwrap();
        for address in [[10, 90, 0, 0], [10, 90, 0, 4], [10, 90, 1, 3], [10, 91, 0, 1]] {
            assert_eq!(layout.destination(u32::from_be_bytes(address)), Destination::Nobody);
        }
    }

    #[test]
    fn multicast_and_broadcast_are_for_every_node() {
        let layout = Layout::new(3, 2).unwrap();
        for address in [[224, 2, 2, 3], [255, 255, 255, 255], [10, 90, 255, 255]] {
            assert_eq!(layout.destination(u32::from_be_bytes(address)), Destination::EveryNode);
        }
    }

    #[test]
    fn clients_and_the_observer_share_a_device() {
        let layout = Layout::new(3, 2).unwrap();
        let devices = [End::Node(0), End::Node(2), End::Client(0), End::Client(1), End::Observer]
            .map(|end| layout.device(end));
        assert_eq!(devices, [0, 2, 3, 3, 3]);
        assert_eq!(layout.addresses(3).len(), 3);
    }

    #[test]
    fn too_many_are_refused() {
        assert!(Layout::new(NODES_MAX + 1, 0).is_err());
        assert!(Layout::new(0, CLIENTS_MAX + 1).is_err());
    }
}
