//! `GET /v1/cluster`: leader, term, voters, indexes and alarms.

use std::sync::Arc;

use statekeeper_machine::{NodeId, Query};

use super::alarms;
use super::app::App;
use super::call::Call;
use super::problem::Problem;
use super::quorum::Quorum;
use super::reply::Reply;
use super::rfc3339;
use super::route::{Answer, Body, Method, READ, Route};
use super::schema::{Schema, api_object};
use super::table;
use crate::consensus::{Role, Status};

/// The routes of this file.
pub(super) const ROUTES: &[Route] = &[Route {
    method: Method::Get,
    path: "/v1/cluster",
    tag: table::CLUSTER,
    summary: "The cluster as this node sees it; `linearizable` proves first that it may say so.",
    query: READ,
    headers: &[],
    body: Body::None,
    answer: Answer::Json(Cluster::schema),
    handler: |app, call| Box::pin(show(app, call)),
}];

api_object! {
    /// The cluster as one node sees it.
    pub(super) struct Cluster {
        /// The cluster; null until there is one.
        cluster_id: Option<String>,
        /// What clients must ask for.
        cluster_name: String,
        /// When it was founded, in cluster time.
        founded_at: Option<String>,
        /// The node that answers.
        node_id: String,
        /// What that node does: waiting, learner, follower, candidate or leader.
        role: String,
        /// Who leads, if known.
        leader: Option<String>,
        /// The leader's admin address, if known.
        leader_admin_address: Option<String>,
        /// Raft's term.
        term: u64,
        /// Nodes with a vote.
        voters: Vec<String>,
        /// Nodes without.
        learners: Vec<String>,
        /// Voters that must answer.
        quorum: u64,
        /// Voters that answer; leaders only know.
        voters_healthy: Option<u64>,
        /// How many more voters may fail, below zero without a quorum; leaders only know.
        quorum_margin: Option<i32>,
        /// The quorum in words.
        summary: String,
        /// Index of the last entry of the log.
        last_log_index: u64,
        /// Index of the last entry known to be committed.
        committed_index: u64,
        /// Index of the last entry applied here.
        applied_index: u64,
        /// Index the newest snapshot ends at.
        snapshot_index: u64,
        /// Accounted bytes of the state.
        state_bytes: u64,
        /// `limits.state-bytes-max`.
        state_bytes_max: u64,
        /// Nothing was heard of a leader for two election time-outs.
        isolated: bool,
        /// The node that answers serves clients.
        ready: bool,
        /// What an operator should look at.
        alarms: Vec<AlarmRow>,
    }
}

api_object! {
    /// Something to look at; it ends by itself.
    pub(super) struct AlarmRow {
        /// Its name.
        alarm: String,
        /// What it means and what to do.
        detail: String,
    }
}

async fn show(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    app.read(Query::Barrier, call.consistency()).await?;
    let status = app.status();
    let info = &app.context.info;
    let quorum = Quorum::of(&status, info.peer_silence_max);
    let learners = status.peers.iter().filter(|peer| !peer.voter).map(|peer| peer.node);
    let cluster = status.cluster.as_ref();
    let alarms = alarms::active(&app.context, &status).into_iter().map(|alarm| AlarmRow {
        alarm: alarm.name().to_owned(),
        detail: alarm.detail().to_owned(),
    });
    Reply::json(&Cluster {
        cluster_id: cluster.map(|cluster| cluster.id.to_string()),
        cluster_name: cluster.map_or(&info.cluster_name, |cluster| &cluster.name).to_string(),
        founded_at: cluster.map(|cluster| rfc3339::cluster_time(cluster.founded_at)),
        node_id: status.node.to_string(),
        role: role_name(status.role).to_owned(),
        leader: status.leader.map(|node| node.to_string()),
        leader_admin_address: leader_admin_address(&status),
        term: status.term,
        voters: quorum.voters.iter().map(NodeId::to_string).collect(),
        learners: learners.map(|node| node.to_string()).collect(),
        quorum: quorum.needed() as u64,
        voters_healthy: quorum.healthy.as_ref().map(|healthy| healthy.len() as u64),
        quorum_margin: quorum.margin(),
        summary: quorum.words(),
        last_log_index: status.last_log_index,
        committed_index: status.committed_index,
        applied_index: status.applied_index,
        snapshot_index: status.snapshot_index,
        state_bytes: status.state_bytes,
        state_bytes_max: app.context.limits.state_bytes_max,
        isolated: status.isolated,
        ready: status.ready,
        alarms: alarms.collect(),
    })
}

fn leader_admin_address(status: &Status) -> Option<String> {
    let leader = status.leader?;
    let peer = status.peers.iter().find(|peer| peer.node == leader)?;
    Some(peer.description.as_ref()?.admin_address.to_string())
}

/// The role's word in answers and labels.
pub(super) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Waiting => "waiting",
        Role::Learner => "learner",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}
