//! Asks at addresses who is there.

use crate::bootstrap::limits::{ASKS_IN_FLIGHT_MAX, DEFAULT_PORTS, FOUNDING_PORT};
use crate::bootstrap::{Answer, AskError, ClockDifference, PeerAnswer, Question, ask, ask_clock};
use crate::discovery::tcp_ip::SeedAddress;
use futures::StreamExt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// One question, with the way there: as long as a node waits for another's answer twice over.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressSource {
    /// `hazelcast.discovery.tcp-ip.seeds`.
    List,
    /// A seed of the seed directory.
    SeedDirectory,
    /// A datagram.
    Multicast,
}

/// One address and who was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressFound {
    /// As written, with the port that was asked.
    pub address: String,
    /// Where it comes from.
    pub source: AddressSource,
    /// What came of it.
    pub reached: Reached,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// A node answered.
    Node(NodeFound),
    /// Something took the connection and is no node of ours: a Hazelcast member closes it.
    Foreign,
    /// A node of another release, whose answers have this version.
    OtherVersion(u8),
    /// Nobody listens.
    Refused,
    /// The connection or its answer did not come in time.
    Silent,
    /// No way there.
    Unreachable(String),
    /// The name has no address.
    Unresolved,
    /// The text is no address.
    NoAddress,
}

/// A node that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFound {
    /// What it says of itself.
    pub answer: PeerAnswer,
    /// From the first byte to its answer, connecting included.
    pub round_trip: Duration,
    /// How its clock differs; nodes of earlier releases do not tell.
    pub clock: Option<ClockDifference>,
}

impl Reached {
    /// Whether anything lives there: an embedded member does as well.
    pub fn is_alive(&self) -> bool {
        match self {
            Self::Node(_) | Self::Foreign | Self::OtherVersion(_) => true,
            Self::Refused
            | Self::Silent
            | Self::Unreachable(_)
            | Self::Unresolved
            | Self::NoAddress => false,
        }
    }

    /// In words, as the end of a sentence that begins with the address.
    pub fn words(&self) -> String {
        match self {
            Self::Node(node) => format!("answers as node {}", node.answer.node),
            Self::Foreign => "answers, but not as a node of statekeeper".to_owned(),
            Self::OtherVersion(version) => {
                format!("is a node of another release, with answers of version {version}")
            }
            Self::Refused => "refuses connections: nobody listens there".to_owned(),
            Self::Silent => format!("did not answer within {} s", ASK_TIMEOUT.as_secs()),
            Self::Unreachable(why) => format!("cannot be reached: {why}"),
            Self::Unresolved => "does not resolve".to_owned(),
            Self::NoAddress => "is no address".to_owned(),
        }
    }
}

/// Asks everywhere at once; one row for each address, in their order, and one more for each further
/// port of a host without a port at which somebody is.
pub(super) async fn reach(addresses: Vec<String>, source: AddressSource) -> Vec<AddressFound> {
    let asked = addresses.into_iter().map(|address| reach_host(address, source));
    let asked = futures::stream::iter(asked).buffered(ASKS_IN_FLIGHT_MAX);
    asked.collect::<Vec<_>>().await.into_iter().flatten().collect()
}

/// As `reach`, with one row for each text: whoever is alive there, else the first that is not.
pub(super) async fn reach_each(addresses: Vec<String>, source: AddressSource) -> Vec<AddressFound> {
    let asked = addresses.into_iter().map(|address| async move {
        let found = reach_host(address.clone(), source).await;
        let alive = found.iter().find(|found| found.reached.is_alive()).or(found.first());
        let reached = alive.map_or(Reached::NoAddress, |found| found.reached.clone());
        AddressFound { address, source, reached }
    });
    futures::stream::iter(asked).buffered(ASKS_IN_FLIGHT_MAX).collect().await
}

async fn reach_host(address: String, source: AddressSource) -> Vec<AddressFound> {
    let Ok(parsed) = SeedAddress::parse(&address) else {
        return vec![AddressFound { address, source, reached: Reached::NoAddress }];
    };
    let ports = parsed.port.map_or_else(|| DEFAULT_PORTS.to_vec(), |port| vec![port]);
    let mut found = Vec::new();
    for port in ports {
        let at = SeedAddress { port: Some(port), ..parsed.clone() };
        let reached = reach_one(&at).await;
        let extra = parsed.port.is_none() && port != FOUNDING_PORT;
        if !extra || reached.is_alive() {
            found.push(AddressFound { address: at.to_string(), source, reached });
        }
    }
    found
}

async fn reach_one(address: &SeedAddress) -> Reached {
    let resolved = tokio::time::timeout(ASK_TIMEOUT, address.resolve(&DEFAULT_PORTS)).await;
    let addresses = match resolved {
        Ok(Ok(addresses)) if !addresses.is_empty() => addresses,
        Ok(Ok(_) | Err(_)) | Err(_) => return Reached::Unresolved,
    };
    let asked = Instant::now();
    match ask(&*addresses, &Question::Ask, ASK_TIMEOUT).await {
        Ok(Answer::Node(answer)) => node(answer, asked.elapsed(), &addresses).await,
        Ok(Answer::Granted | Answer::Refused(_) | Answer::Clock { .. })
        | Err(AskError::Foreign) => Reached::Foreign,
        Err(AskError::OtherVersion(version)) => Reached::OtherVersion(version),
        Err(AskError::Refused) => Reached::Refused,
        Err(AskError::Timeout) => Reached::Silent,
        Err(AskError::Unreachable(error)) => Reached::Unreachable(error.to_string()),
    }
}

async fn node(answer: PeerAnswer, round_trip: Duration, addresses: &[SocketAddr]) -> Reached {
    let clock = ask_clock(addresses, ASK_TIMEOUT).await.ok();
    Reached::Node(NodeFound { answer, round_trip, clock })
}
