//! `Round`: one look at the cluster, and what comes out of it.

use std::time::{Duration, Instant};

use statekeeper_machine::ClusterCommand;
use statekeeper_machine::Command;

use super::DutySettings;
use super::duty::{Deed, Duty, DutyId};
use super::flights::Flights;
use super::reports::Reports;
use super::view::DutyView;

/// What every duty decides from, and where it puts its decision.
pub(super) struct Round<'a> {
    pub(super) view: &'a DutyView<'a>,
    pub(super) settings: &'a DutySettings,
    pub(super) reports: &'a Reports,
    /// No silence reaches further back.
    pub(super) listening_since: Instant,
    flights: &'a mut Flights,
    duties: Vec<Duty>,
}

impl<'a> Round<'a> {
    pub(super) fn new(
        view: &'a DutyView<'a>,
        settings: &'a DutySettings,
        reports: &'a Reports,
        flights: &'a mut Flights,
        listening_since: Instant,
    ) -> Self {
        Self { view, settings, reports, listening_since, flights, duties: Vec::new() }
    }

    /// Whether a duty could be handed out now.
    pub(super) fn is_open(&self, id: DutyId) -> bool {
        self.flights.is_open(self.view.now, id)
    }

    /// Hands out a command, unless one under this id is under way; answers whether it did.
    pub(super) fn propose(&mut self, id: DutyId, command: ClusterCommand) -> bool {
        self.hand_out(id, Deed::Propose(Command::Cluster(command)))
    }

    /// Hands out a duty, unless one under this id is under way; answers whether it did.
    pub(super) fn hand_out(&mut self, id: DutyId, deed: Deed) -> bool {
        let open = self.is_open(id);
        if open {
            self.flights.leave(self.view.now, id);
            self.duties.push(Duty { id, deed });
        }
        open
    }

    /// For how long this node has listened.
    pub(super) fn listened_for(&self) -> Duration {
        self.view.now.saturating_duration_since(self.listening_since)
    }

    /// The time since `at`, counted only while this node listened.
    pub(super) fn silence_since(&self, at: Option<Instant>) -> Duration {
        let from = at.map_or(self.listening_since, |at| at.max(self.listening_since));
        self.view.now.saturating_duration_since(from)
    }

    /// What was decided, in order.
    pub(super) fn into_duties(self) -> Vec<Duty> {
        self.duties
    }
}
