//! `GET /v1/info`: which program this is and whom it belongs to.

use std::sync::Arc;
use std::time::SystemTime;

use super::app::App;
use super::call::Call;
use super::problem::Problem;
use super::reply::Reply;
use super::rfc3339;
use super::route::{Answer, Body, Method, Route};
use super::schema::{Schema, api_object};
use super::table;

/// The routes of this file.
pub(super) const ROUTES: &[Route] = &[Route {
    method: Method::Get,
    path: "/v1/info",
    tag: table::NODE,
    summary: "This node's version, names and age.",
    query: &[],
    headers: &[],
    body: Body::None,
    answer: Answer::Json(Info::schema),
    handler: |app, call| Box::pin(show(app, call)),
}];

api_object! {
    /// A node.
    pub(super) struct Info {
        /// The program's version.
        version: String,
        /// This node.
        node_id: String,
        /// What clients call this node.
        member_uuid: String,
        /// What clients must ask for.
        cluster_name: String,
        /// The cluster; null until there is one.
        cluster_id: Option<String>,
        /// When the process started.
        started_at: String,
        /// Seconds since then.
        uptime_seconds: u64,
    }
}

async fn show(app: Arc<App>, _: Call) -> Result<Reply, Problem> {
    let (status, info) = (app.status(), &app.context.info);
    // A clock that was set back makes a process look new, never old.
    let uptime = SystemTime::now().duration_since(info.started_at).unwrap_or_default();
    Reply::json(&Info {
        version: info.version.to_string(),
        node_id: status.node.to_string(),
        member_uuid: status.member.to_string(),
        cluster_name: info.cluster_name.to_string(),
        cluster_id: status.cluster.as_ref().map(|cluster| cluster.id.to_string()),
        started_at: rfc3339::system_time(info.started_at),
        uptime_seconds: uptime.as_secs(),
    })
}
