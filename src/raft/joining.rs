//! Joining: how a node without data gets into the membership, asked over the Raft ports it knows.

use std::sync::Arc;
use std::time::Duration;

use statekeeper_machine::{Name, NodeId};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::error::RaftError;
use super::handler::Handler;
use super::identity::Identity;
use super::link::{Link, LinkError};
use super::message::{
    HelloRefusal, JoinAnswer, JoinRequest, LeaderHint, Purpose, Request, Response,
};
use super::transport::Dialer;
use crate::consensus::{MembershipChange, MembershipError};

/// Between two rounds over all addresses.
const ROUND_PAUSE: Duration = Duration::from_millis(200);
/// A membership change needs a round trip and two disks, on a good day.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What a node answers to one that asks to join.
pub(crate) async fn answer(handler: &Arc<Handler>, peer: NodeId, request: JoinRequest) -> Response {
    if peer != request.node {
        return Response::Failed("a node asks for itself only".to_owned());
    }
    if !handler.routes.leads() {
        return Response::NotLeader(handler.routes.hint());
    }
    let JoinRequest { node, raft_address } = request;
    let members = handler.membership.members();
    if members.addresses.contains_key(&node) {
        return Response::Join(JoinAnswer::Joined);
    }
    let change = MembershipChange::AddLearner { node, raft_address };
    Response::Join(match handler.membership.change(change).await {
        Ok(()) => {
            tracing::info!(%node, "node joins as learner");
            JoinAnswer::Joined
        }
        Err(MembershipError::Refused { rule }) => JoinAnswer::Later(rule),
        Err(error @ MembershipError::Submit(_)) => JoinAnswer::Later(error.to_string()),
    })
}

/// Asks until this node is in the membership, or is refused for good, or the token ends.
pub(crate) async fn ask(
    identity: &Identity,
    dialer: &dyn Dialer,
    own_address: Name,
    addresses: Vec<String>,
    stop: &CancellationToken,
) -> Result<(), RaftError> {
    let request = JoinRequest { node: identity.node, raft_address: own_address };
    loop {
        for address in &addresses {
            let asked = tokio::select! {
                () = stop.cancelled() => {
                    return Err(RaftError::Stopped { reason: "stopped".into() });
                }
                asked = ask_one(identity, dialer, address, &request) => asked,
            };
            match asked {
                Ok(JoinAnswer::Joined) => return Ok(()),
                Ok(JoinAnswer::Refused(reason)) => return Err(RaftError::JoinRefused { reason }),
                Ok(JoinAnswer::Later(reason)) => {
                    tracing::info!(address, reason, "the cluster does not take this node in yet");
                }
                Err(LinkError::Refused { refusal, .. }) if is_final(&refusal) => {
                    return Err(RaftError::JoinRefused { reason: refusal.to_string() });
                }
                Err(error) => tracing::debug!(address, %error, "could not ask to join"),
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(ROUND_PAUSE) => {}
        }
    }
}

/// Whether asking again cannot help.
fn is_final(refusal: &HelloRefusal) -> bool {
    match refusal {
        HelloRefusal::OtherCluster { .. } | HelloRefusal::LogLost { .. } => true,
        HelloRefusal::Version { .. } | HelloRefusal::NoCluster | HelloRefusal::OtherNode { .. } => {
            false
        }
    }
}

/// Asks one node, and the leader that it names.
async fn ask_one(
    identity: &Identity,
    dialer: &dyn Dialer,
    address: &str,
    request: &JoinRequest,
) -> Result<JoinAnswer, LinkError> {
    match ask_at(identity, dialer, address, request).await? {
        Response::Join(answer) => Ok(answer),
        Response::NotLeader(LeaderHint { raft_address: Some(leader), .. }) => {
            match ask_at(identity, dialer, &leader, request).await? {
                Response::Join(answer) => Ok(answer),
                _ => Ok(JoinAnswer::Later("no leader answers".to_owned())),
            }
        }
        _ => Ok(JoinAnswer::Later("no leader is known there".to_owned())),
    }
}

async fn ask_at(
    identity: &Identity,
    dialer: &dyn Dialer,
    address: &str,
    request: &JoinRequest,
) -> Result<Response, LinkError> {
    let hello = identity.hello(None, Purpose::Control).await.ok_or(LinkError::NoCluster)?;
    let link = Link::connect(dialer, address, hello, ANSWER_TIMEOUT).await?;
    link.call(Request::Join(request.clone()), ANSWER_TIMEOUT).await
}
