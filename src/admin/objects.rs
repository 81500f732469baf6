//! `GET /v1/objects`: every distributed object that clients made known.

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
    path: "/v1/objects",
    tag: table::DATA,
    summary: "All distributed objects, by service and name.",
    query: LIST,
    headers: &[],
    body: Body::None,
    answer: Answer::Json(Page::<Object>::schema),
    handler: |app, call| Box::pin(list(app, call)),
}];

api_object! {
    /// A distributed object.
    pub(super) struct Object {
        /// Its service, for instance `hz:impl:mapService`.
        service: String,
        /// Its name.
        name: String,
    }
}

async fn list(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let StateAnswer::Objects(objects) = app.read(Query::Objects, call.consistency()).await? else {
        return Err(Problem::UnexpectedAnswer { question: "objects" });
    };
    let identity = |(service, name): &(Name, Name)| format!("{service}\0{name}").into_bytes();
    let show = |(service, name): (Name, Name)| Object {
        service: service.to_string(),
        name: name.to_string(),
    };
    Reply::json(&paging::page(&call, "objects", objects, identity, show)?)
}
