//! `Reporter`: tells the leader about this node, about once a second and at changes.
//!
//! A node whose address changed is not reached by a leader that does not know it, so it may not
//! know who leads: then it asks the members it remembers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use statekeeper_machine::{Name, NodeId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::contact::Contact;
use super::duties::REPORT_INTERVAL;
use super::handler::Reported;
use super::links::Links;
use super::membership::MembershipKeeper;
use super::message::{LeaderHint, Purpose, Request, Response};
use super::presence::Presence;
use super::route::{Route, RouteWatch};

/// How often to look whether there is something to tell.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The task that reports.
pub(crate) struct Reporter {
    pub(crate) me: NodeId,
    pub(crate) presence: Arc<Presence>,
    pub(crate) routes: RouteWatch,
    pub(crate) links: Arc<Links>,
    pub(crate) membership: Arc<MembershipKeeper>,
    pub(crate) contact: Arc<Contact>,
    /// The own leader's loop.
    pub(crate) reports: mpsc::Sender<Reported>,
    pub(crate) within: Duration,
    /// Without a sign of the leader for this long, others are asked.
    pub(crate) silence_max: Duration,
}

impl Reporter {
    /// Reports until the token ends.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut route = self.routes.watch();
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last: Option<Instant> = None;
        let mut asked = 0;
        loop {
            let at_once = tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => false,
                () = self.presence.changed() => true,
                changed = route.changed() => match changed {
                    Ok(()) => true,
                    Err(_) => return,
                },
            };
            let due = last.is_none_or(|last| last.elapsed() >= REPORT_INTERVAL);
            if !(at_once || due || self.presence.has_touches()) {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                told = self.tell(&mut asked) => if told {
                    last = Some(Instant::now());
                },
            }
        }
    }

    async fn tell(&self, asked: &mut usize) -> bool {
        match self.routes.now() {
            Route::Local(_) => {
                let report = (self.me, self.presence.report());
                self.reports.try_send(report).is_ok()
            }
            Route::Remote(leader) if self.contact.waiting_for() < self.silence_max => {
                self.tell_at(leader.node, &leader.address).await.is_some()
            }
            Route::Remote(_) | Route::None => self.tell_anyone(asked).await,
        }
    }

    async fn tell_anyone(&self, asked: &mut usize) -> bool {
        if self.routes.leads() || self.contact.waiting_for() < self.silence_max {
            return false;
        }
        let members = self.membership.members().addresses;
        let others: Vec<_> = members.into_iter().filter(|(node, _)| *node != self.me).collect();
        *asked += 1;
        let Some((node, address)) = others.get(*asked % others.len().max(1)) else { return false };
        match self.tell_at(*node, address).await {
            Some(Response::Heard) => true,
            Some(Response::NotLeader(LeaderHint {
                leader: Some(leader),
                raft_address: Some(address),
            })) if leader != self.me => {
                matches!(self.tell_at(leader, &address).await, Some(Response::Heard))
            }
            Some(_) | None => false,
        }
    }

    async fn tell_at(&self, node: NodeId, address: &Name) -> Option<Response> {
        let link = self.links.get(node, address, Purpose::Control, self.within).await.ok()?;
        let report = Box::new(self.presence.report());
        link.call(Request::Report(report), self.within).await.ok()
    }
}
