//! How the processes of a run get to its nodes.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::client::driver::{Driver, Kind, Options};
use crate::client::http::HttpClient;
use crate::client::{Client, Outcome, hazelcast};
use crate::cluster::net::End;
use crate::cluster::{CLUSTER_NAME, Cluster};
use crate::run::Ways;

/// The unmodified Java client of openLooKeng's own version.
pub(super) const JAVA_VERSION: &str = "5.1";

/// Through which client the processes of a run work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientKind {
    /// Our codec, one connection a process.
    Native,
    /// The HTTP API.
    Http,
    /// The Hazelcast Java client in a child process.
    Java,
    /// The Hazelcast Python client in a child process.
    Python,
}

impl ClientKind {
    const ALL: [Self; 4] = [Self::Native, Self::Http, Self::Java, Self::Python];

    fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Http => "http",
            Self::Java => "java",
            Self::Python => "python",
        }
    }
}

impl fmt::Display for ClientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ClientKind {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        match Self::ALL.into_iter().find(|kind| kind.name() == name) {
            Some(kind) => Ok(kind),
            None => bail!("there is no client {name:?}: choose native, http, java or python"),
        }
    }
}

/// Connects processes to nodes of the cluster.
pub(super) struct ToCluster {
    cluster: Arc<Cluster>,
    kind: ClientKind,
    driver: Option<Driver>,
    /// Answers outside the protocol that ended a connection at its beginning.
    violations: Mutex<Vec<String>>,
}

impl ToCluster {
    /// Starts the child process, if the clients live in one.
    pub(super) fn new(
        cluster: Arc<Cluster>,
        kind: &ClientKind,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let library = match kind {
            ClientKind::Native | ClientKind::Http => None,
            ClientKind::Java => Some(Kind::Java(JAVA_VERSION.to_owned())),
            ClientKind::Python => Some(Kind::Python),
        };
        let start =
            |library| Driver::start(Options::new(library, CLUSTER_NAME, folder.join("driver.log")));
        let driver = library.map(start).transpose()?;
        Ok(Self { cluster, kind: *kind, driver, violations: Mutex::default() })
    }

    /// What was outside the protocol before there was a client.
    pub(super) fn violations(&self) -> Vec<String> {
        self.violations.lock().clone()
    }

    async fn open(
        &self,
        process: u64,
        node: usize,
        within: Duration,
    ) -> Result<Box<dyn Client>, Outcome> {
        let clients = self.cluster.setup().clients.max(1) as u64;
        let slot = usize::try_from(process % clients).unwrap_or_default();
        let local = Some(IpAddr::V4(self.cluster.net().address(End::Client(slot))));
        let address = self.cluster.client_address(node);
        match (&self.driver, self.kind) {
            (Some(driver), _) => {
                let client = driver.open(process, &[address], within).await?;
                Ok(Box::new(client))
            }
            (None, ClientKind::Http) => {
                let opened = HttpClient::new(self.cluster.admin_address(node), local);
                let client =
                    opened.map_err(|error| Outcome::Fail { error: format!("{error:#}") })?;
                Ok(Box::new(client))
            }
            (None, _) => {
                let cluster_name = CLUSTER_NAME.to_owned();
                let settings = hazelcast::Settings { cluster_name, within };
                Ok(Box::new(hazelcast::connect(address, local, &settings).await?))
            }
        }
    }
}

impl Ways for ToCluster {
    fn nodes(&self) -> usize {
        self.cluster.nodes().len()
    }

    fn connect(
        &self,
        process: u64,
        node: usize,
        within: Duration,
    ) -> BoxFuture<'_, Result<Box<dyn Client>, String>> {
        async move {
            match self.open(process, node, within).await {
                Ok(client) => Ok(client),
                Err(Outcome::Violation { error }) => {
                    let text = format!("process {process}, connecting: {error}");
                    self.violations.lock().push(text.clone());
                    Err(text)
                }
                Err(Outcome::Fail { error } | Outcome::Info { error }) => Err(error),
                Err(Outcome::Ok { .. }) => Err("no client".to_owned()),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_client_has_a_name_that_can_be_given() {
        for kind in ClientKind::ALL {
            assert_eq!(kind.to_string().parse::<ClientKind>().unwrap(), kind);
        }
        let error = "ruby".parse::<ClientKind>().unwrap_err().to_string();
        assert!(error.contains("ruby") && error.contains("python"), "{error}");
    }
}
