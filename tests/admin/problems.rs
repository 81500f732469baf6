//! What a request is told that cannot be done.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use statekeeper::admin::AdminContext;
use statekeeper_machine::{Rejection, SubmitError};

use crate::sequencer::Fault;
use crate::server::{Server, VALUE_BYTES_MAX, send, text_body};

const ENTRY: &str = "/v1/maps/m/entries/k";

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_problems() {
    let server = Server::start().await;
    for path in ["/", "/v1", "/v1/maps/", "/v1/maps//entries", "/v2/maps", "/v1/maps/m/entries/k/x"]
    {
        assert_eq!(server.get(path).await.problem(), (404, "SK0101".to_owned()), "{path}");
    }
    let nameless = server.post("/v1/maps/:clear", json!({})).await;
    assert_eq!(nameless.problem(), (404, "SK0101".to_owned()));
    let answer = server.delete("/v1/maps").await;
    assert_eq!(answer.problem(), (405, "SK0102".to_owned()));
    assert_eq!(answer.header("allow"), Some("GET"));
    let answer = server.post("/v1/maps/m", json!({})).await;
    assert_eq!((answer.problem().0, answer.header("allow")), (405, Some("GET, PATCH")));
    let answer = send(server.request(Method::TRACE, "/v1/info")).await;
    assert_eq!(answer.problem().0, 405);
    assert_eq!(server.get("/v1/locks/l").await.problem().0, 404, "a lock has only its action");
    let answer = server.get("/v1/locks/l:release").await;
    assert_eq!((answer.problem().0, answer.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let server = Server::start().await;
    let answer = server.get("/v1/maps?limit=0&consistency=weak&colour=red").await;
    assert_eq!(answer.problem(), (400, "SK0100".to_owned()));
    let errors = answer.json()["errors"].clone();
    let named: Vec<&str> =
        errors.as_array().unwrap().iter().filter_map(|row| row["field"].as_str()).collect();
    assert_eq!(named, ["limit", "consistency", "colour"]);
    for (path, body) in [
        ("/v1/nodes", json!({})),
        ("/v1/nodes", json!({ "node_id": "x", "raft_address": "a:1" })),
        ("/v1/nodes", json!({ "node_id": "0", "raft_address": "a:1" })),
        ("/v1/nodes", json!({ "node_id": "2", "raft_address": "a" })),
        ("/v1/nodes", json!({ "node_id": 2, "raft_address": "a:1" })),
        ("/v1/nodes", json!([])),
        ("/v1/locks/l:release", json!({ "fence": "no" })),
        ("/v1/leader:transfer", json!({ "to": "-1" })),
    ] {
        let answer = server.post(path, body.clone()).await;
        assert_eq!(answer.problem(), (400, "SK0100".to_owned()), "{path} {body}");
    }
    let broken = send(server.request(Method::POST, "/v1/nodes").body("{")).await;
    assert_eq!(broken.problem().0, 400);
    for path in ["/v1/maps/%ff", "/v1/nodes/x", "/v1/maps?limit=%ff"] {
        assert_eq!(server.get(path).await.problem().0, 400, "{path}");
    }
}

#[tokio::test]
async fn what_is_too_large_names_its_limit() {
    let server = Server::start().await;
    let large = "x".repeat(usize::try_from(VALUE_BYTES_MAX).unwrap());
    let value = server.put(ENTRY, text_body(&large)).await;
    assert_eq!(value.problem(), (413, "SK0106".to_owned()));
    assert_eq!(value.json()["limit"], "limits.value-bytes-max");
    assert_eq!(value.json()["limit_value"], VALUE_BYTES_MAX);
    let body = server.put(ENTRY, text_body(&large.repeat(3))).await.json();
    assert_eq!(body["limit"], "limits.request-bytes-max");
    let key = server.put(&format!("/v1/maps/m/entries/{}", "k".repeat(250)), text_body("v")).await;
    assert_eq!(key.json()["limit"], "limits.key-bytes-max");
    let name = server.get(&format!("/v1/maps/{}", "n".repeat(65))).await;
    assert_eq!(name.json()["limit"], "limits.name-bytes-max");
    let other = server.post("/v1/nodes", json!({ "node_id": "x".repeat(70_000) })).await;
    assert_eq!(other.problem().0, 413);
    let headers = server.request(Method::GET, "/v1/info").header("x-large", "x".repeat(20_000));
    assert_eq!(send(headers).await.problem(), (431, "SK0108".to_owned()));
}

#[tokio::test]
async fn a_body_of_another_kind_is_refused() {
    let server = Server::start().await;
    for media_type in ["application/xml", "text/html"] {
        let request = server.request(Method::PUT, ENTRY).header("content-type", media_type);
        assert_eq!(send(request.body("v")).await.problem(), (415, "SK0107".to_owned()));
    }
    assert_eq!(send(server.request(Method::PUT, ENTRY).body("v")).await.problem().0, 415);
    let text = server.request(Method::PUT, ENTRY).header("content-type", "text/plain");
    assert_eq!(send(text.body(vec![0xff])).await.problem().0, 400);
}

#[tokio::test]
async fn web_pages_of_other_hosts_are_refused() {
    let server = Server::start().await;
    let from_page =
        server.request(Method::POST, "/v1/maps/m:clear").header("origin", "http://evil.example");
    assert_eq!(send(from_page).await.problem(), (403, "SK0103".to_owned()));
    let rebound = server.request(Method::GET, "/v1/maps").header("host", "evil.example");
    assert_eq!(send(rebound).await.problem(), (403, "SK0103".to_owned()));
}

#[tokio::test]
async fn without_a_quorum_only_local_reads_are_answered() {
    let server = Server::start().await;
    server.fill().await;
    server.sequencer.set_quorum(false);
    for path in ["/v1/maps", "/v1/maps/m/entries/k", "/v1/locks", "/v1/cluster", "/v1/nodes"] {
        let answer = server.get(path).await;
        assert_eq!(answer.problem(), (503, "SK0112".to_owned()), "{path}");
        assert_eq!(answer.header("retry-after"), Some("1"));
        let local = server.get(&format!("{path}?consistency=local")).await;
        assert_eq!(local.status, 200, "{path}");
        assert_eq!(local.header("x-statekeeper-staleness-ms"), Some("5000"));
    }
    assert_eq!(server.put(ENTRY, text_body("new")).await.problem(), (503, "SK0112".to_owned()));
    let add = json!({ "node_id": "2", "raft_address": "a:1" });
    assert_eq!(server.post("/v1/nodes", add).await.problem(), (503, "SK0112".to_owned()));
    server.sequencer.set_quorum(true);
    assert_eq!(server.read(ENTRY).await["value"]["value"], "v", "nothing was written");
}

#[tokio::test]
async fn a_write_whose_outcome_is_lost_is_told_as_unknown() {
    let server = Server::start().await;
    server.sequencer.inject([Fault::OutcomeLost]);
    let answer = server.put(ENTRY, text_body("v")).await;
    assert_eq!(answer.problem(), (504, "SK0116".to_owned()));
    assert_eq!(answer.json()["outcome"], "unknown");
    assert_eq!(server.read(ENTRY).await["value"]["value"], "v", "this time it happened");
}

#[tokio::test]
async fn a_write_without_any_answer_ends_as_unknown() {
    let server = Server::start_with(|context: &mut AdminContext| {
        context.limits.request_timeout = Duration::from_millis(50);
    })
    .await;
    server.sequencer.inject([Fault::Silent]);
    let answer = server.put(ENTRY, text_body("v")).await;
    assert_eq!(answer.problem(), (504, "SK0116".to_owned()));
    assert_eq!(server.get(ENTRY).await.problem(), (404, "SK0104".to_owned()));
}

#[tokio::test]
async fn refusals_of_the_state_have_their_statuses() {
    let server = Server::start().await;
    for (error, status, code) in [
        (SubmitError::Overloaded { limit: "limits.state-bytes-max".into() }, 503, "SK0113"),
        (SubmitError::ShuttingDown, 503, "SK0114"),
        (Rejection::LockedTooLong.into(), 409, "SK0110"),
        (Rejection::NotFounded.into(), 503, "SK0115"),
        (Rejection::LimitReached { limit: "maps-max".into(), max: 1 }.into(), 409, "SK0111"),
    ] {
        server.sequencer.inject([Fault::Refused(error.clone())]);
        let answer = server.put(ENTRY, text_body("v")).await;
        assert_eq!(answer.problem(), (status, code.to_owned()), "{error:?}");
    }
}
