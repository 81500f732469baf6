//! What all requests share: the node's context and what the API counts itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use statekeeper_machine::{Answer, Command, Name, Outcome, Query};
use tokio::sync::Semaphore;

use super::context::AdminContext;
use super::limits;
use super::problem::Problem;
use crate::consensus::{Consistency, Status};

/// The state of the API.
#[derive(Debug)]
pub(super) struct App {
    /// What the node handed over.
    pub(super) context: AdminContext,
    /// One permit for each request in work.
    pub(super) in_flight: Arc<Semaphore>,
    /// One permit for each large body that is read.
    pub(super) large_bodies: Semaphore,
    /// Answers by route and status.
    pub(super) answers: Mutex<BTreeMap<(&'static str, &'static str, u16), u64>>,
    /// Object names that are labels of metrics: the first ones seen keep their place, so that no
    /// series ever becomes another's.
    pub(super) labels: Mutex<BTreeSet<Name>>,
}

impl App {
    pub(super) fn new(context: AdminContext) -> Self {
        Self {
            context,
            in_flight: Arc::new(Semaphore::new(limits::IN_FLIGHT_MAX)),
            large_bodies: Semaphore::new(limits::LARGE_BODIES_MAX),
            answers: Mutex::default(),
            labels: Mutex::default(),
        }
    }

    /// Where this node stands.
    pub(super) fn status(&self) -> Arc<Status> {
        self.context.consensus.status().borrow().clone()
    }

    /// Asks the state.
    pub(super) async fn read(
        &self,
        query: Query,
        consistency: Consistency,
    ) -> Result<Answer, Problem> {
        Ok(self.context.consensus.read(query, consistency).await?)
    }

    /// Changes the state.
    pub(super) async fn submit(&self, command: Command) -> Result<Outcome, Problem> {
        Ok(self.context.consensus.submit(command).await?)
    }
}
