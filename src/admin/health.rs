//! `GET /livez` and `GET /readyz`: what an init system and a load balancer ask. Each check has a
//! name; the answer is text for people, the status is for programs.

use std::sync::Arc;

use super::app::App;
use super::call::Call;
use super::problem::Problem;
use super::reply::Reply;
use super::route::{Answer, Body, Field, Kind, Method, Route};
use super::table;
use crate::consensus::Status;

const TEXT: &str = "text/plain; charset=utf-8";

const VERBOSE: Field = Field {
    name: "verbose",
    kind: Kind::Flag,
    required: false,
    doc: "Shows every check, also those that hold.",
};

/// The routes of this file.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::Get,
        path: "/livez",
        tag: table::PROBES,
        summary: "200 while this process works; 503 with the reason when it should be restarted.",
        query: &[VERBOSE],
        headers: &[],
        body: Body::None,
        answer: Answer::Text(TEXT),
        handler: |app, call| Box::pin(live(app, call)),
    },
    Route {
        method: Method::Get,
        path: "/readyz",
        tag: table::PROBES,
        summary: "200 while this node serves clients; 503 with the checks that do not hold.",
        query: &[VERBOSE],
        headers: &[],
        body: Body::None,
        answer: Answer::Text(TEXT),
        handler: |app, call| Box::pin(ready(app, call)),
    },
];

type Check = (&'static str, Result<(), String>);

async fn live(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    Ok(answer(&call, &live_checks(&app, &app.status())))
}

async fn ready(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let status = app.status();
    let mut checks = live_checks(&app, &status);
    let holds = |holds: bool, why: &str| if holds { Ok(()) } else { Err(why.to_owned()) };
    checks.push(("cluster", holds(status.cluster.is_some(), "no cluster is known yet")));
    checks.push(("leader", holds(status.leader.is_some(), "no leader is known")));
    checks.push(("quorum", holds(!status.isolated, "no leader for two election time-outs")));
    checks.push((
        "serving",
        holds(status.ready, "not yet applied up to the leader, or giving up its clients"),
    ));
    Ok(answer(&call, &checks))
}

fn live_checks(app: &App, status: &Status) -> Vec<Check> {
    let failure = status.failure.as_ref().map_or(Ok(()), |why| Err(why.to_string()));
    vec![("storage", failure), ("process", (app.context.liveness)())]
}

fn answer(call: &Call, checks: &[Check]) -> Reply {
    let holds = checks.iter().all(|(_, result)| result.is_ok());
    let verbose = call.query.flag("verbose").unwrap_or(false);
    let mut text = String::new();
    for (name, result) in checks {
        match result {
            Ok(()) if verbose => text.push_str(&format!("[+] {name}\n")),
            Ok(()) => {}
            Err(why) => text.push_str(&format!("[-] {name}: {why}\n")),
        }
    }
    text.push_str(if holds { "ok\n" } else { "failed\n" });
    Reply::text(if holds { 200 } else { 503 }, TEXT, text)
}
