//! Where addresses of other nodes come from, and one look around at all of them.

use super::ask::{AskError, ask};
use super::error::BootstrapError;
use super::limits::{ASKS_IN_FLIGHT_MAX, DEFAULT_PORTS, FOUNDING_PORT};
use super::marker::Marker;
use super::multicast_announcer::MulticastAnnouncer;
use super::peer_protocol::{Answer, Question};
use super::peer_responder::PeerResponder;
use super::promise::{Arbiter, Terms};
use super::seed_keeper::{SeedKeeper, SeedTiming};
use super::timing::Timing;
use super::view::{Heard, HeardAt, MarkerView, View};
use crate::config::Discovery;
use crate::discovery::multicast::{Announcement, Multicast};
use crate::discovery::tcp_ip::SeedAddress;
use crate::seed::{self, SeedDirectory};
use futures::StreamExt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Where addresses come from; cheap to clone.
#[derive(Clone, Debug)]
pub enum PeerSource {
    /// Nobody is looked for.
    None,
    /// A fixed list, whose names are resolved anew in every look.
    StaticSeeds(Vec<SeedAddress>),
    /// The seed directory, and this node's seed in it.
    SeedDirectory(Arc<SeedKeeper>),
    /// Announcements, this node's own among them.
    Multicast(Arc<MulticastAnnouncer>),
}

impl Terms {
    /// From the configuration.
    pub fn new(cluster_name: &str, bootstrap_expect: usize, discovery: &Discovery) -> Self {
        let arbiter = match discovery {
            Discovery::None => Arbiter::Alone,
            Discovery::StaticSeeds(seeds) => {
                Arbiter::StaticList { places: u16::try_from(seeds.len()).unwrap_or(u16::MAX) }
            }
            Discovery::SeedDirectory(_) => Arbiter::SeedDirectory,
            Discovery::Multicast(_) => Arbiter::Multicast,
        };
        let expect = u16::try_from(bootstrap_expect).unwrap_or(u16::MAX);
        Self { cluster_name: cluster_name.to_owned(), expect, arbiter }
    }
}

impl PeerSource {
    /// Opens what the configuration names; needs a runtime for multicast. Blocks on the folder.
    pub fn open(discovery: &Discovery, responder: &PeerResponder) -> Result<Self, BootstrapError> {
        match discovery {
            Discovery::None => Ok(Self::None),
            Discovery::StaticSeeds(seeds) => {
                let seeds: Result<_, _> =
                    seeds.iter().map(|seed| SeedAddress::parse(seed)).collect();
                seeds.map(Self::StaticSeeds).map_err(BootstrapError::Address)
            }
            Discovery::SeedDirectory(config) => {
                let name = &responder.terms().cluster_name;
                let directory = seed::open(config, name).map_err(BootstrapError::Seed)?;
                let directory = Arc::new(directory);
                let timing = SeedTiming::new(config.heartbeat, config.heartbeat_timeout);
                let keeper = SeedKeeper::new(directory, responder.clone(), timing);
                Ok(Self::SeedDirectory(Arc::new(keeper)))
            }
            Discovery::Multicast(config) => {
                let multicast = Multicast::join(config).map_err(|source| {
                    let (group, interface) = (config.group, config.interface);
                    BootstrapError::Multicast { group, interface, source }
                })?;
                let own = SeedAddress::parse(&responder.own().client_address);
                let own = own.map_err(BootstrapError::Address)?;
                let port = own.port.unwrap_or(FOUNDING_PORT);
                let own = Announcement { host: own.host, port };
                Ok(Self::Multicast(Arc::new(MulticastAnnouncer::new(multicast, own))))
            }
        }
    }

    /// Keeps this node known, before it has a cluster and after: refreshes its seed, or announces
    /// it, until the token ends.
    pub async fn keep_known(&self, stop: CancellationToken) {
        match self {
            Self::None | Self::StaticSeeds(_) => stop.cancelled().await,
            Self::SeedDirectory(keeper) => keeper.run(stop).await,
            Self::Multicast(announcer) => announcer.run(stop).await,
        }
    }

    /// Why this node cannot make itself known; `None`: it can.
    pub(crate) fn trouble(&self) -> Option<String> {
        match self {
            Self::SeedDirectory(keeper) => keeper.trouble(),
            Self::None | Self::StaticSeeds(_) | Self::Multicast(_) => None,
        }
    }

    pub(crate) fn quiet(&self, timing: &Timing) -> Duration {
        match self {
            Self::None | Self::StaticSeeds(_) => Duration::ZERO,
            Self::SeedDirectory(_) => timing.quiet_seed_directory,
            Self::Multicast(_) => timing.quiet_multicast,
        }
    }

    /// Asks everybody.
    pub(crate) async fn look(&self, responder: &PeerResponder, timing: &Timing) -> View {
        let limit = timing.ask_timeout;
        match self {
            Self::None => {
                View { heard: Vec::new(), marker: MarkerView::Unused, own_address_listed: None }
            }
            Self::StaticSeeds(seeds) => {
                let heard = hear_all(seeds.clone(), limit, true).await;
                let own = own_place(seeds, &responder.own().client_address);
                // Who answers at an address knows better whose it is than its text.
                let own = own.filter(|place| {
                    !heard.iter().any(|at| {
                        let other = matches!(&at.heard, Heard::Node(answer)
                            if answer.node != responder.own().node);
                        at.place == Some(*place) && other
                    })
                });
                View { heard, marker: MarkerView::Unused, own_address_listed: own }
            }
            Self::SeedDirectory(keeper) => {
                let directory = keeper.directory();
                let mut marker = read_marker(directory, responder.terms()).await;
                let seeds = directory.read().await.unwrap_or_else(|error| {
                    marker = MarkerView::Unreadable(error.to_string());
                    Vec::new()
                });
                let named = seeds.iter().filter_map(|seed| SeedAddress::parse(&seed.location).ok());
                let heard = hear_all(named.collect(), limit, false).await;
                View { heard, marker, own_address_listed: None }
            }
            Self::Multicast(announcer) => {
                let heard = hear_all(announcer.heard_within(timing.heard_for), limit, false).await;
                View { heard, marker: MarkerView::Unused, own_address_listed: None }
            }
        }
    }
}

/// Reads the marker; what cannot be read, or belongs to another cluster name, decides nothing.
pub(crate) async fn read_marker(directory: &dyn SeedDirectory, terms: &Terms) -> MarkerView {
    match directory.read_marker().await {
        Ok(None) => MarkerView::Absent,
        Ok(Some(text)) => match Marker::decode(&text) {
            Ok(marker) if marker.cluster_name == terms.cluster_name => MarkerView::Present(marker),
            Ok(marker) => {
                let name = marker.cluster_name;
                MarkerView::Unreadable(format!("its marker belongs to cluster name {name:?}"))
            }
            Err(error) => MarkerView::Unreadable(format!("its marker {error}")),
        },
        Err(error) => MarkerView::Unreadable(error.to_string()),
    }
}

/// The place whose address is this node's own by its text.
fn own_place(seeds: &[SeedAddress], own: &str) -> Option<u16> {
    let own = SeedAddress::parse(own).ok()?;
    let same = |seed: &SeedAddress| {
        seed.host.eq_ignore_ascii_case(&own.host)
            && seed.port.unwrap_or(FOUNDING_PORT) == own.port.unwrap_or(FOUNDING_PORT)
    };
    u16::try_from(seeds.iter().position(same)?).ok()
}

async fn hear_all(seeds: Vec<SeedAddress>, limit: Duration, places_count: bool) -> Vec<HeardAt> {
    let places = seeds.into_iter().enumerate();
    let resolved = places.map(|(index, seed)| async move {
        let place = places_count.then(|| u16::try_from(index).ok()).flatten();
        targets(&seed, place, limit).await
    });
    let resolved = futures::stream::iter(resolved).buffered(ASKS_IN_FLIGHT_MAX);
    let targets: Vec<Vec<Target>> = resolved.collect().await;
    let asked = targets.into_iter().flatten().map(|target| target.hear(limit));
    futures::stream::iter(asked).buffered(ASKS_IN_FLIGHT_MAX).collect().await
}

/// One address to ask.
#[derive(Debug)]
struct Target {
    name: String,
    address: Option<SocketAddr>,
    place: Option<u16>,
}

/// The addresses behind a name. A name stands for a place of the list only at one port, and only
/// when it cannot mean two nodes: one address of each family.
async fn targets(seed: &SeedAddress, place: Option<u16>, limit: Duration) -> Vec<Target> {
    let resolved = tokio::time::timeout(limit, seed.resolve(&DEFAULT_PORTS)).await;
    let addresses = match resolved {
        Ok(Ok(addresses)) if !addresses.is_empty() => addresses,
        Ok(Ok(_) | Err(_)) | Err(_) => {
            return vec![Target { name: seed.to_string(), address: None, place }];
        }
    };
    let founding_port = seed.port.unwrap_or(FOUNDING_PORT);
    let at_port = addresses.iter().filter(|address| address.port() == founding_port);
    let (v4, v6): (Vec<&SocketAddr>, Vec<&SocketAddr>) =
        at_port.partition(|address| address.is_ipv4());
    let unambiguous = v4.len() <= 1 && v6.len() <= 1;
    let target = |address: SocketAddr| Target {
        name: address.to_string(),
        address: Some(address),
        place: place.filter(|_| unambiguous && address.port() == founding_port),
    };
    addresses.into_iter().map(target).collect()
}

impl Target {
    async fn hear(self, limit: Duration) -> HeardAt {
        let heard = match self.address {
            None => Heard::Unresolved,
            Some(address) => match ask(address, &Question::Ask, limit).await {
                Ok(Answer::Node(answer)) => Heard::Node(answer),
                Ok(Answer::Granted | Answer::Refused(_) | Answer::Clock { .. })
                | Err(AskError::Foreign) => Heard::Foreign,
                Err(AskError::OtherVersion(version)) => Heard::OtherVersion(version),
                Err(AskError::Refused) => Heard::Refused,
                Err(AskError::Timeout | AskError::Unreachable(_)) => Heard::Silent,
            },
        };
        HeardAt { address: self.name, place: self.place, heard }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    async fn places(seed: &str) -> Vec<(String, Option<u16>)> {
        let seed = SeedAddress::parse(seed).unwrap();
        let targets = targets(&seed, Some(4), LIMIT).await;
        targets.into_iter().map(|target| (target.name, target.place)).collect()
    }

    #[tokio::test]
    async fn a_host_without_port_is_asked_at_three_and_stands_for_one_place() {
        let found = places("127.0.0.1").await;
        let expected = [("127.0.0.1:5701", Some(4)), ("127.0.0.1:5702", None)];
        assert_eq!(found.len(), 3);
        for ((name, place), expected) in found.iter().zip(expected) {
            assert_eq!((name.as_str(), *place), expected);
        }
        assert_eq!(places("[::1]:6000").await, [("[::1]:6000".to_owned(), Some(4))]);
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_keeps_its_place_and_is_told() {
        let seeds = vec![SeedAddress::parse("no-such-host.invalid:5701").unwrap()];
        let heard = hear_all(seeds, LIMIT, true).await;
        assert_eq!(heard.len(), 1);
        assert_eq!((heard[0].place, &heard[0].heard), (Some(0), &Heard::Unresolved));
    }

    #[test]
    fn the_own_place_is_found_by_host_and_port() {
        let seeds = SeedAddress::parse_list("a:5701, B, c:5702").unwrap();
        assert_eq!(own_place(&seeds, "b:5701"), Some(1));
        assert_eq!(own_place(&seeds, "c:5702"), Some(2));
        assert_eq!(own_place(&seeds, "c:5701"), None);
    }
}
