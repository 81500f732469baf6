//! Where one node of a test lives: its address, its ports, its folder.

use super::network::Namespace;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};

/// The port that clients use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientPort(pub(crate) u16);

impl fmt::Display for ClientPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The ports of one node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) client: ClientPort,
    pub(crate) raft: u16,
    pub(crate) admin: u16,
}

/// The usual ports, for nodes that have a network of their own.
pub(crate) const USUAL_PORTS: Ports = Ports { client: ClientPort(5701), raft: 5751, admin: 5780 };

/// Below the range from which the system takes the ports of outgoing connections: a client that
/// tries a dead node's port again and again would in the end take it itself.
const FIRST_PORT: u16 = 18_000;
const LAST_PORT: u16 = 32_000;

/// Where a node lives.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// What clients and the tests reach it at.
    pub(crate) host: IpAddr,
    /// What other nodes reach it at.
    pub(crate) peer_host: IpAddr,
    /// Its ports.
    pub(crate) ports: Ports,
    /// What its peers and clients are told instead of its addresses.
    pub(crate) name: Option<String>,
    /// The port that clients use, where it is not the one on which the node listens: then the node
    /// listens at `peer_host` alone, and what comes to `host` is translated.
    pub(crate) translated: Option<u16>,
    /// Its own network, if it has one.
    pub(crate) namespace: Option<Namespace>,
    /// Its folder: `etc`, `data` and `log`.
    pub(crate) home: PathBuf,
}

impl Site {
    /// A site on a loopback address with ports that were free a moment ago.
    pub(crate) fn on_loopback(host: IpAddr, home: PathBuf) -> Site {
        let ports =
            Ports { client: ClientPort(free_port()), raft: free_port(), admin: free_port() };
        let (name, translated) = (None, None);
        Site { host, peer_host: host, ports, name, translated, namespace: None, home }
    }

    /// Where clients connect to.
    pub(crate) fn client_address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.translated.unwrap_or(self.ports.client.0))
    }

    /// What clients and seed lists are told.
    pub(crate) fn advertised(&self) -> String {
        match &self.name {
            Some(name) => format!("{name}:{}", self.client_address().port()),
            None => self.client_address().to_string(),
        }
    }

    /// Where the admin API answers.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.ports.admin)
    }

    /// Where other nodes connect to.
    pub(crate) fn raft_address(&self) -> SocketAddr {
        SocketAddr::new(self.peer_host, self.ports.raft)
    }

    /// The file its output goes to.
    pub(crate) fn log(&self) -> PathBuf {
        self.home.join("log")
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.join("data")
    }
}

/// No port is given out twice in a run of a test program.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = LAST_PORT - FIRST_PORT;
    // Programs that run at the same time begin elsewhere.
    let start = u16::try_from(std::process::id() * 97 % u32::from(span)).unwrap_or(0);
    for _ in 0..span {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST_PORT + (start.wrapping_add(step)) % span;
        // Of both families.
        if TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST_PORT} and {LAST_PORT}");
}
