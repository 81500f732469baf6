//! `/v1/cp-sessions`: what keeps locks, its age and its next end, and the operator's end of it.

use std::sync::Arc;

use statekeeper_machine::{
    Answer as StateAnswer, Command, CpCommand, Name, Outcome, Query, SessionId, SessionView,
};

use super::app::App;
use super::call::Call;
use super::locks::{DEFAULT_GROUP, session_id};
use super::paging;
use super::problem::Problem;
use super::reply::Reply;
use super::rfc3339::cluster_time;
use super::route::{Answer, Body, LIST, Method, Route};
use super::schema::{Page, Schema, api_object};
use super::table;

/// The routes of this file.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::Get,
        path: "/v1/cp-sessions",
        tag: table::DATA,
        summary: "All CP sessions with the locks they hold.",
        query: LIST,
        headers: &[],
        body: Body::None,
        answer: Answer::Json(Page::<Session>::schema),
        handler: |app, call| Box::pin(list(app, call)),
    },
    Route {
        method: Method::Delete,
        path: "/v1/cp-sessions/{id}",
        tag: table::DATA,
        summary: "Ends a session and frees all it holds.",
        query: &[],
        headers: &[],
        body: Body::None,
        answer: Answer::NoContent,
        handler: |app, call| Box::pin(close(app, call)),
    },
];

api_object! {
    /// A CP session.
    pub(super) struct Session {
        /// Its id with its group.
        id: String,
        /// Its group.
        group: String,
        /// The client.
        client_uuid: String,
        /// The client's name.
        client_name: String,
        /// When it was made.
        created_at: String,
        /// When it ends without another heartbeat.
        expires_at: String,
        /// Locks it holds.
        locks: Vec<String>,
    }
}

async fn list(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let answer = app.read(Query::Sessions, call.consistency()).await?;
    let StateAnswer::Sessions(sessions) = answer else {
        return Err(Problem::UnexpectedAnswer { question: "CP sessions" });
    };
    let identity =
        |row: &SessionView| [row.group.as_bytes(), &[0], &row.session.0.to_be_bytes()].concat();
    Reply::json(&paging::page(&call, "cp-sessions", sessions, identity, session)?)
}

async fn close(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let id = call.parameter("id");
    let (number, group) = id.split_once('@').unwrap_or((id, DEFAULT_GROUP));
    let session = number.parse().map(SessionId);
    let wrong = |_| Problem::invalid("id", "must be a session's id, for instance 7@default");
    let (session, group) = (session.map_err(wrong)?, Name::from(group));
    let outcome = app.submit(Command::Cp(CpCommand::CloseSession { group, session })).await?;
    if outcome == Outcome::Flag(false) {
        return Err(Problem::NotFound { what: "CP session", name: id.to_owned() });
    }
    Ok(Reply::no_content())
}

fn session(row: SessionView) -> Session {
    Session {
        id: session_id(row.session, &row.group),
        group: row.group.to_string(),
        client_uuid: row.client.to_string(),
        client_name: row.endpoint_name.to_string(),
        created_at: cluster_time(row.created_at),
        expires_at: cluster_time(row.expires_at),
        locks: row.locks.iter().map(Name::to_string).collect(),
    }
}
