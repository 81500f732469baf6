//! `GET /v1/openapi.json`: the route table as OpenAPI 3.1.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::app::App;
use super::call::Call;
use super::problem::Problem;
use super::reply::Reply;
use super::route::{Answer, Body, Field, Kind, Method, Route};
use super::schema::Components;
use super::table;

/// The routes of this file.
pub(super) const ROUTES: &[Route] = &[Route {
    method: Method::Get,
    path: "/v1/openapi.json",
    tag: table::NODE,
    summary: "This description.",
    query: &[],
    headers: &[],
    body: Body::None,
    answer: Answer::Json(|_| json!({ "type": "object" })),
    handler: |app, call| Box::pin(show(app, call)),
}];

async fn show(app: Arc<App>, _: Call) -> Result<Reply, Problem> {
    Reply::json(&document(&app.context.info.version))
}

/// The whole document.
pub(super) fn document(version: &str) -> Value {
    let mut components = Components::default();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in table::routes() {
        let operation = operation(route, &mut components);
        let methods = paths.entry(route.path).or_default();
        methods.insert(route.method.as_str().to_ascii_lowercase(), operation);
    }
    let mut schemas = components.0;
    schemas.insert("Problem", problem_schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "statekeeper admin API",
            "version": version,
            "description": "Fields are only added within /v1. Every answer has the headers \
                X-Statekeeper-Node, X-Statekeeper-Index (applied here, at least) and, when a \
                leader is known, X-Statekeeper-Leader.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": { "Problem": {
                "description": "Anything else (RFC 9457).",
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" },
                } },
            } },
        },
    })
}

fn operation(route: &Route, components: &mut Components) -> Value {
    let mut parameters: Vec<Value> = path_parameters(route.path)
        .map(|name| {
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
        })
        .collect();
    parameters.extend(route.query.iter().map(|field| parameter(field, "query")));
    parameters.extend(route.headers.iter().map(|field| parameter(field, "header")));
    let (status, success) = match &route.answer {
        Answer::Json(schema) => (
            "200",
            json!({
                "description": "Done.",
                "content": { "application/json": { "schema": schema(components) } },
            }),
        ),
        Answer::Text(media_type) => {
            let content = json!({ *media_type: { "schema": { "type": "string" } } });
            ("200", json!({ "description": "Done.", "content": content }))
        }
        Answer::NoContent => ("204", json!({ "description": "Done." })),
    };
    let mut operation = json!({
        "tags": [route.tag],
        "summary": route.summary,
        "operationId": operation_id(route),
        "parameters": parameters,
        "responses": {
            status: success,
            "default": { "$ref": "#/components/responses/Problem" },
        },
    });
    if let Some(body) = request_body(&route.body) {
        operation["requestBody"] = body;
    }
    operation
}

fn path_parameters(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next())
}

/// `GET /v1/maps/{name}` is `get_maps_name`.
fn operation_id(route: &Route) -> String {
    let words = route.path.trim_start_matches("/v1").split(|c: char| !c.is_ascii_alphanumeric());
    let path: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    format!("{}_{}", route.method.as_str().to_ascii_lowercase(), path.join("_"))
}

fn parameter(field: &Field, place: &str) -> Value {
    json!({
        "name": field.name,
        "in": place,
        "required": field.required,
        "description": field.doc,
        "schema": kind_schema(field.kind),
    })
}

fn kind_schema(kind: Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Integer(min, u64::MAX) => json!({ "type": "integer", "minimum": min }),
        Kind::Integer(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Choice(words) => json!({ "type": "string", "enum": words }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Any => json!({}),
    }
}

fn request_body(body: &Body) -> Option<Value> {
    let (fields, text) = match body {
        Body::None => return None,
        Body::Object(fields) => (fields, false),
        Body::MapValue(fields) => (fields, true),
    };
    let required: Vec<&str> =
        fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let properties: Map<String, Value> = fields
        .iter()
        .map(|field| {
            let mut schema = kind_schema(field.kind);
            schema["description"] = field.doc.into();
            (field.name.to_owned(), schema)
        })
        .collect();
    let schema = json!({
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    });
    let mut content = json!({ "application/json": { "schema": schema } });
    if text {
        content["text/plain"] = json!({ "schema": { "type": "string" } });
    }
    Some(json!({ "required": !required.is_empty(), "content": content }))
}

fn problem_schema() -> Value {
    let text = |doc: &str| json!({ "type": "string", "description": doc });
    json!({
        "type": "object",
        "description": "Why a request has no other answer (RFC 9457).",
        "required": ["type", "title", "status", "detail", "instance", "code"],
        "properties": {
            "type": text("Address of the page of the code."),
            "title": text("The same for every problem of the code."),
            "status": { "type": "integer", "description": "The HTTP status." },
            "detail": text("What it was this time."),
            "instance": text("The path that was asked."),
            "code": text("For instance SK0104."),
            "outcome": text("`unknown`: the write may have happened."),
            "leader": { "type": ["string", "null"], "description": "Who leads, if known." },
            "rule": text("The rule that refuses."),
            "limit": text("The limit that is reached."),
            "limit_value": { "type": ["integer", "null"], "description": "Its value, if known." },
            "errors": {
                "type": "array",
                "description": "Every wrong field.",
                "items": {
                    "type": "object",
                    "required": ["field", "problem"],
                    "properties": { "field": text("Where."), "problem": text("What is wrong.") },
                },
            },
        },
    })
}
