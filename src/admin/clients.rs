//! `GET /v1/clients`: who is connected to the node that answers.

use std::sync::Arc;
use std::time::Duration;

use statekeeper_machine::Name;

use super::app::App;
use super::call::Call;
use super::paging;
use super::problem::Problem;
use super::reply::Reply;
use super::route::{Answer, Body, CURSOR, LIMIT, Method, Route};
use super::rows::ClientRow;
use super::schema::{Page, Schema, api_object};
use super::table;

/// The routes of this file.
pub(super) const ROUTES: &[Route] = &[Route {
    method: Method::Get,
    path: "/v1/clients",
    tag: table::CLIENTS,
    summary: "Connections of clients to this node; a smart client has one to every node.",
    query: &[LIMIT, CURSOR],
    headers: &[],
    body: Body::None,
    answer: Answer::Json(Page::<Client>::schema),
    handler: |app, call| Box::pin(list(app, call)),
}];

api_object! {
    /// A connection of a client.
    pub(super) struct Client {
        /// The client.
        uuid: String,
        /// Its name.
        name: String,
        /// `JVM`, `PYH`, `NJS` and so on.
        language: String,
        /// Its own version.
        version: String,
        /// Where it connects from.
        address: String,
        /// Labels it was given.
        labels: Vec<String>,
        /// Milliseconds since it connected.
        connected_ms: u64,
        /// Milliseconds since it was heard last.
        silent_ms: u64,
        /// Listeners it registered.
        listeners: u64,
        /// Requests without an answer yet.
        in_flight: u64,
        /// Bytes that wait to be sent to it.
        buffered_bytes: u64,
    }
}

async fn list(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let rows = (app.context.clients)();
    let identity = |row: &ClientRow| format!("{}\0{}", row.client, row.address).into_bytes();
    Reply::json(&paging::page(&call, "clients", rows, identity, client)?)
}

fn client(row: ClientRow) -> Client {
    Client {
        uuid: row.client.to_string(),
        name: row.name.to_string(),
        language: row.language.to_string(),
        version: row.version.to_string(),
        address: row.address,
        labels: row.labels.iter().map(Name::to_string).collect(),
        connected_ms: ms(row.connected_for),
        silent_ms: ms(row.silent_for),
        listeners: row.listeners,
        in_flight: row.in_flight,
        buffered_bytes: row.buffered_bytes,
    }
}

/// Whole milliseconds.
pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
