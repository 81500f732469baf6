//! `Reports`: the last thing each node said of itself, and when.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use statekeeper_machine::{ClientUuid, Name, NodeDescription, NodeId};

use super::REPORT_INTERVAL;
use crate::consensus::CoordinatorReport;

/// Nodes whose reports are kept between two looks at the membership: as many as the state
/// describes.
const REPORTERS_MAX: usize = 64;
/// A report older than this is not news: three in a row are missing.
const FRESH: Duration = Duration::from_secs(3 * REPORT_INTERVAL.as_secs());

/// What a node says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The node.
    pub(crate) node: NodeId,
    /// How it is reached.
    pub(crate) description: NodeDescription,
    /// Clients with a connection there; those that hold no map lock may be left out.
    pub(crate) clients_here: Vec<ClientUuid>,
    /// The coordinator beside it, once that was checked.
    pub(crate) coordinator: Option<CoordinatorSign>,
}

/// A coordinator as the node beside it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CoordinatorSign {
    /// What the check says.
    pub(crate) report: CoordinatorReport,
    /// This run of the node has seen it up, so that "down" stands for a silence that was measured.
    /// A node that has just started knows of no answer either, but has not waited for one.
    pub(crate) was_up: bool,
}

/// Key and value of a coordinator's record, as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Coordinator {
    pub(super) host: Name,
    pub(super) port: u16,
}

/// The last report of one node.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) at: Instant,
    pub(super) description: NodeDescription,
    coordinator: Option<CoordinatorSign>,
    /// The last coordinator it called up, until it measures a silence.
    last_up: Option<(Coordinator, Instant)>,
}

/// The last report of each node.
#[derive(Debug, Default)]
pub(super) struct Reports {
    nodes: BTreeMap<NodeId, Heard>,
}

impl Reports {
    /// Takes in a report.
    pub(super) fn hear(&mut self, now: Instant, report: Report) {
        if report.description.node != report.node {
            tracing::warn!(node = %report.node, "a node described another one; ignored");
            return;
        }
        if !self.nodes.contains_key(&report.node) && self.nodes.len() >= REPORTERS_MAX {
            return;
        }
        let before = self.nodes.remove(&report.node).and_then(|heard| heard.last_up);
        let last_up = match &report.coordinator {
            Some(sign) if sign.report.up => Some((sign.coordinator(), now)),
            Some(sign) if sign.was_up => before.filter(|(known, _)| *known != sign.coordinator()),
            Some(_) | None => before,
        };
        let Report { node, description, clients_here: _, coordinator } = report;
        self.nodes.insert(node, Heard { at: now, description, coordinator, last_up });
    }

    /// Drops the reports of nodes that `keep` does not know.
    pub(super) fn retain(&mut self, keep: impl Fn(NodeId) -> bool) {
        self.nodes.retain(|node, _| keep(*node));
    }

    /// All reports in order of the nodes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, &Heard)> {
        self.nodes.iter().map(|(node, heard)| (*node, heard))
    }
}

impl Heard {
    /// The coordinator beside it, if it is up and the word is news.
    pub(super) fn coordinator_up(&self, now: Instant, patience: Duration) -> Option<Coordinator> {
        let news = now.saturating_duration_since(self.at) < FRESH.min(patience);
        let sign = self.coordinator.as_ref().filter(|sign| news && sign.report.up)?;
        Some(sign.coordinator())
    }

    /// The coordinator beside it, if it has measured its silence and the word is news.
    pub(super) fn coordinator_down(&self, now: Instant) -> Option<Coordinator> {
        let news = now.saturating_duration_since(self.at) < FRESH;
        let down = |sign: &&CoordinatorSign| news && !sign.report.up && sign.was_up;
        Some(self.coordinator.as_ref().filter(down)?.coordinator())
    }

    /// The coordinator it called up within this time, unless it has measured a silence since.
    pub(super) fn vouches_for(&self, now: Instant, patience: Duration) -> Option<&Coordinator> {
        let (coordinator, at) = self.last_up.as_ref()?;
        (now.saturating_duration_since(*at) < patience).then_some(coordinator)
    }
}

impl CoordinatorSign {
    fn coordinator(&self) -> Coordinator {
        Coordinator { host: self.report.host.clone(), port: self.report.port }
    }
}
