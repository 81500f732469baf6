//! Networks of the tests' own: a namespace for each host and two bridges, one between nodes and
//! one to clients and to the test itself. A node can so be cut off from the others, in silence as
//! a dead switch does it, while its clients still reach it.
//!
//! Needs root, iproute2 and nftables, which the test command installs. Everything is removed when
//! dropped; what a killed run left behind is removed by the next.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Host part of the test's own address on the clients' bridge.
const OWN_HOST: u8 = 254;
const NAME_PREFIX: &str = "sktest";
/// What a move adds to the host part of an address.
const MOVED: u8 = 100;

/// One host's network.
#[derive(Clone, Debug)]
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// The command, inside this namespace.
    pub(crate) fn wrap(&self, command: &Command) -> Command {
        let mut wrapped = Command::new("ip");
        wrapped.args(["netns", "exec", &self.name]).arg(command.get_program());
        wrapped.args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(key, value),
                None => wrapped.env_remove(key),
            };
        }
        wrapped
    }
}

/// Hosts on two bridges.
pub(crate) struct Network {
    id: String,
    /// Third byte of the clients' addresses; the nodes' is one more.
    subnet: u8,
    hosts: usize,
}

impl Network {
    /// Makes namespaces and bridges for so many hosts.
    pub(crate) fn new(hosts: usize) -> Network {
        static MADE: AtomicU32 = AtomicU32::new(0);
        remove_leftovers();
        let made = MADE.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{made}", std::process::id());
        let subnet = free_subnet();
        let network = Network { id, subnet, hosts };
        network.build();
        network
    }

    fn build(&self) {
        for bridge in [self.client_bridge(), self.peer_bridge()] {
            ip(&format!("link add {bridge} type bridge mcast_snooping 0"));
            ip(&format!("link set {bridge} up"));
        }
        let own = self.own_client_host();
        ip(&format!("addr add {own}/24 dev {}", self.client_bridge()));
        for host in 0..self.hosts {
            let Namespace { name } = self.namespace(host);
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
            for (side, bridge, address) in [
                ("client", self.client_bridge(), self.client_host(host)),
                ("peer", self.peer_bridge(), self.peer_host(host)),
            ] {
                let outer = self.outer(side, host);
                ip(&format!("link add {outer} type veth peer name {side} netns {name}"));
                ip(&format!("link set {outer} master {bridge}"));
                ip(&format!("link set {outer} up"));
                ip(&format!("-n {name} addr add {address}/24 dev {side}"));
                ip(&format!("-n {name} link set {side} up"));
            }
            ip(&format!("-n {name} route add default via {own} dev client"));
        }
    }

    /// The namespace of a host.
    pub(crate) fn namespace(&self, host: usize) -> Namespace {
        Namespace { name: format!("{NAME_PREFIX}-{}-{host}", self.id) }
    }

    /// What clients and the test reach a host at.
    pub(crate) fn client_host(&self, host: usize) -> IpAddr {
        Ipv4Addr::new(10, 213, self.subnet, host_number(host)).into()
    }

    /// What the other hosts reach it at.
    pub(crate) fn peer_host(&self, host: usize) -> IpAddr {
        Ipv4Addr::new(10, 213, self.subnet + 1, host_number(host)).into()
    }

    /// The test's own address among clients.
    pub(crate) fn own_client_host(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.subnet, OWN_HOST)
    }

    /// Takes part in the nodes' own network as well, at the address it answers.
    pub(crate) fn join_peers(&self) -> Ipv4Addr {
        let own = Ipv4Addr::new(10, 213, self.subnet + 1, OWN_HOST);
        ip(&format!("addr add {own}/24 dev {}", self.peer_bridge()));
        own
    }

    /// Cuts a host off from the other hosts; clients still reach it.
    pub(crate) fn cut_from_peers(&self, host: usize) {
        ip(&format!("link set {} nomaster", self.outer("peer", host)));
    }

    /// Translates what comes to a host from clients at the first port to where its node listens.
    pub(crate) fn forward(&self, host: usize, from: SocketAddr, to: SocketAddr) {
        let rules = format!(
            "add table ip sk\n\
             add chain ip sk in {{ type nat hook prerouting priority -100; }}\n\
             add rule ip sk in ip daddr {} tcp dport {} dnat to {to}\n",
            from.ip(),
            from.port()
        );
        let mut nft = Command::new("nft");
        let status = self.namespace(host).wrap(nft.arg(rules)).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "nft, which cargo xtask test installs"
        );
    }

    /// Gives names to addresses, for programs that are started on these hosts from now on and, when
    /// they change, for those that run: each host's own `/etc/hosts`.
    pub(crate) fn name(&self, names: &[(String, IpAddr)]) {
        let lines: Vec<String> = names.iter().map(|(name, at)| format!("{at} {name}")).collect();
        for host in 0..self.hosts {
            let folder = names_of(&self.namespace(host).name);
            fs::create_dir_all(&folder).unwrap();
            // In place: a running program sees this very file in the place of its own.
            let own = "127.0.0.1 localhost\n::1 localhost\n";
            fs::write(folder.join("hosts"), format!("{own}{}\n", lines.join("\n"))).unwrap();
        }
    }

    /// Gives a host another address among the hosts; what was under way to the old one is lost.
    pub(crate) fn move_peer(&self, host: usize) -> IpAddr {
        let Namespace { name } = self.namespace(host);
        let new = Ipv4Addr::new(10, 213, self.subnet + 1, host_number(host) + MOVED);
        ip(&format!("-n {name} addr del {}/24 dev peer", self.peer_host(host)));
        ip(&format!("-n {name} addr add {new}/24 dev peer"));
        new.into()
    }

    /// Undoes the cut.
    pub(crate) fn heal(&self, host: usize) {
        ip(&format!("link set {} master {}", self.outer("peer", host), self.peer_bridge()));
    }

    fn client_bridge(&self) -> String {
        format!("skc{}", self.id)
    }

    fn peer_bridge(&self) -> String {
        format!("skp{}", self.id)
    }

    /// The end of a host's cable that lies in the test's own network. Names have 15 characters.
    fn outer(&self, side: &str, host: usize) -> String {
        let letter = &side[..1];
        format!("s{letter}{}.{host}", self.id)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in 0..self.hosts {
            remove(&self.namespace(host).name);
        }
        try_ip(&format!("link del {}", self.client_bridge()));
        try_ip(&format!("link del {}", self.peer_bridge()));
    }
}

/// Where `ip netns exec` finds files that take the place of those in `/etc`.
fn names_of(namespace: &str) -> PathBuf {
    Path::new("/etc/netns").join(namespace)
}

fn remove(namespace: &str) {
    try_ip(&format!("netns del {namespace}"));
    let _ = fs::remove_dir_all(names_of(namespace));
}

fn host_number(host: usize) -> u8 {
    u8::try_from(host + 1).unwrap()
}

/// Subnets in pairs, none of which this machine knows yet.
fn free_subnet() -> u8 {
    let addresses = try_ip("-o -4 addr");
    let start = (std::process::id() % 127) * 2;
    (0..127)
        .map(|step| u8::try_from((start + step * 2) % 254).unwrap())
        .find(|subnet| !addresses.contains(&format!("10.213.{subnet}.")))
        .expect("a free network of 10.213.0.0/16")
}

/// Namespaces and bridges carry the process that made them.
fn remove_leftovers() {
    let gone = |id: &str| {
        let pid = id.split('-').next().unwrap_or_default();
        pid.parse::<u32>().is_ok() && !fs::exists(format!("/proc/{pid}")).unwrap_or(true)
    };
    for line in try_ip("netns list").lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let id = name.strip_prefix(NAME_PREFIX).and_then(|rest| rest.strip_prefix('-'));
        if id.is_some_and(gone) {
            remove(name);
        }
    }
    for line in try_ip("-o link show type bridge").lines() {
        let name = line.split(':').nth(1).unwrap_or_default().trim();
        let id = name.strip_prefix("skc").or_else(|| name.strip_prefix("skp"));
        if id.is_some_and(gone) {
            try_ip(&format!("link del {name}"));
        }
    }
}

fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap_or_else(|error| {
        panic!("ip cannot be started ({error}); cargo xtask test installs iproute2")
    });
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {error} (these tests need root)");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// As `ip`, where a failure means that there is nothing.
fn try_ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}
