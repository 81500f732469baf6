//! `GET /v1/id-generators`: what each generator has given out.

use std::sync::Arc;

use statekeeper_machine::{Answer as StateAnswer, Name, Query};

use super::app::App;
use super::call::Call;
use super::paging;
use super::problem::Problem;
use super::reply::Reply;
use super::route::{Answer, Body, LIST, Method, Route};
use super::schema::{Page, Schema, api_object};
use super::table;

/// The routes of this file.
pub(super) const ROUTES: &[Route] = &[Route {
    method: Method::Get,
    path: "/v1/id-generators",
    tag: table::DATA,
    summary: "All id generators.",
    query: LIST,
    headers: &[],
    body: Body::None,
    answer: Answer::Json(Page::<IdGenerator>::schema),
    handler: |app, call| Box::pin(list(app, call)),
}];

api_object! {
    /// An id generator.
    pub(super) struct IdGenerator {
        /// Its name.
        name: String,
        /// The first id that it has not given out; every later one is above.
        next_id: String,
    }
}

async fn list(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let answer = app.read(Query::IdGenerators, call.consistency()).await?;
    let StateAnswer::IdGenerators(rows) = answer else {
        return Err(Problem::UnexpectedAnswer { question: "id generators" });
    };
    let identity = |(name, _): &(Name, i64)| name.as_bytes().to_vec();
    let show = |(name, next): (Name, i64)| IdGenerator {
        name: name.to_string(),
        next_id: next.to_string(),
    };
    Reply::json(&paging::page(&call, "id-generators", rows, identity, show)?)
}
