//! openraft's outgoing network over `Links`.
//!
//! Every call has a deadline of its own, openraft's soft one: without it replication would hang on
//! a line that went dead. Appends are pipelined; there a follower answers only when its disk has
//! the entries, so that stream is given up when it makes no progress for an election time-out, not
//! after the heartbeat's.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{
    NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable,
};
use openraft::network::{RPCOption, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RPCTypes, RaftNetworkV2};
use statekeeper_machine::{Name, NodeId};
use tokio::time::{Instant, timeout, timeout_at};

use super::limits;
use super::link::{Link, LinkError, Reply};
use super::links::Links;
use super::message::{Purpose, Request, Response};
use super::snapshot_sender::{self, SnapshotTarget};
use super::type_config::{LogId, Peer, RaftTypes, Snapshot, Vote};
use crate::storage::SnapshotFile;

/// Makes the clients that openraft asks for.
pub(crate) struct Network {
    pub(crate) me: NodeId,
    pub(crate) links: Arc<Links>,
    /// How long a stream of appends may make no progress.
    pub(crate) append_patience: Duration,
}

/// One peer, for one purpose.
pub(crate) struct PeerClient {
    me: NodeId,
    links: Arc<Links>,
    append_patience: Duration,
    target: NodeId,
    address: Name,
    purpose: Purpose,
}

impl Network {
    fn client(&self, target: u64, peer: &Peer, purpose: Purpose) -> PeerClient {
        PeerClient {
            me: self.me,
            links: self.links.clone(),
            append_patience: self.append_patience,
            target: NodeId(target),
            address: peer.raft_address.clone(),
            purpose,
        }
    }
}

impl RaftNetworkFactory<RaftTypes> for Network {
    type Network = PeerClient;

    async fn new_client(&mut self, target: u64, node: &Peer) -> PeerClient {
        self.client(target, node, Purpose::Replication)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &Peer) -> PeerClient {
        self.client(target, node, Purpose::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, target: u64, node: &Peer) -> PeerClient {
        self.client(target, node, Purpose::Snapshot)
    }
}

impl PeerClient {
    fn address(&self) -> Name {
        self.links.address(self.target).unwrap_or_else(|| self.address.clone())
    }

    async fn link(&self, purpose: Purpose, within: Duration) -> Result<Arc<Link>, LinkError> {
        self.links.get(self.target, &self.address(), purpose, within).await
    }

    /// One request and its answer on a connection for small, urgent ones.
    async fn call(
        &self,
        action: RPCTypes,
        request: Request,
        option: &RPCOption,
    ) -> Result<Response, RPCError<RaftTypes>> {
        let within = option.soft_ttl();
        let call = async {
            let link = self.link(Purpose::Heartbeat, within).await?;
            let response = link.call(request, within).await;
            if let Err(LinkError::Timeout) = response {
                self.links.give_up(self.target, Purpose::Heartbeat, &link);
            }
            response
        };
        match timeout(within, call).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.rpc_error(action, within, &error)),
            Err(_) => Err(self.rpc_error(action, within, &LinkError::Timeout)),
        }
    }

    fn rpc_error(
        &self,
        action: RPCTypes,
        timeout: Duration,
        error: &LinkError,
    ) -> RPCError<RaftTypes> {
        match error {
            LinkError::Timeout => {
                let (id, target) = (self.me.0, self.target.0);
                RPCError::Timeout(Timeout { action, id, target, timeout })
            }
            LinkError::Lost | LinkError::Frame(_) => RPCError::Network(NetworkError::new(error)),
            LinkError::Connect { .. }
            | LinkError::Refused { .. }
            | LinkError::PeerLostLog { .. }
            | LinkError::NoCluster
            | LinkError::Pause { .. }
            | LinkError::TooLarge => RPCError::Unreachable(Unreachable::new(error)),
        }
    }
}

/// An answer of another kind than the question has.
fn unexpected(response: &Response) -> RPCError<RaftTypes> {
    let text = match response {
        Response::Failed(reason) => format!("the peer failed: {reason}"),
        _ => "the peer gave an answer of another kind".to_owned(),
    };
    RPCError::Unreachable(Unreachable::from_string(text))
}

impl RaftNetworkV2<RaftTypes> for PeerClient {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<RaftTypes>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<RaftTypes>, RPCError<RaftTypes>> {
        match self.call(RPCTypes::AppendEntries, Request::Append(rpc), &option).await? {
            Response::Append(response) => Ok(response),
            other => Err(unexpected(&other)),
        }
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<Appended<'s>, RPCError<RaftTypes>>>
    where
        S: Stream<Item = AppendEntriesRequest<RaftTypes>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move {
            let soft = option.soft_ttl();
            let patience = match self.purpose {
                Purpose::Replication => self.append_patience.max(soft),
                Purpose::Heartbeat | Purpose::Snapshot | Purpose::Forward | Purpose::Control => {
                    soft
                }
            };
            let stream = AppendStream {
                client: self,
                link: None,
                connect_timeout: soft,
                input: Some(input),
                open: VecDeque::new(),
                progress_at: Instant::now(),
                patience,
            };
            let stream = futures::stream::unfold(Some(stream), |stream| async move {
                let mut stream = stream?;
                let item = stream.next().await?;
                // After anything but a whole success openraft begins anew.
                let goes_on = matches!(item, Next::Whole(_));
                Some((item.into_result(), goes_on.then_some(stream)))
            });
            let stream: Appended<'s> = Box::pin(stream);
            Ok(stream)
        })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<RaftTypes>,
        option: RPCOption,
    ) -> Result<VoteResponse<RaftTypes>, RPCError<RaftTypes>> {
        match self.call(RPCTypes::Vote, Request::Vote(rpc), &option).await? {
            Response::Vote(response) => Ok(response),
            other => Err(unexpected(&other)),
        }
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<RaftTypes>,
        option: RPCOption,
    ) -> Result<VoteResponse<RaftTypes>, RPCError<RaftTypes>> {
        match self.call(RPCTypes::Vote, Request::PreVote(rpc), &option).await? {
            Response::Vote(response) => Ok(response),
            other => Err(unexpected(&other)),
        }
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<RaftTypes>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<RaftTypes>, RPCError<RaftTypes>> {
        let request = Request::TransferLeader(req);
        match self.call(RPCTypes::TransferLeader, request, &option).await? {
            Response::TransferLeader(response) => Ok(response),
            other => Err(unexpected(&other)),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<RaftTypes>, StreamingError<RaftTypes>> {
        let within = option.soft_ttl();
        let address = self.address();
        let target = SnapshotTarget { node: self.target, address: &address };
        let send = snapshot_sender::send(&self.links, target, vote, snapshot, within);
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = send => sent.map_err(|error| {
                self.rpc_error(RPCTypes::InstallSnapshot, within, &error).into()
            }),
        }
    }
}

type Appended<'s> = BoxStream<'s, Result<StreamAppendResult<RaftTypes>, RPCError<RaftTypes>>>;

/// Append requests on their way, and their answers in the order of the requests.
struct AppendStream<'s, S> {
    client: &'s PeerClient,
    /// Made with the first request: openraft waits between failed attempts where it hands that out,
    /// so an attempt that does not take one would be repeated at once, for ever.
    link: Option<Arc<Link>>,
    connect_timeout: Duration,
    input: Option<S>,
    open: VecDeque<OpenAppend>,
    /// When the first of the open ones became the first.
    progress_at: Instant,
    patience: Duration,
}

struct OpenAppend {
    previous: Option<LogId>,
    last: Option<LogId>,
    reply: Reply,
}

enum Next {
    /// Everything of the request is on the follower's disk.
    Whole(StreamAppendResult<RaftTypes>),
    /// Less than that, or a refusal.
    Last(StreamAppendResult<RaftTypes>),
    Failed(RPCError<RaftTypes>),
}

impl Next {
    fn into_result(self) -> Result<StreamAppendResult<RaftTypes>, RPCError<RaftTypes>> {
        match self {
            Self::Whole(result) | Self::Last(result) => Ok(result),
            Self::Failed(error) => Err(error),
        }
    }
}

impl<S> AppendStream<'_, S>
where
    S: Stream<Item = AppendEntriesRequest<RaftTypes>> + Unpin,
{
    async fn next(&mut self) -> Option<Next> {
        loop {
            if self.open.is_empty() && self.input.is_none() {
                return None;
            }
            let (deadline, open) = (self.progress_at + self.patience, self.open.len());
            tokio::select! {
                biased;
                answer = first_answer(&mut self.open, deadline) => {
                    self.progress_at = Instant::now();
                    return Some(self.answered(answer));
                }
                request = next_request(&mut self.input, open) => match request {
                    None => self.input = None,
                    Some(request) => if let Err(error) = self.begin(request).await {
                        return Some(self.failed(&error));
                    },
                },
            }
        }
    }

    async fn begin(&mut self, request: AppendEntriesRequest<RaftTypes>) -> Result<(), LinkError> {
        let previous = request.prev_log_id;
        let last = request.entries.last().map(|entry| entry.log_id).or(previous);
        let link = match &self.link {
            Some(link) => link,
            None => {
                let link = self.client.link(self.client.purpose, self.connect_timeout).await?;
                self.link.insert(link)
            }
        };
        let begin = link.begin(Request::Append(request));
        let reply = timeout(self.patience, begin).await.unwrap_or(Err(LinkError::Timeout))?;
        if self.open.is_empty() {
            self.progress_at = Instant::now();
        }
        self.open.push_back(OpenAppend { previous, last, reply });
        Ok(())
    }

    fn answered(&mut self, answer: Result<Response, LinkError>) -> Next {
        let Some(open) = self.open.pop_front() else { return self.failed(&LinkError::Lost) };
        let response = match answer {
            Ok(Response::Append(response)) => response,
            Ok(other) => return Next::Failed(unexpected(&other)),
            Err(error) => return self.failed(&error),
        };
        let partial = match &response {
            AppendEntriesResponse::PartialSuccess(upto) => *upto != open.last,
            AppendEntriesResponse::Success
            | AppendEntriesResponse::Conflict
            | AppendEntriesResponse::HigherVote(_) => false,
        };
        if response.is_conflict() && open.previous.is_none() {
            let error = "the peer calls the beginning of the log a conflict";
            return Next::Failed(RPCError::Unreachable(Unreachable::from_string(error)));
        }
        let result = response.into_stream_result(open.previous, open.last);
        if partial || result.is_err() { Next::Last(result) } else { Next::Whole(result) }
    }

    fn failed(&mut self, error: &LinkError) -> Next {
        if let (LinkError::Timeout, Some(link)) = (error, &self.link) {
            self.client.links.give_up(self.client.target, self.client.purpose, link);
        }
        Next::Failed(self.client.rpc_error(RPCTypes::AppendEntries, self.patience, error))
    }
}

async fn first_answer(
    open: &mut VecDeque<OpenAppend>,
    deadline: Instant,
) -> Result<Response, LinkError> {
    match open.front_mut() {
        Some(first) => {
            timeout_at(deadline, first.reply.get()).await.unwrap_or(Err(LinkError::Timeout))
        }
        None => std::future::pending().await,
    }
}

async fn next_request<S: Stream + Unpin>(input: &mut Option<S>, open: usize) -> Option<S::Item> {
    match input {
        Some(input) if open < limits::APPENDS_IN_FLIGHT_MAX => Pin::new(input).next().await,
        Some(_) | None => std::future::pending().await,
    }
}
