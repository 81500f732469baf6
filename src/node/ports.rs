//! Opens the ports of a node, and tells who holds one that is taken.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait in the system to be accepted: all clients of a cluster come at once when
/// a node returns.
const BACKLOG: u32 = 1024;
/// Ports tried upwards from the configured one with `port.probe=true`.
const PROBED_PORTS: u16 = 100;

/// A port that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{key}: cannot listen on {address}{holder}; {fix}")]
pub struct PortError {
    key: &'static str,
    address: SocketAddr,
    holder: String,
    fix: &'static str,
    #[source]
    source: io::Error,
}

/// A process of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub id: u32,
    /// The name of its program, as far as the system tells.
    pub name: String,
}

impl Process {
    /// The process of an id.
    pub fn of(id: u32) -> Self {
        let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        Self { id, name: name.trim().to_owned() }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.id, self.name)
    }
}

/// What a port would be for a node that starts now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortState {
    /// It can be opened.
    Free,
    /// Somebody listens on it: that process, as far as this user may know.
    Held(Option<Process>),
    /// It cannot be opened, whoever else is there.
    Refused(String),
}

/// Looks at a port as a node would open it, without listening: a node that starts in this moment is
/// not disturbed.
pub fn look_at_port(ip: IpAddr, port: u16) -> PortState {
    match bind(SocketAddr::new(ip, port)) {
        Ok(_) => PortState::Free,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => PortState::Held(holder_of(port)),
        Err(error) => PortState::Refused(error.to_string()),
    }
}

/// Listens on one port; the key is named when that fails.
pub(super) fn listen(key: &'static str, ip: IpAddr, port: u16) -> Result<TcpListener, PortError> {
    let address = SocketAddr::new(ip, port);
    open(address).map_err(|source| {
        let busy = source.kind() == io::ErrorKind::AddrInUse;
        let holder = busy.then(|| holder_of(port)).flatten();
        PortError {
            key,
            address,
            holder: holder.map_or(String::new(), |holder| format!(", which {holder} holds")),
            fix: if busy {
                "end what holds it, or choose another port"
            } else {
                "check node.bind and the port"
            },
            source,
        }
    })
}

/// Listens on the first free port from the configured one upwards.
pub(super) fn probe(key: &'static str, ip: IpAddr, port: u16) -> Result<TcpListener, PortError> {
    let last = port.saturating_add(PROBED_PORTS);
    (port..last)
        .find_map(|port| open(SocketAddr::new(ip, port)).ok())
        .map_or_else(|| listen(key, ip, port), Ok)
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address)?.listen(BACKLOG)
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A node that was killed comes back at once, whatever the system remembers of old connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// The process that listens on a port, as far as this user may know.
fn holder_of(port: u16) -> Option<Process> {
    let sockets = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| listening_inode(&table, port))?;
    let wanted = format!("socket:[{sockets}]");
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let id: u32 = process.file_name().to_str()?.parse().ok()?;
        let mut descriptors = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let holds =
            descriptors.any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to == Path::new(&wanted)));
        holds.then(|| Process::of(id))
    })
}

/// The socket of a line of `/proc/net/tcp` in state LISTEN.
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let same = u16::from_str_radix(local, 16).ok()? == port && *fields.get(3)? == LISTEN;
        same.then(|| fields.get(9)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[tokio::test]
    async fn a_taken_port_names_its_key_and_its_holder() {
        let taken = listen("raft.port", Ipv4Addr::LOCALHOST.into(), 0).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = listen("raft.port", Ipv4Addr::LOCALHOST.into(), port).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("raft.port: cannot listen on 127.0.0.1:"), "{text}");
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    }

    #[tokio::test]
    async fn whoever_only_looks_takes_no_port() {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let taken = listen("raft.port", ip, 0).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_eq!(look_at_port(ip, port), PortState::Held(Some(Process::of(std::process::id()))));
        drop(taken);
        assert_eq!(look_at_port(ip, port), PortState::Free);
        listen("raft.port", ip, port).unwrap();
        let elsewhere = look_at_port(Ipv4Addr::new(192, 0, 2, 1).into(), port);
        assert!(matches!(elsewhere, PortState::Refused(_)), "{elsewhere:?}");
    }

    #[tokio::test]
    async fn probing_takes_the_next_free_port() {
        let taken = listen("hazelcast.discovery.port", Ipv4Addr::LOCALHOST.into(), 0).unwrap();
        let port = taken.local_addr().unwrap().port();
        let probed = probe("hazelcast.discovery.port", Ipv4Addr::LOCALHOST.into(), port).unwrap();
        assert!(probed.local_addr().unwrap().port() > port);
    }
}
