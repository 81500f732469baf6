//! Announces this node to clients and nodes for as long as it runs, and remembers whom it hears.

use super::limits::HEARD_MAX;
use crate::discovery::multicast::{Announcement, Multicast};
use crate::discovery::tcp_ip::SeedAddress;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Not to turn a broken socket into a busy loop.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// One socket on the group, both ways.
#[derive(Debug)]
pub struct MulticastAnnouncer {
    multicast: Multicast,
    own: Announcement,
    heard: Mutex<BTreeMap<SeedAddress, Instant>>,
}

impl MulticastAnnouncer {
    /// Announces the client address of this node once it runs.
    pub fn new(multicast: Multicast, own: Announcement) -> Self {
        Self { multicast, own, heard: Mutex::new(BTreeMap::new()) }
    }

    /// Announces every two seconds and listens, until the token ends.
    pub async fn run(&self, stop: CancellationToken) {
        let announce = async {
            self.multicast.announce(&self.own, &stop).await;
            // A name that cannot be announced ends it early; others are heard all the same.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = announce => {}
            () = self.listen() => {}
        }
    }

    /// The addresses heard within this time, this node's own among them.
    pub fn heard_within(&self, time: Duration) -> Vec<SeedAddress> {
        let heard = self.heard.lock();
        let recent = heard.iter().filter(|(_, at)| at.elapsed() <= time);
        recent.map(|(address, _)| address.clone()).collect()
    }

    async fn listen(&self) {
        loop {
            match self.multicast.hear().await {
                Ok(Announcement { host, port }) => {
                    let mut heard = self.heard.lock();
                    if heard.len() >= HEARD_MAX
                        && let Some(oldest) = heard.iter().min_by_key(|(_, at)| **at)
                    {
                        let oldest = oldest.0.clone();
                        heard.remove(&oldest);
                    }
                    heard.insert(SeedAddress { host, port: Some(port) }, Instant::now());
                }
                Err(error) => {
                    tracing::warn!(%error, "announcements are not heard");
                    tokio::time::sleep(AFTER_ERROR).await;
                }
            }
        }
    }
}
