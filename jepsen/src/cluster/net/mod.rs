//! The network of a run: every packet between nodes and clients passes through this process.
//!
//! A node lives in a network namespace of its own, all clients in one further namespace. The only
//! way out of a namespace is a TUN device whose other end the harness holds: the kernel hands over
//! each packet as it would go on the wire, checksums included, and takes back whatever the router
//! makes of it. So a fault is a few lines here instead of rules in the kernel (netem is missing on
//! many machines), works per link and direction, and is *counted*: a fault that touched no packet
//! has not happened, and the run says so.
//!
//! - `address`: who has which address, and whom a packet concerns.
//! - `link`: what a link does to a packet: faults, chance, time.
//! - `packet`: the few fields of IPv4 and TCP that this needs.
//! - `switch`: the whole router but for its devices: packets in, packets out, time a value.
//! - `router`: the one thread that moves packets between the devices and the switch.
//! - `namespace`: an anonymous namespace, its device, and the thread that lives inside.
//!
//! Nothing is left after a crash: a namespace has no name, it lasts as long as a thread, a process
//! or a descriptor is in it, and its device as long as the descriptor of the harness.
//!
//! Not here: who cuts what and when.

mod address;
mod link;
mod namespace;
mod packet;
mod router;
mod switch;

use std::io;
use std::net::Ipv4Addr;
use std::process::{Child, Command};
use std::sync::Arc;

use anyhow::Context;
use parking_lot::Mutex;

use address::Layout;
use namespace::Namespace;
use router::Router;
use switch::Switch;

pub use address::{CLIENTS_MAX, End, NODES_MAX};
pub use link::{Counters, Link};

/// A network with all links perfect at first. The router and the namespaces' threads end when the
/// last clone is dropped, and with them every process of the network that asked to die with the
/// thread that began it; a thread that entered the clients' namespace stays in it, cut off.
#[derive(Clone)]
pub struct Net {
    parts: Arc<Parts>,
}

struct Parts {
    layout: Layout,
    switch: Arc<Mutex<Switch>>,
    /// One for each node, then the clients'.
    namespaces: Vec<Namespace>,
    /// Ends its thread when dropped.
    _router: Router,
}

impl Net {
    /// Makes namespaces, devices and the router. Chance comes from the seed alone. At most
    /// [`NODES_MAX`] nodes and [`CLIENTS_MAX`] clients.
    ///
    /// # Errors
    /// Without root (CAP_SYS_ADMIN and CAP_NET_ADMIN), `/dev/net/tun`, `unshare` or `ip`.
    pub fn new(nodes: usize, clients: usize, seed: u64) -> anyhow::Result<Net> {
        let layout = Layout::new(nodes, clients)?;
        let mut namespaces = Vec::with_capacity(nodes + 1);
        let mut devices = Vec::with_capacity(nodes + 1);
        for number in 0..layout.devices() {
            let name = match number {
                node if node < nodes => format!("net-node-{node}"),
                _ => "net-clients".to_owned(),
            };
            let (namespace, device) = Namespace::open(&name, &layout.addresses(number))
                .with_context(|| format!("making the namespace {name}"))?;
            namespaces.push(namespace);
            devices.push(device);
        }
        let switch = Arc::new(Mutex::new(Switch::new(layout, seed)));
        let router = Router::start(Arc::clone(&switch), devices).context("starting the router")?;
        Ok(Net { parts: Arc::new(Parts { layout, switch, namespaces, _router: router }) })
    }

    /// The address of an end. A client binds its sockets to its own; a socket in the clients'
    /// namespace that is bound to none speaks as the first client.
    ///
    /// # Panics
    /// For an end that this network does not have.
    pub fn address(&self, end: End) -> Ipv4Addr {
        self.parts.layout.address(end)
    }

    /// Says what the link does from now on, in this direction: after the return no packet is
    /// treated as before, and of packets under way a cut lets none arrive.
    ///
    /// # Panics
    /// For an end that this network does not have, a share outside 0 to 1, or a fault on a link of
    /// the observer, whose view nothing may spoil.
    pub fn set(&self, from: End, to: End, link: Link) {
        let perfect = link == Link::default();
        assert!(perfect || (from != End::Observer && to != End::Observer), "{from:?} to {to:?}");
        link.assert_valid();
        self.parts.switch.lock().set(from, to, link);
    }

    /// Makes every link perfect. Packets under way arrive when they would have.
    pub fn heal(&self) {
        self.parts.switch.lock().heal();
    }

    /// Whether no link has a fault.
    pub fn is_perfect(&self) -> bool {
        self.parts.switch.lock().is_perfect()
    }

    /// What the link has done since the network was made, in this direction: the proof of a fault
    /// is a difference of two of these.
    ///
    /// # Panics
    /// For an end that this network does not have.
    pub fn counters(&self, from: End, to: End) -> Counters {
        self.parts.switch.lock().counters(from, to)
    }

    /// Starts a process in the node's namespace. Its parent is a thread that lasts as long as the
    /// network, so that a process may ask to die with its parent.
    ///
    /// # Errors
    /// As [`Command::spawn`].
    ///
    /// # Panics
    /// For a node that this network does not have.
    pub fn spawn(&self, node: usize, mut command: Command) -> io::Result<Child> {
        self.inside(End::Node(node), move || command.spawn())?
    }

    /// Runs the work on the thread that lives in the namespace of this end, one after the other:
    /// what it opens or starts belongs there for good.
    ///
    /// # Errors
    /// When the work panicked, or one before it.
    ///
    /// # Panics
    /// For an end that this network does not have.
    pub fn inside<T, W>(&self, end: End, work: W) -> io::Result<T>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        self.parts.namespaces[self.parts.layout.device(end)].run(work)
    }

    /// Moves the calling thread into the clients' namespace for good: for the start of each thread
    /// of a runtime. The thread that blocks on the runtime is none of them.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN.
    pub fn enter_clients(&self) -> io::Result<()> {
        self.parts.namespaces[self.parts.layout.device(End::Observer)].enter()
    }
}
