//! The route table holds: every route is there, and answers what the description says.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use statekeeper::admin;

use crate::server::{Answer, Server, send};

/// A path of the table with things that are there, and a body that does something.
fn request(method: &str, path: &str) -> (String, Value) {
    let path = path
        .replace("/maps/{name}", "/maps/m")
        .replace("/sets/{name}", "/sets/s")
        .replace("/locks/{name}", "/locks/l")
        .replace("/nodes/{id}", "/nodes/1")
        .replace("/cp-sessions/{id}", "/cp-sessions/1@default")
        .replace("{key}", "k")
        .replace("{code}", "SK0104");
    let body = match (method, path.as_str()) {
        ("POST", "/v1/nodes") => json!({ "node_id": "2", "raft_address": "127.0.0.1:5752" }),
        ("PATCH", "/v1/nodes/1") => json!({ "voter": true }),
        ("PATCH", "/v1/maps/m") => json!({ "time_to_live_ms": 1_000 }),
        ("PUT", _) => json!({ "value": "v", "type": "string" }),
        ("POST", "/v1/locks/l:release") => json!({ "fence": "1" }),
        _ => json!({}),
    };
    (path, body)
}

async fn ask(server: &Server, method: &str, path: &str) -> Answer {
    let (path, body) = request(method, path);
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    send(server.request(method, &path).json(&body)).await
}

#[tokio::test]
async fn every_route_of_the_table_is_there() {
    for (method, path) in admin::routes() {
        // Each on its own: some take away what others need.
        let server = Server::start().await;
        server.fill().await;
        let answer = ask(&server, method, path).await;
        assert!(!matches!(answer.status, 404 | 405 | 400 | 500), "{method} {path}: {answer:?}");
    }
}

#[tokio::test]
async fn every_answer_is_what_the_description_says() {
    let mut checked = 0;
    for (method, path) in admin::routes() {
        let server = Server::start().await;
        server.fill().await;
        let document = server.read("/v1/openapi.json").await;
        let operation = &document["paths"][path][method.to_lowercase()];
        let answer = ask(&server, method, path).await;
        let described = match answer.status {
            status @ 200..300 => &operation["responses"][status.to_string()],
            _ => &document["components"]["responses"]["Problem"],
        };
        assert!(described.is_object(), "{method} {path} answers {}", answer.status);
        let media_type = answer.header("content-type").unwrap_or_default();
        let content = described["content"].as_object();
        let Some(content) = content else {
            assert_eq!(answer.text, "", "{method} {path}");
            continue;
        };
        let schema = content.get(media_type).unwrap_or_else(|| panic!("{path}: {media_type}"));
        if media_type.ends_with("json") && path != "/v1/openapi.json" {
            check(&document, &schema["schema"], &answer.json(), path);
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} JSON answers");
}

/// Enough of JSON Schema for what the API describes: nothing missing, nothing more, right kinds.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.strip_prefix('#').unwrap();
        return check(document, document.pointer(pointer).unwrap(), value, place);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let choice = &choices[usize::from(value.is_null())];
        return check(document, choice, value, place);
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(kinds.contains(&kind), "{place} is {value}, described as {kinds:?}");
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(document, &schema["items"], item, &format!("{place}[{index}]"));
    }
    if let Some(fields) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(fields.contains_key(name.as_str().unwrap()), "{place} lacks {name}");
        }
        for (name, field) in fields {
            let described = &schema["properties"][name];
            assert!(described.is_object(), "{place}.{name} is not described");
            check(document, described, field, &format!("{place}.{name}"));
        }
    }
}

#[tokio::test]
async fn the_description_is_what_was_published() {
    let server = Server::start().await;
    let document = server.read("/v1/openapi.json").await;
    insta::assert_snapshot!(format!("{document:#}"));
    let mut ids = BTreeSet::new();
    for operation in document["paths"].as_object().unwrap().values() {
        for operation in operation.as_object().unwrap().values() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()));
        }
    }
    assert_eq!(ids.len(), admin::routes().len(), "every route has a name of its own");
}

#[tokio::test]
async fn a_head_is_answered_like_a_get_without_its_body() {
    let server = Server::start().await;
    let answer = send(server.request(Method::HEAD, "/v1/info")).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}
