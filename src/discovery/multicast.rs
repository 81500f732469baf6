//! The announcements of Hazelcast's multicast discovery: every node sends one each two seconds,
//! clients only listen. Datagrams carry no cluster name, so a peer heard here is only a hint.

use crate::config::MulticastConfig;
use crate::seed::java_serialization::{StreamError, decode_member, encode_member};
use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// The interval clients expect.
pub const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
/// No host is longer; larger datagrams are cut by the socket and then refused.
const DATAGRAM_BYTES_MAX: usize = 512;
const HOST_BYTES_MAX: usize = 255;
/// Other Hazelcast clusters may use the group for ever: an operator is to know, once in a while.
const STRANGERS_LOG_INTERVAL: Duration = Duration::from_secs(600);

/// A client address heard or to be told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Announcement {
    /// Host name or address.
    pub host: String,
    /// Client port.
    pub port: u16,
}

/// Why a datagram is not an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DatagramError {
    /// Neither of the two layouts.
    #[error("not an announcement: {0}")]
    Layout(StreamError),
    /// A port outside 1 to 65535.
    #[error("announced port {0} is no port")]
    Port(i32),
    /// No host, or one too long.
    #[error("announced host is empty or too long")]
    Host,
}

impl Announcement {
    /// The datagram in the layout all clients read.
    pub fn encode(&self) -> Result<Vec<u8>, DatagramError> {
        if self.host.is_empty() || self.host.len() > HOST_BYTES_MAX {
            return Err(DatagramError::Host);
        }
        encode_member(&self.host, i32::from(self.port)).map_err(DatagramError::Layout)
    }

    /// Reads either layout, the plain and the safe one; nothing is deserialised.
    pub fn decode(datagram: &[u8]) -> Result<Self, DatagramError> {
        let (host, port) = match datagram {
            [0x01, rest @ ..] => decode_safe(rest).map_err(DatagramError::Layout)?,
            _ => decode_member(datagram).map_err(DatagramError::Layout)?,
        };
        if host.is_empty() || host.len() > HOST_BYTES_MAX || host.contains(char::is_control) {
            return Err(DatagramError::Host);
        }
        let valid = u16::try_from(port).ok().filter(|port| *port > 0);
        Ok(Self { host, port: valid.ok_or(DatagramError::Port(port))? })
    }
}

fn decode_safe(rest: &[u8]) -> Result<(String, i32), StreamError> {
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(StreamError::Short)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (host, rest) = rest.split_at_checked(length).ok_or(StreamError::Short)?;
    let (port, rest) = rest.split_first_chunk::<4>().ok_or(StreamError::Short)?;
    if !rest.is_empty() {
        return Err(StreamError::Trailing(rest.len()));
    }
    let host = std::str::from_utf8(host).map_err(|_| StreamError::Text)?;
    Ok((host.to_owned(), i32::from_be_bytes(*port)))
}

/// One line for many datagrams of strangers: a flood must not fill the log as well.
#[derive(Debug, Default)]
struct StrangerLog {
    last: Option<Instant>,
    silent: u64,
}

impl StrangerLog {
    /// Counts one; whether to tell of it now, and of how many before it nothing was told.
    fn count(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < STRANGERS_LOG_INTERVAL) {
            self.silent = self.silent.saturating_add(1);
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.silent))
    }
}

/// Sends and hears announcements on one socket, bound to the group and its port.
#[derive(Debug)]
pub struct Multicast {
    socket: UdpSocket,
    group: SocketAddrV4,
    strangers: Mutex<StrangerLog>,
}

impl Multicast {
    /// Joins the group on the configured interface; needs a runtime.
    pub fn join(config: &MulticastConfig) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        let group = SocketAddrV4::new(config.group, config.port);
        // Not to any address: what is sent to this machine alone, or to another group that a
        // neighbour joined, is nothing to us. Nor is what a neighbour's other interface brings.
        socket.bind(&SocketAddr::from(group).into())?;
        #[cfg(target_os = "linux")]
        socket.set_multicast_all_v4(false)?;
        socket.join_multicast_v4(&config.group, &config.interface)?;
        socket.set_multicast_if_v4(&config.interface)?;
        socket.set_multicast_ttl_v4(config.ttl)?;
        // Clients on this machine listen too.
        socket.set_multicast_loop_v4(true)?;
        let socket = UdpSocket::from_std(socket.into())?;
        Ok(Self { socket, group, strangers: Mutex::default() })
    }

    /// Announces until the token ends; a failed send is told once until one succeeds.
    pub async fn announce(&self, own: &Announcement, stop: &CancellationToken) {
        let datagram = match own.encode() {
            Ok(datagram) => datagram,
            Err(error) => return tracing::error!(%error, "this node cannot be announced"),
        };
        let mut ticks = tokio::time::interval(ANNOUNCE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let sent = self.socket.send_to(&datagram, self.group).await;
            match &sent {
                Err(error) if !failing => {
                    tracing::warn!(group = %self.group, %error, "announcement not sent");
                }
                _ => {}
            }
            failing = sent.is_err();
        }
    }

    /// Waits for the next announcement; anything else on the group is passed over, and told seldom.
    pub async fn hear(&self) -> io::Result<Announcement> {
        let mut buffer = [0u8; DATAGRAM_BYTES_MAX];
        loop {
            let (length, from) = self.socket.recv_from(&mut buffer).await?;
            match Announcement::decode(&buffer[..length]) {
                Ok(heard) => return Ok(heard),
                Err(error) => {
                    if let Some(unreported) = self.strangers.lock().count(Instant::now()) {
                        let group = self.group;
                        tracing::warn!(%group, %from, %error, unreported, "datagram passed over");
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    // checks: R-22
    #[test]
    fn both_published_layouts_are_read_and_the_plain_one_written() {
        let text = include_str!("../../tests/openlookeng/multicast-announcements.json");
        let samples: serde_json::Value = serde_json::from_str(text).unwrap();
        let own = Announcement { host: "10.0.0.7".to_owned(), port: 5701 };
        for sample in samples.as_array().unwrap() {
            let datagram = bytes(sample["hex"].as_str().unwrap());
            assert_eq!(Announcement::decode(&datagram), Ok(own.clone()));
            for end in 0..datagram.len() {
                assert!(Announcement::decode(&datagram[..end]).is_err());
            }
        }
        assert_eq!(own.encode().unwrap(), bytes(samples[0]["hex"].as_str().unwrap()));
    }

    #[test]
    fn other_datagrams_are_refused() {
        for datagram in [&b""[..], b"\x00", b"\x04join", b"\x01\x00\x00\x00\x00\x16\x45"] {
            assert!(Announcement::decode(datagram).is_err());
        }
        // The longest announcement fits the buffer, so what the socket cuts off was none.
        let longest = encode_member(&"a".repeat(HOST_BYTES_MAX), 5701).unwrap();
        assert!(longest.len() < DATAGRAM_BYTES_MAX && Announcement::decode(&longest).is_ok());
        let oversized = encode_member(&"a".repeat(DATAGRAM_BYTES_MAX), 5701).unwrap();
        assert!(Announcement::decode(&oversized[..DATAGRAM_BYTES_MAX]).is_err());
        let zero = encode_member("a", 0).unwrap();
        assert_eq!(Announcement::decode(&zero), Err(DatagramError::Port(0)));
    }

    #[test]
    fn strangers_are_told_of_seldom_and_counted() {
        let (mut log, begin) = (StrangerLog::default(), Instant::now());
        assert_eq!(log.count(begin), Some(0));
        for _ in 0..1000 {
            assert_eq!(log.count(begin + STRANGERS_LOG_INTERVAL / 2), None);
        }
        assert_eq!(log.count(begin + STRANGERS_LOG_INTERVAL), Some(1000));
        assert_eq!(log.count(begin + STRANGERS_LOG_INTERVAL * 2), Some(0));
    }
}
