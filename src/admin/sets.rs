//! `/v1/sets`: sets and their items.

use std::sync::Arc;

use statekeeper_machine::{Answer as StateAnswer, Blob, Query, SetView};

use super::app::App;
use super::blob_view::{BlobView, Detail, view};
use super::call::Call;
use super::limits;
use super::paging;
use super::problem::Problem;
use super::reply::Reply;
use super::route::{Answer, Body, LIST, Method, Route};
use super::schema::{Page, Schema, api_object};
use super::table;

/// Items are the same when their bytes are from here on: type and payload.
const IDENTITY_FROM: usize = 4;

/// The routes of this file.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::Get,
        path: "/v1/sets",
        tag: table::DATA,
        summary: "All sets with counts.",
        query: LIST,
        headers: &[],
        body: Body::None,
        answer: Answer::Json(Page::<Set>::schema),
        handler: |app, call| Box::pin(list(app, call)),
    },
    Route {
        method: Method::Get,
        path: "/v1/sets/{name}/items",
        tag: table::DATA,
        summary: "Items of a set; none when there is no such set.",
        query: LIST,
        headers: &[],
        body: Body::None,
        answer: Answer::Json(Page::<BlobView>::schema),
        handler: |app, call| Box::pin(items(app, call)),
    },
];

api_object! {
    /// A set.
    pub(super) struct Set {
        /// Its name.
        name: String,
        /// Items.
        items: u64,
        /// Accounted bytes.
        bytes: u64,
    }
}

async fn list(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let StateAnswer::Sets(sets) = app.read(Query::Sets, call.consistency()).await? else {
        return Err(Problem::UnexpectedAnswer { question: "sets" });
    };
    let identity = |set: &SetView| set.name.as_bytes().to_vec();
    let show =
        |set: SetView| Set { name: set.name.to_string(), items: set.items, bytes: set.bytes };
    Reply::json(&paging::page(&call, "sets", sets, identity, show)?)
}

async fn items(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let set = call.name("name", app.context.limits.name_bytes_max)?;
    let list = format!("items/{set}");
    let answer = app.read(Query::SetItems { set }, call.consistency()).await?;
    let StateAnswer::Values(items) = answer else {
        return Err(Problem::UnexpectedAnswer { question: "items of a set" });
    };
    let detail = Detail {
        bytes_max: limits::LISTED_VALUE_BYTES_MAX,
        base64_values: app.context.info.base64_values,
    };
    let identity = |item: &Blob| item.bytes()[IDENTITY_FROM..].to_vec();
    Reply::json(&paging::page(&call, &list, items, identity, |item| view(&item, detail))?)
}
