//! Lists of addresses as operators write them, resolved anew at each attempt.

use std::fmt;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};

/// `host:port` or `host`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeedAddress {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    /// The port, when given.
    pub port: Option<u16>,
}

/// Why an item of a list is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing before the port, or nothing at all.
    #[error("address {0:?} has no host")]
    NoHost(String),
    /// The part behind the colon is no port.
    #[error("address {0:?} has no port from 1 to 65535")]
    Port(String),
    /// A bracket without its other half, or no IPv6 address between the two.
    #[error("address {0:?} is not an IPv6 address in brackets")]
    Brackets(String),
    /// A blank or another character no host has.
    #[error("address {0:?} holds a character that no host has")]
    Character(String),
}

/// More addresses than this behind one name are not tried.
const ADDRESSES_PER_NAME_MAX: usize = 16;
/// A host name is at most this long.
const HOST_BYTES_MAX: usize = 255;

impl SeedAddress {
    /// Host and port as text, an IPv6 address in brackets.
    pub fn text(host: &str, port: u16) -> String {
        Self { host: host.to_owned(), port: Some(port) }.to_string()
    }

    /// Reads one item, trimmed; an IPv6 address with a port stands in brackets.
    pub fn parse(item: &str) -> Result<Self, AddressError> {
        let item = item.trim();
        let port_of = |text: &str| {
            let port = text.parse::<u16>().ok().filter(|port| *port > 0);
            port.map(Some).ok_or_else(|| AddressError::Port(item.to_owned()))
        };
        let brackets = || AddressError::Brackets(item.to_owned());
        let is_v6 = |host: &str| {
            host.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
        };
        let (host, port) = if let Some(rest) = item.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(brackets)?;
            if !is_v6(host) {
                return Err(brackets());
            }
            match rest.strip_prefix(':') {
                Some(port) => (host, port_of(port)?),
                None if rest.is_empty() => (host, None),
                None => return Err(brackets()),
            }
        } else if is_v6(item) {
            (item, None)
        } else {
            match item.split_once(':') {
                Some((host, port)) => (host, port_of(port)?),
                None => (item, None),
            }
        };
        if host.is_empty() {
            return Err(AddressError::NoHost(item.to_owned()));
        }
        let odd = |c: char| c.is_whitespace() || c.is_control() || "/,;@[]".contains(c);
        if host.len() > HOST_BYTES_MAX || host.contains(odd) {
            return Err(AddressError::Character(item.to_owned()));
        }
        Ok(Self { host: host.to_owned(), port })
    }

    /// Reads a list between commas.
    pub fn parse_list(list: &str) -> Result<Vec<Self>, AddressError> {
        list.split(',').filter(|item| !item.trim().is_empty()).map(Self::parse).collect()
    }

    /// Asks the system for the addresses behind the name, now.
    pub async fn resolve(&self, default_ports: &[u16]) -> io::Result<Vec<SocketAddr>> {
        let given = self.port.as_slice();
        let ports = if given.is_empty() { default_ports } else { given };
        let mut found = Vec::new();
        for port in ports {
            let addresses = tokio::net::lookup_host((self.host.as_str(), *port)).await?;
            found.extend(addresses.take(ADDRESSES_PER_NAME_MAX));
        }
        Ok(found)
    }
}

impl fmt::Display for SeedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v6 = self.host.contains(':');
        match (v6, self.port) {
            (true, Some(port)) => write!(f, "[{}]:{port}", self.host),
            (false, Some(port)) => write!(f, "{}:{port}", self.host),
            (_, None) => f.write_str(&self.host),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn lists_are_trimmed_and_ports_optional() {
        let list = SeedAddress::parse_list(" a:5701 , b , [2001:db8::1]:5702,::1").unwrap();
        let shown: Vec<String> = list.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a:5701", "b", "[2001:db8::1]:5702", "::1"]);
    }

    #[test]
    fn broken_addresses_are_refused() {
        for item in ["", ":5701", "a:0", "a:70000", "a:b", "[::1", "[a]:1", "[::1]x", "a b:1"] {
            assert!(SeedAddress::parse(item).is_err(), "{item}");
        }
    }

    #[tokio::test]
    async fn a_host_without_port_gets_the_default_ports() {
        let seed = SeedAddress::parse("127.0.0.1").unwrap();
        let found = seed.resolve(&[5701, 5702]).await.unwrap();
        assert_eq!(found, ["127.0.0.1:5701".parse().unwrap(), "127.0.0.1:5702".parse().unwrap()]);
    }
}
