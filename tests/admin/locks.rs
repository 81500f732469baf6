//! Locks, CP sessions, and the other things clients keep.

use serde_json::json;
use statekeeper::consensus::Consensus;
use statekeeper_machine::Outcome;

use crate::server::Server;

#[tokio::test]
async fn a_lock_shows_who_holds_it_and_who_waits() {
    let server = Server::start().await;
    let (first, second) = (server.session(1).await, server.session(2).await);
    server.apply(Server::lock("l", first, 0)).await;
    let waiting = server.sequencer.submit(Server::lock("l", second, 60_000));
    insta::assert_json_snapshot!(server.read("/v1/locks").await);
    drop(waiting);
    let sessions = server.read("/v1/cp-sessions").await;
    insta::assert_json_snapshot!("cp_sessions", sessions);
}

#[tokio::test]
async fn a_lock_is_released_only_with_the_fence_that_was_shown() {
    let server = Server::start().await;
    let (first, second) = (server.session(1).await, server.session(2).await);
    server.apply(Server::lock("l", first, 0)).await;
    let waiting = server.sequencer.submit(Server::lock("l", second, 60_000));
    let shown = server.read("/v1/locks").await["items"][0]["fence"].clone();
    for path in ["/v1/locks/l:release", "/v1/locks/l:release?dry_run=true"] {
        let other = server.post(path, json!({ "fence": "99" })).await;
        assert_eq!(other.problem(), (409, "SK0110".to_owned()), "{path}");
    }
    let plan = server.post("/v1/locks/l:release?dry_run", json!({ "fence": shown })).await.json();
    assert_eq!(plan["next"]["client_name"], "hz.client_2");
    assert_eq!(server.read("/v1/locks").await["items"][0]["fence"], shown, "only planned");
    let done = server.post("/v1/locks/l:release", json!({ "fence": shown })).await.json();
    assert_eq!(
        (&done["done"], &done["owner"]["client_name"]),
        (&json!(true), &json!("hz.client_1"))
    );
    let outcome = waiting.await.unwrap();
    assert!(matches!(outcome, Outcome::Fence(fence) if fence.0 > 0), "{outcome:?}");
    let again = server.post("/v1/locks/l:release", json!({ "fence": shown })).await;
    assert_eq!(again.problem(), (409, "SK0110".to_owned()), "the hold with that fence is over");
    let missing = server.post("/v1/locks/none:release", json!({ "fence": "1" })).await;
    assert_eq!(missing.problem(), (404, "SK0104".to_owned()));
}

#[tokio::test]
async fn ending_a_session_frees_its_locks() {
    let server = Server::start().await;
    server.fill().await;
    let id = server.read("/v1/cp-sessions").await["items"][0]["id"].clone();
    let path = format!("/v1/cp-sessions/{}", id.as_str().unwrap());
    assert_eq!(server.delete(&path).await.status, 204);
    assert_eq!(server.delete(&path).await.problem(), (404, "SK0104".to_owned()));
    let locks = server.read("/v1/locks").await;
    assert!(locks["items"].as_array().unwrap().iter().all(|lock| lock["owner"].is_null()));
    assert_eq!(server.delete("/v1/cp-sessions/x@default").await.problem().0, 400);
}

#[tokio::test]
async fn sets_objects_and_generators_are_listed() {
    let server = Server::start().await;
    server.fill().await;
    let sets = server.read("/v1/sets").await;
    assert_eq!((&sets["items"][0]["name"], &sets["items"][0]["items"]), (&json!("s"), &json!(1)));
    let items = server.read("/v1/sets/s/items").await;
    assert_eq!(items["items"][0]["value"], "i");
    assert_eq!(server.read("/v1/sets/none/items").await["items"], json!([]));
    let objects = server.read("/v1/objects").await["items"].clone();
    let map = json!({ "service": "hz:impl:mapService", "name": "m" });
    assert!(objects.as_array().unwrap().contains(&map), "{objects}");
    let generators = server.read("/v1/id-generators").await;
    assert_eq!(generators["items"][0]["name"], "g");
    assert!(generators["items"][0]["next_id"].is_string(), "ids are texts");
}
