//! `Handler`: what each request of another node is answered.

use std::sync::Arc;

use futures::future::BoxFuture;
use openraft::raft::AppendEntriesResponse;
use statekeeper_machine::NodeId;
use tokio::sync::mpsc;

use super::contact::Contact;
use super::joining;
use super::limits;
use super::membership::MembershipKeeper;
use super::message::{NodeReport, Request, Response};
use super::proposer::Proposer;
use super::read_index::ReadIndex;
use super::route::RouteWatch;
use super::snapshot_inbox::SnapshotInbox;
use super::type_config::RaftGroup;
use crate::storage::SnapshotStore;

/// A report with its sender.
pub(crate) type Reported = (NodeId, NodeReport);

/// Everything that requests reach.
pub(crate) struct Handler {
    pub(crate) raft: RaftGroup,
    pub(crate) contact: Arc<Contact>,
    pub(crate) snapshots: Arc<SnapshotStore>,
    pub(crate) proposer: Arc<Proposer>,
    pub(crate) read_index: ReadIndex,
    pub(crate) membership: Arc<MembershipKeeper>,
    pub(crate) routes: RouteWatch,
    pub(crate) reports: mpsc::Sender<Reported>,
}

/// What is known of one connection.
pub(crate) struct Session {
    peer: NodeId,
    /// It was addressed to this node, not to whoever lives here.
    addressed: bool,
    inbox: Arc<SnapshotInbox>,
}

impl Session {
    pub(crate) fn new(peer: NodeId, addressed: bool) -> Self {
        Self { peer, addressed, inbox: Arc::default() }
    }
}

/// The answer on its way.
type Answer = BoxFuture<'static, Response>;

impl Handler {
    /// Begins a request, and waits until proposals are on their way into the log: they enter it in
    /// the order of these calls. Answers that are polled side by side would not keep it, since a
    /// task that has used up its turn leaves its futures in any order.
    pub(crate) async fn begin(self: &Arc<Self>, session: &mut Session, request: Request) -> Answer {
        let this = self.clone();
        if !session.addressed && !matches!(request, Request::Join(_)) {
            return ready(Response::Failed("the hello named no node".to_owned()));
        }
        match request {
            Request::Append(request) => Box::pin(async move {
                let response = this.raft.append_entries(request).await;
                if let Ok(response) = &response
                    && !matches!(response, AppendEntriesResponse::HigherVote(_))
                {
                    this.contact.sign();
                }
                answer(response, Response::Append)
            }),
            Request::Vote(request) => {
                Box::pin(async move { answer(this.raft.vote(request).await, Response::Vote) })
            }
            Request::PreVote(request) => {
                Box::pin(async move { answer(this.raft.pre_vote(request).await, Response::Vote) })
            }
            Request::TransferLeader(request) => Box::pin(async move {
                let response = this.raft.handle_transfer_leader(request).await;
                answer(response, Response::TransferLeader)
            }),
            Request::SnapshotBegin(begin) => {
                let inbox = session.inbox.clone();
                Box::pin(async move { inbox.begin(this.snapshots.clone(), begin).await })
            }
            Request::SnapshotChunk { offset, bytes } => {
                let inbox = session.inbox.clone();
                this.contact.sign();
                Box::pin(async move { inbox.chunk(offset, bytes).await })
            }
            Request::SnapshotEnd => {
                let inbox = session.inbox.clone();
                Box::pin(async move { inbox.end(&this.raft).await })
            }
            Request::Propose(commands) => {
                let proposing = this.proposer.propose(commands).await;
                Box::pin(async move { Response::Proposed(proposing.end().await) })
            }
            Request::ReadIndex => Box::pin(async move {
                match this.read_index.get().await {
                    Some(index) => Response::ReadIndex { index },
                    None => Response::NotLeader(this.routes.hint()),
                }
            }),
            Request::Report(report) => {
                let reported = (session.peer, *report);
                ready(this.report(reported))
            }
            Request::ChangeMembership(change) => Box::pin(async move {
                match this.routes.leads() {
                    true => Response::MembershipChanged(this.membership.change(change).await),
                    false => Response::NotLeader(this.routes.hint()),
                }
            }),
            Request::Join(request) => {
                let peer = session.peer;
                Box::pin(async move { joining::answer(&this, peer, request).await })
            }
        }
    }

    fn report(&self, reported: Reported) -> Response {
        if reported.0 != reported.1.description.node {
            return Response::Failed("a node reports for itself only".to_owned());
        }
        if !self.routes.leads() {
            return Response::NotLeader(self.routes.hint());
        }
        // One that does not fit is repeated within a second.
        match self.reports.try_send(reported) {
            Ok(()) => Response::Heard,
            Err(_) => Response::Failed(format!("{} reports wait", limits::REPORTS_WAITING_MAX)),
        }
    }
}

fn ready(response: Response) -> Answer {
    Box::pin(std::future::ready(response))
}

fn answer<T, E: std::fmt::Display>(
    result: Result<T, E>,
    response: impl FnOnce(T) -> Response,
) -> Response {
    match result {
        Ok(value) => response(value),
        Err(error) => Response::Failed(error.to_string()),
    }
}
