//! `POST /v1/leader:transfer`: hands leadership over, for instance before a restart.

use std::sync::Arc;

use super::app::App;
use super::call::{Call, node_id};
use super::nodes::change;
use super::plan::{Plan, best_successor};
use super::problem::Problem;
use super::reply::Reply;
use super::route::{Answer, Body, DRY_RUN, Field, Kind, Method, Route};
use super::schema::Schema;
use super::table;
use crate::consensus::MembershipChange;

/// The routes of this file.
pub(super) const ROUTES: &[Route] = &[Route {
    method: Method::Post,
    path: "/v1/leader:transfer",
    tag: table::CLUSTER,
    summary: "Makes another voter the leader.",
    query: &[DRY_RUN],
    headers: &[],
    body: Body::Object(&[Field {
        name: "to",
        kind: Kind::Text,
        required: false,
        doc: "The voter; without it, the healthy one that lacks the least.",
    }]),
    answer: Answer::Json(Plan::schema),
    handler: |app, call| Box::pin(transfer(app, call)),
}];

async fn transfer(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let to = match call.body.text("to") {
        Some(text) => node_id("to", text)?,
        None => best_successor(&app.status(), app.context.info.peer_silence_max)?,
    };
    change(&app, &call, MembershipChange::TransferLeader { to }).await
}
