//! Maps and their records.

use std::collections::BTreeSet;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use statekeeper::consensus::Consensus;
use statekeeper_machine::{Blob, Caller, ClientUuid, Command, MapChange, ThreadId};

use crate::server::{Server, send, text_body};

const ENTRY: &str = "/v1/maps/m/entries/k";

async fn put_if(server: &Server, header: &'static str, value: &str, text: &str) -> u16 {
    let request = server.request(Method::PUT, ENTRY).header(header, value);
    send(request.json(&text_body(text))).await.status
}

#[tokio::test]
async fn an_entry_is_written_read_and_removed() {
    let server = Server::start().await;
    assert_eq!(server.get(ENTRY).await.problem(), (404, "SK0104".to_owned()));
    assert_eq!(server.put(ENTRY, json!({ "value": "v", "ttl_ms": 60_000 })).await.status, 204);
    let answer = server.get(ENTRY).await;
    let version = answer.json()["version"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("etag"), Some(format!("\"{version}\"").as_str()));
    let mut shown = answer.json();
    assert!(shown["bytes"].take().as_u64() > Some(0));
    shown["version"].take();
    insta::assert_json_snapshot!(shown);
    server.sequencer.advance(60_000);
    assert_eq!(server.get(ENTRY).await.status, 404, "its time to live is over");
    let text =
        server.request(Method::PUT, ENTRY).header("content-type", "text/plain; charset=utf-8");
    assert_eq!(send(text.body("plain")).await.status, 204);
    assert_eq!(server.read(ENTRY).await["value"]["value"], "plain");
    assert_eq!(server.delete(ENTRY).await.status, 204);
    assert_eq!(server.delete(ENTRY).await.problem(), (404, "SK0104".to_owned()));
}

#[tokio::test]
async fn values_of_all_types_come_back_as_they_were_sent() {
    let server = Server::start().await;
    for (kind, value) in [
        ("string", json!("text")),
        ("long", json!(1_i64 << 60)),
        ("int", json!(-5)),
        ("double", json!(2.5)),
        ("boolean", json!(false)),
        ("json", json!({ "a": [null, 1] })),
    ] {
        let body = json!({ "value": value, "type": kind });
        assert_eq!(server.put(ENTRY, body).await.status, 204);
        let shown = server.read(ENTRY).await["value"].clone();
        assert_eq!((&shown["type"], &shown["value"]), (&json!(kind), &value));
    }
    let raw = server.read(ENTRY).await["value"]["raw"].clone();
    assert_eq!(server.put(ENTRY, json!({ "value": raw, "type": "base64-raw" })).await.status, 204);
    assert_eq!(server.read(ENTRY).await["value"]["raw"], raw);
    let wrong = server.put(ENTRY, json!({ "value": "x", "type": "long" })).await;
    assert_eq!(wrong.problem(), (400, "SK0100".to_owned()));
}

#[tokio::test]
async fn preconditions_are_compare_and_set() {
    let server = Server::start().await;
    assert_eq!(put_if(&server, "if-match", "*", "v").await, 412, "there is none");
    assert_eq!(put_if(&server, "if-none-match", "*", "first").await, 204);
    assert_eq!(put_if(&server, "if-none-match", "*", "second").await, 412);
    let etag = server.get(ENTRY).await.header("etag").unwrap().to_owned();
    assert_eq!(put_if(&server, "if-match", &etag, "third").await, 204);
    assert_eq!(put_if(&server, "if-match", &etag, "fourth").await, 412);
    assert_eq!(put_if(&server, "if-match", "*", "fifth").await, 204);
    assert_eq!(server.read(ENTRY).await["value"]["value"], "fifth");
    let stale = server.request(Method::DELETE, ENTRY).header("if-match", &etag);
    assert_eq!(send(stale).await.problem(), (412, "SK0105".to_owned()));
    let etag = server.get(ENTRY).await.header("etag").unwrap().to_owned();
    let fresh = server.request(Method::DELETE, ENTRY).header("if-match", etag);
    assert_eq!(send(fresh).await.status, 204);
    assert_eq!(put_if(&server, "if-match", "7", "v").await, 400, "no quotes");
    assert_eq!(put_if(&server, "if-none-match", "\"7\"", "v").await, 400);
}

#[tokio::test]
async fn of_many_writers_with_one_version_exactly_one_wins() {
    let server = Server::start().await;
    for round in 0..5 {
        let (header, value) = match round {
            0 => ("if-none-match", "*".to_owned()),
            _ => ("if-match", server.get(ENTRY).await.header("etag").unwrap().to_owned()),
        };
        let texts: Vec<String> = (0..16).map(|writer| format!("{round}/{writer}")).collect();
        let writes = texts.iter().map(|text| put_if(&server, header, &value, text));
        let statuses = join_all(writes).await;
        let winners: Vec<&String> = texts
            .iter()
            .zip(&statuses)
            .filter(|(_, status)| **status == 204)
            .map(|(t, _)| t)
            .collect();
        assert_eq!(winners.len(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 204 | 412)), "{statuses:?}");
        assert_eq!(server.read(ENTRY).await["value"]["value"], **winners[0]);
    }
}

#[tokio::test]
async fn a_key_that_a_client_has_locked_is_not_written() {
    let server = Server::start().await;
    server.put_text("m", "k", "v").await;
    let caller = Caller { client: ClientUuid(9), thread: ThreadId(1) };
    let change =
        MapChange::Lock { key: Blob::string("k"), lease_ms: None, timeout_ms: None, reference: 1 };
    server.sequencer.submit(Command::Map { map: "m".into(), caller, change }).await.unwrap();
    let (write, ()) = tokio::join!(server.put(ENTRY, text_body("new")), async {
        // Once the write waits, its time runs out.
        while !server.sequencer.look(|machine| machine.next_deadline().is_some()) {
            tokio::task::yield_now().await;
        }
        server.sequencer.advance(2_000);
    });
    assert_eq!(write.problem(), (409, "SK0110".to_owned()));
    assert_eq!(server.read(ENTRY).await["value"]["value"], "v");
}

#[tokio::test]
async fn pages_show_every_record_once_whatever_comes_and_goes_between_them() {
    let server = Server::start().await;
    for number in 0..250 {
        server.put_text("m", &format!("{number:04}"), "v").await;
    }
    let mut seen = BTreeSet::new();
    let mut path = "/v1/maps/m/entries?limit=60".to_owned();
    loop {
        let page = server.read(&path).await;
        for entry in page["items"].as_array().unwrap() {
            let key = entry["key"]["value"].as_str().unwrap().to_owned();
            assert!(seen.insert(key.clone()), "{key} twice");
        }
        // Around the place where the list goes on: one goes that was shown, one comes before it.
        let last = seen.last().unwrap().clone();
        assert_eq!(server.delete(&format!("/v1/maps/m/entries/{last}")).await.status, 204);
        server.put_text("m", &format!("{last}-"), "v").await;
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/maps/m/entries?limit=60&cursor={cursor}");
    }
    let whole = (0..250).map(|number| format!("{number:04}"));
    assert!(whole.into_iter().all(|key| seen.contains(&key)));
    let first = server.read("/v1/maps/m/entries").await;
    assert_eq!(first["items"].as_array().unwrap().len(), 100, "the default");
    let cursor = first["next_cursor"].as_str().unwrap();
    server.put_text("other", "k", "v").await;
    for path in ["/v1/maps/other/entries", "/v1/maps", "/v1/locks"] {
        let answer = server.get(&format!("{path}?cursor={cursor}")).await;
        assert_eq!(answer.problem(), (400, "SK0100".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn other_lists_are_paged_as_well() {
    let server = Server::start().await;
    for number in 0..5 {
        server.put_text(&format!("map-{number}"), "k", "v").await;
    }
    let mut names = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.read(&format!("/v1/maps?limit=2{cursor}")).await;
        let items = page["items"].as_array().unwrap();
        names.extend(items.iter().map(|map| map["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(names, ["map-0", "map-1", "map-2", "map-3", "map-4"]);
}

#[tokio::test]
async fn names_and_keys_may_hold_any_character() {
    let server = Server::start().await;
    for name in ["a/b", "100%", "a:clear", "ä ö", "a%2Fb", "..."] {
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        server.put_text(name, name, "v").await;
        let entry = server.read(&format!("/v1/maps/{encoded}/entries/{encoded}")).await;
        assert_eq!(entry["key_in_path"], name);
        assert_eq!(server.read(&format!("/v1/maps/{encoded}")).await["name"], name);
        let cleared = server.post(&format!("/v1/maps/{encoded}:clear"), json!({})).await.json();
        assert_eq!((&cleared["name"], &cleared["records_before"]), (&json!(name), &json!(1)));
        assert_eq!(server.read(&format!("/v1/maps/{encoded}")).await["records"], 0, "{name}");
    }
    let raw = Blob::string("key");
    let key = "base64:AAAAAP////UAAAADa2V5";
    server.put_text("m", "key", "v").await;
    let entry = server.read(&format!("/v1/maps/m/entries/{}", key.replace('/', "%2F"))).await;
    assert_eq!((&entry["key"]["value"], raw.len()), (&json!("key"), 15));
    for wrong in ["base64:AAAA", "base64:***"] {
        let answer = server.get(&format!("/v1/maps/m/entries/{wrong}")).await;
        assert_eq!(answer.problem(), (400, "SK0100".to_owned()), "{wrong}");
    }
}

#[tokio::test]
async fn large_values_are_shown_whole_only_alone() {
    let server = Server::start().await;
    let large = "x".repeat(50_000);
    server.put_text("m", "k", &large).await;
    let listed = server.read("/v1/maps/m/entries").await["items"][0]["value"].clone();
    assert_eq!(listed["bytes"], 50_012);
    assert!(listed["value"].is_null() && listed["raw"].is_null());
    assert_eq!(server.read(ENTRY).await["value"]["value"], large);
}

#[tokio::test]
async fn values_of_a_base64_cluster_are_decoded_and_written_alike() {
    let server = Server::start_with(|context| context.info.base64_values = true).await;
    // {"a":1} as openLooKeng stores it.
    server.put_text("m", "k", "rO0ABXQAB3siYSI6MX0=").await;
    let shown = server.read(ENTRY).await["value"].clone();
    assert_eq!(shown["value"], "{\"a\":1}");
    assert_eq!(shown["encryption"], "base64encoding");
    assert_eq!(server.put(ENTRY, text_body("{\"a\":1}")).await.status, 204);
    assert_eq!(server.read(ENTRY).await["value"]["raw"], shown["raw"]);
    server.put_text("m", "k", "not encoded").await;
    assert_eq!(server.read(ENTRY).await["value"]["value"], "not encoded");
}

#[tokio::test]
async fn settings_of_a_map_change_one_by_one() {
    let server = Server::start().await;
    let body = json!({ "time_to_live_ms": 5_000, "max_entries": 10, "eviction": "lfu" });
    let mut map = server.patch("/v1/maps/m", body).await.json();
    assert!(map["bytes"].take().as_u64() > Some(0));
    insta::assert_json_snapshot!(map);
    let map = server.patch("/v1/maps/m", json!({ "max_idle_ms": 70 })).await.json();
    let settings = |map: &Value| {
        (map["time_to_live_ms"].as_u64(), map["max_idle_ms"].as_u64(), map["eviction"].clone())
    };
    assert_eq!(settings(&map), (Some(5_000), Some(70), json!("lfu")));
    let odd = server.patch("/v1/maps/m", json!({ "eviction": "none" })).await;
    assert_eq!(odd.problem(), (400, "SK0100".to_owned()), "a limit without an eviction");
    assert_eq!(server.patch("/v1/maps/m", json!({ "ttl": 1 })).await.problem().0, 400);
}

#[tokio::test]
async fn clearing_can_be_tried_first() {
    let server = Server::start().await;
    server.put_text("m", "k", "v").await;
    let plan = server.post("/v1/maps/m:clear?dry_run=true", json!({})).await.json();
    assert_eq!((&plan["records_before"], &plan["done"]), (&json!(1), &json!(false)));
    assert_eq!(server.read("/v1/maps/m").await["records"], 1);
    assert_eq!(server.post("/v1/maps/none:clear", json!({})).await.problem().0, 404);
    assert_eq!(server.get("/v1/maps/none").await.problem(), (404, "SK0104".to_owned()));
    assert_eq!(server.get("/v1/maps/none/entries").await.problem().0, 404);
}
