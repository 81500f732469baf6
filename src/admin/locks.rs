//! `/v1/locks`: who holds and who waits, and the operator's release of one certain hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use statekeeper_machine::{
    Answer as StateAnswer, Command, CpCommand, Fence, LockEndpoint, LockView, Name, Outcome, Query,
    SessionId, SessionView,
};

use super::app::App;
use super::call::Call;
use super::paging;
use super::problem::Problem;
use super::reply::Reply;
use super::rfc3339::cluster_time;
use super::route::{Answer, Body, DRY_RUN, Field, Kind, LIST, Method, Route};
use super::schema::{Page, Schema, api_object};
use super::table;
use crate::consensus::Consistency;

/// The group of locks whose clients name none.
pub(super) const DEFAULT_GROUP: &str = "default";

/// The routes of this file.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::Get,
        path: "/v1/locks",
        tag: table::DATA,
        summary: "All fenced locks with owner, fence and waiters in order.",
        query: LIST,
        headers: &[],
        body: Body::None,
        answer: Answer::Json(Page::<Lock>::schema),
        handler: |app, call| Box::pin(list(app, call)),
    },
    Route {
        method: Method::Post,
        path: "/v1/locks/{name}:release",
        tag: table::DATA,
        summary: "Ends the hold with this fence; whoever waits longest gets the lock. Its owner \
                  goes on until it looks: only a resource that checks fences is safe.",
        query: &[DRY_RUN],
        headers: &[],
        body: Body::Object(&[
            Field {
                name: "fence",
                kind: Kind::Text,
                required: true,
                doc: "The fence that was shown: another hold is not ended.",
            },
            Field {
                name: "group",
                kind: Kind::Text,
                required: false,
                doc: "The lock's CP group, `default` without it.",
            },
        ]),
        answer: Answer::Json(Released::schema),
        handler: |app, call| Box::pin(release(app, call)),
    },
];

api_object! {
    /// A fenced lock.
    pub(super) struct Lock {
        /// Its CP group.
        group: String,
        /// Its name.
        name: String,
        /// Who holds it; null when it is free.
        owner: Option<Holder>,
        /// The hold's fence; null when it is free.
        fence: Option<String>,
        /// Reentrant holds.
        hold_count: u32,
        /// Since when.
        held_since: Option<String>,
        /// Who waits, in order.
        waiters: Vec<Waiter>,
    }
}

api_object! {
    /// A thread of a client.
    pub(super) struct Holder {
        /// Its CP session, as `/v1/cp-sessions` shows it.
        session_id: String,
        /// The thread.
        thread_id: String,
        /// The client; null when the session ended meanwhile.
        client_uuid: Option<String>,
        /// The client's name.
        client_name: Option<String>,
    }
}

api_object! {
    /// A thread that waits for a lock.
    pub(super) struct Waiter {
        /// Who.
        waiter: Holder,
        /// When it gives up; null: never.
        until: Option<String>,
    }
}

api_object! {
    /// What releasing a lock does.
    pub(super) struct Released {
        /// Its CP group.
        group: String,
        /// The lock.
        name: String,
        /// The fence of the hold that ends.
        fence: String,
        /// Who loses it; null when nobody is known for it.
        owner: Option<Holder>,
        /// Who gets it next; null when nobody waits.
        next: Option<Holder>,
        /// False for a dry run.
        done: bool,
    }
}

type Sessions = BTreeMap<(Name, SessionId), SessionView>;

async fn list(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let (locks, sessions) = locks_and_sessions(&app, call.consistency()).await?;
    let identity = |lock: &LockView| format!("{}\0{}", lock.group, lock.name).into_bytes();
    Reply::json(&paging::page(&call, "locks", locks, identity, |lock| row(&sessions, &lock))?)
}

async fn release(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let name = call.name("name", app.context.limits.name_bytes_max)?;
    let group = Name::from(call.body.text("group").unwrap_or(DEFAULT_GROUP));
    let fence = call.body.text("fence").and_then(|text| text.parse::<i64>().ok());
    let fence = fence.filter(|fence| *fence > 0).map(Fence);
    let fence = fence.ok_or_else(|| Problem::invalid("fence", "must be a positive number"))?;
    let (locks, sessions) = locks_and_sessions(&app, Consistency::Linearizable).await?;
    let lock = locks.iter().find(|lock| lock.group == group && lock.name == name);
    let missing = || Problem::NotFound { what: "lock", name: name.to_string() };
    let lock = row(&sessions, lock.ok_or_else(missing)?);
    let not_held = || Problem::Refused {
        rule: format!("lock {name} is not held with fence {fence}: look again who holds it"),
    };
    if lock.fence != Some(fence.to_string()) {
        return Err(not_held());
    }
    if !call.dry_run() {
        let (group, name) = (group.clone(), name.clone());
        let command = Command::Cp(CpCommand::ForceRelease { group, name, fence });
        if app.submit(command).await? == Outcome::Flag(false) {
            return Err(not_held());
        }
    }
    Reply::json(&Released {
        group: group.to_string(),
        name: name.to_string(),
        fence: fence.to_string(),
        owner: lock.owner,
        next: lock.waiters.into_iter().next().map(|waiter| waiter.waiter),
        done: !call.dry_run(),
    })
}

/// Two reads: a session that began or ended in between leaves a holder without a name, at worst.
async fn locks_and_sessions(
    app: &App,
    consistency: Consistency,
) -> Result<(Vec<LockView>, Sessions), Problem> {
    let StateAnswer::Locks(locks) = app.read(Query::Locks, consistency).await? else {
        return Err(Problem::UnexpectedAnswer { question: "locks" });
    };
    let StateAnswer::Sessions(sessions) = app.read(Query::Sessions, consistency).await? else {
        return Err(Problem::UnexpectedAnswer { question: "CP sessions" });
    };
    let sessions = sessions.into_iter();
    Ok((locks, sessions.map(|row| ((row.group.clone(), row.session), row)).collect()))
}

fn row(sessions: &Sessions, lock: &LockView) -> Lock {
    let holder = |endpoint: &LockEndpoint| {
        let session = sessions.get(&(lock.group.clone(), endpoint.session));
        Holder {
            session_id: session_id(endpoint.session, &lock.group),
            thread_id: endpoint.thread.to_string(),
            client_uuid: session.map(|session| session.client.to_string()),
            client_name: session.map(|session| session.endpoint_name.to_string()),
        }
    };
    let held = lock.ownership.count > 0;
    Lock {
        group: lock.group.to_string(),
        name: lock.name.to_string(),
        owner: held.then(|| holder(&lock.ownership.endpoint)),
        fence: held.then(|| lock.ownership.fence.to_string()),
        hold_count: lock.ownership.count,
        held_since: lock.held_since.map(cluster_time),
        waiters: lock
            .waiters
            .iter()
            .map(|(endpoint, until)| Waiter {
                waiter: holder(endpoint),
                until: until.map(cluster_time),
            })
            .collect(),
    }
}

/// A session is unique within its group only.
pub(super) fn session_id(session: SessionId, group: &str) -> String {
    format!("{session}@{group}")
}
