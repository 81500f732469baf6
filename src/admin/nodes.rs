//! `/v1/nodes`: who belongs to the cluster, and changes of that.

use std::sync::Arc;

use statekeeper_machine::{Name, NodeId, Query};

use super::app::App;
use super::call::{Call, node_id};
use super::paging;
use super::plan::{Plan, plan};
use super::problem::Problem;
use super::reply::Reply;
use super::route::{Answer, Body, DRY_RUN, Field, Kind, LIST, Method, READ, Route};
use super::schema::{Page, Schema, api_object};
use super::table;
use crate::consensus::{MembershipChange, PeerStatus, Status};

/// The routes of this file.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::Get,
        path: "/v1/nodes",
        tag: table::CLUSTER,
        summary: "All voters and learners.",
        query: LIST,
        headers: &[],
        body: Body::None,
        answer: Answer::Json(Page::<Node>::schema),
        handler: |app, call| Box::pin(list(app, call)),
    },
    Route {
        method: Method::Post,
        path: "/v1/nodes",
        tag: table::CLUSTER,
        summary: "Adds a node as learner.",
        query: &[DRY_RUN],
        headers: &[],
        body: Body::Object(&[
            Field {
                name: "node_id",
                kind: Kind::Text,
                required: true,
                doc: "The node, as its own /v1/info tells.",
            },
            Field {
                name: "raft_address",
                kind: Kind::Text,
                required: true,
                doc: "`host:port` of its Raft port.",
            },
        ]),
        answer: Answer::Json(Plan::schema),
        handler: |app, call| Box::pin(add(app, call)),
    },
    Route {
        method: Method::Get,
        path: "/v1/nodes/{id}",
        tag: table::CLUSTER,
        summary: "One node.",
        query: READ,
        headers: &[],
        body: Body::None,
        answer: Answer::Json(Node::schema),
        handler: |app, call| Box::pin(show(app, call)),
    },
    Route {
        method: Method::Patch,
        path: "/v1/nodes/{id}",
        tag: table::CLUSTER,
        summary: "Gives a learner a vote, once it has caught up.",
        query: &[DRY_RUN],
        headers: &[],
        body: Body::Object(&[Field {
            name: "voter",
            kind: Kind::Flag,
            required: true,
            doc: "true; a vote is taken away by removing the node.",
        }]),
        answer: Answer::Json(Plan::schema),
        handler: |app, call| Box::pin(promote(app, call)),
    },
    Route {
        method: Method::Delete,
        path: "/v1/nodes/{id}",
        tag: table::CLUSTER,
        summary: "Removes a node, unless too few healthy voters would be left.",
        query: &[DRY_RUN],
        headers: &[],
        body: Body::None,
        answer: Answer::Json(Plan::schema),
        handler: |app, call| Box::pin(remove(app, call)),
    },
];

api_object! {
    /// A node of the cluster.
    pub(super) struct Node {
        /// The node.
        node_id: String,
        /// It may vote.
        voter: bool,
        /// It leads, as far as the node that answers knows.
        leader: bool,
        /// Clients are told of it.
        listed: bool,
        /// What clients call it; null until it has described itself.
        member_uuid: Option<String>,
        /// Where clients reach it.
        client_address: Option<String>,
        /// Where other nodes reach it.
        raft_address: Option<String>,
        /// Where its admin API is.
        admin_address: Option<String>,
        /// Its program's version.
        version: Option<String>,
        /// The last entry known to be on its disk; leaders only know.
        matched_index: Option<u64>,
        /// Entries it lacks; leaders only know.
        lag_entries: Option<u64>,
        /// Milliseconds since its last answer; leaders only know.
        silent_ms: Option<u64>,
    }
}

async fn list(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    app.read(Query::Barrier, call.consistency()).await?;
    let status = app.status();
    let identity = |peer: &PeerStatus| peer.node.0.to_be_bytes().to_vec();
    let show = |peer: PeerStatus| node(&app, &status, &peer);
    Reply::json(&paging::page(&call, "nodes", status.peers.clone(), identity, show)?)
}

async fn show(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let id = call.node()?;
    app.read(Query::Barrier, call.consistency()).await?;
    let status = app.status();
    match status.peers.iter().find(|peer| peer.node == id) {
        Some(peer) => Reply::json(&node(&app, &status, peer)),
        None => Err(Problem::NotFound { what: "node", name: id.to_string() }),
    }
}

async fn add(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let node = node_id("node_id", call.body.text("node_id").unwrap_or_default())?;
    let address = call.body.text("raft_address").unwrap_or_default();
    let has_port = address.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if !has_port {
        return Err(Problem::invalid("raft_address", "must be host:port"));
    }
    let raft_address = Name::from(address);
    change(&app, &call, MembershipChange::AddLearner { node, raft_address }).await
}

async fn promote(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    if call.body.flag("voter") != Some(true) {
        return Err(Problem::invalid("voter", "must be true; DELETE takes a node's vote away"));
    }
    change(&app, &call, MembershipChange::Promote { node: call.node()? }).await
}

async fn remove(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    change(&app, &call, MembershipChange::Remove { node: call.node()? }).await
}

/// Plans a change, makes it unless it is a dry run, and answers the plan.
pub(super) async fn change(
    app: &App,
    call: &Call,
    change: MembershipChange,
) -> Result<Reply, Problem> {
    let mut plan = plan(&app.status(), app.context.info.peer_silence_max, &change)?;
    if !call.dry_run() {
        app.context.consensus.change_membership(change).await?;
        plan.done = true;
    }
    Reply::json(&plan)
}

fn node(app: &App, status: &Status, peer: &PeerStatus) -> Node {
    let described = peer.description.as_ref();
    let text = |name: &Name| name.to_string();
    let view = app.context.consensus.view().borrow().clone();
    let lag = |matched: u64| status.last_log_index.saturating_sub(matched);
    let ms = |silent: std::time::Duration| u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
    Node {
        node_id: peer.node.to_string(),
        voter: peer.voter,
        leader: status.leader == Some(peer.node),
        listed: lists(&view.members, peer.node),
        member_uuid: described.map(|d| d.member.to_string()),
        client_address: described.map(|d| host_and_port(&d.client_host, d.client_port)),
        raft_address: described.map(|d| text(&d.raft_address)),
        admin_address: described.map(|d| text(&d.admin_address)),
        version: described.map(|d| text(&d.version)),
        matched_index: peer.matched_index,
        lag_entries: peer.matched_index.map(lag),
        silent_ms: peer.silent_for.map(ms),
    }
}

fn lists(members: &[statekeeper_machine::NodeDescription], node: NodeId) -> bool {
    members.iter().any(|member| member.node == node)
}

/// An address, with brackets around the colons of IPv6.
fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
