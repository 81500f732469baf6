//! From HTTP to a checked call, and from a reply or problem to HTTP. The only file that knows axum
//! beside `mod.rs`.
//!
//! The order: is it for us, which route, is there room, what does it say, do it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body as HttpBody;
use axum::extract::{FromRequestParts, Query, RawPathParams, Request};
use axum::http::header::{self, HeaderName};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::any;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde_json::Value;

use super::app::App;
use super::call::{Call, Values};
use super::guard;
use super::limits;
use super::problem::{Circumstances, Problem, WrongField};
use super::reply::{Reply, ReplyBody};
use super::route::{Body, Field, Method, Route};
use super::table;
use crate::consensus::{Consistency, Status};

const NODE: HeaderName = HeaderName::from_static("x-statekeeper-node");
const LEADER: HeaderName = HeaderName::from_static("x-statekeeper-leader");
const INDEX: HeaderName = HeaderName::from_static("x-statekeeper-index");
const STALENESS_MS: HeaderName = HeaderName::from_static("x-statekeeper-staleness-ms");

/// Method and route of requests that match none, in metrics.
const OTHER: (&str, &str) = ("other", "other");

/// Changes below these are rare, and matter to everybody.
const CLUSTER_PATHS: [&str; 2] = ["/v1/nodes", "/v1/leader"];

type Routes = Arc<[&'static Route]>;

/// The router over the whole table.
pub(super) fn router(app: Arc<App>) -> Router {
    let mut by_path: BTreeMap<&'static str, Vec<&'static Route>> = BTreeMap::new();
    for route in table::routes() {
        by_path.entry(route.matched_path()).or_default().push(route);
    }
    let mut router = Router::new();
    for (path, routes) in by_path {
        let (app, routes) = (app.clone(), Routes::from(routes));
        let answer = move |request: Request| answer(app.clone(), routes.clone(), request);
        router = router.route(path, any(answer));
    }
    router.fallback(move |request: Request| answer(app.clone(), Routes::from([]), request))
}

async fn answer(app: Arc<App>, routes: Routes, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let instance = parts.uri.path().to_owned();
    let method = method_of(&parts);
    let route = guard::check(&app.context.info, &parts.headers)
        .and_then(|()| resolve(&routes, method, &instance));
    let mut local = false;
    let label = route.as_ref().map_or(OTHER, |route| (route.method.as_str(), route.path));
    let result = match route {
        Err(problem) => Err(problem),
        // Boxed: the futures of all handlers are in here.
        Ok(route) => Box::pin(serve(app.clone(), route, parts, body, &mut local)).await,
    };
    let status = app.status();
    let mut response = match result {
        Ok(reply) => reply_response(reply),
        Err(problem) => problem_response(&problem, &instance, &status),
    };
    tell_place(response.headers_mut(), &status, local);
    note(&app, label, response.status().as_u16());
    response
}

/// Counts an answer, and logs changes: of the cluster for everybody, of data for who looks closely.
fn note(app: &App, (method, route): (&'static str, &'static str), status: u16) {
    *app.answers.lock().entry((method, route, status)).or_default() += 1;
    match method {
        "GET" => {}
        _ if CLUSTER_PATHS.iter().any(|path| route.starts_with(path)) => {
            tracing::info!(method, route, status, "admin request");
        }
        _ => tracing::debug!(method, route, status, "admin request"),
    }
}

/// HEAD is answered like GET; the server leaves the body out. `None`: a method nothing here has.
fn method_of(parts: &Parts) -> Option<Method> {
    match parts.method.as_str() {
        "GET" | "HEAD" => Some(Method::Get),
        "PUT" => Some(Method::Put),
        "POST" => Some(Method::Post),
        "PATCH" => Some(Method::Patch),
        "DELETE" => Some(Method::Delete),
        _ => None,
    }
}

/// Which of the routes of one matched path it is. An action is told by the raw text: a colon that
/// belongs to a name is written `%3A` by those who add an action to it.
fn resolve(
    routes: &[&'static Route],
    method: Option<Method>,
    path: &str,
) -> Result<&'static Route, Problem> {
    let of_path =
        |route: &&&'static Route| route.action().is_none_or(|action| path.ends_with(action));
    let here: Vec<&'static Route> = routes.iter().filter(of_path).copied().collect();
    if let Some(route) = here.iter().find(|route| Some(route.method) == method) {
        return Ok(route);
    }
    if here.is_empty() {
        return Err(Problem::NoRoute);
    }
    let allow: Vec<&str> = here.iter().map(|route| route.method.as_str()).collect();
    Err(Problem::MethodNotAllowed { allow: allow.join(", ") })
}

async fn serve(
    app: Arc<App>,
    route: &'static Route,
    mut parts: Parts,
    body: HttpBody,
    local: &mut bool,
) -> Result<Reply, Problem> {
    let busy = || Problem::Busy { in_flight_max: limits::IN_FLIGHT_MAX as u64 };
    // Probes answer when nothing else does.
    let _permit = match route.tag {
        table::PROBES => None,
        _ => Some(app.in_flight.clone().try_acquire_owned().map_err(|_| busy())?),
    };
    let mut call = Call { path: path_of(route, &mut parts).await?, ..Call::default() };
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
        .map_err(|error| Problem::invalid("query", error.body_text()))?;
    call.query = Values::of_query(route.query, pairs).map_err(Problem::Invalid)?;
    call.if_match = text_header(&parts.headers, header::IF_MATCH)?;
    call.if_none_match = text_header(&parts.headers, header::IF_NONE_MATCH)?;
    *local = call.consistency() == Consistency::Local;
    let _permit = match route.body {
        Body::None | Body::Object(_) => None,
        // Cannot be closed: nobody closes it.
        Body::MapValue(_) => app.large_bodies.acquire().await.ok(),
    };
    let body = read(&app, route, &parts.headers, body, &mut call);
    let patience = app.context.limits.request_timeout;
    let seconds = patience.as_secs();
    match tokio::time::timeout(patience, body).await {
        Ok(read) => read?,
        // Told apart from a handler that takes long: nothing can have happened yet.
        Err(_) => {
            return Err(Problem::invalid("body", format!("did not arrive within {seconds} s")));
        }
    }
    let work = (route.handler)(app.clone(), call);
    let done = tokio::time::timeout(patience, work).await;
    done.unwrap_or(Err(Problem::TimedOut { wrote: route.method.writes(), seconds }))
}

/// Reads the body into the call, as its route and media type say.
async fn read(
    app: &App,
    route: &Route,
    headers: &HeaderMap,
    body: HttpBody,
    call: &mut Call,
) -> Result<(), Problem> {
    match route.body {
        Body::None => {}
        Body::Object(fields) => {
            let bytes = read_body(body, limits::BODY_BYTES_MAX, "request body").await?;
            call.body = object(fields, &bytes)?;
        }
        Body::MapValue(fields) => {
            let bytes_max = app.context.limits.request_bytes_max;
            let bytes = read_body(body, bytes_max, "limits.request-bytes-max").await?;
            match media_type(headers) {
                Some("application/json") => call.body = object(fields, &bytes)?,
                Some("text/plain") => call.text = Some(bytes),
                Some(_) | None => {
                    let expected = "a value as application/json or text/plain";
                    return Err(Problem::MediaType { expected });
                }
            }
        }
    }
    Ok(())
}

async fn path_of(route: &Route, parts: &mut Parts) -> Result<BTreeMap<String, String>, Problem> {
    let parameters = RawPathParams::from_request_parts(parts, &()).await;
    let parameters = parameters.map_err(|error| Problem::invalid("path", error.body_text()))?;
    let mut path: BTreeMap<String, String> =
        parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    if let Some(action) = route.action()
        && let Some(last) = parameters.iter().last()
        && let Some(without) = last.1.strip_suffix(action)
    {
        path.insert(last.0.to_owned(), without.to_owned());
    }
    // The router takes an empty segment for a value; nothing has an empty name.
    if path.values().any(String::is_empty) {
        return Err(Problem::NoRoute);
    }
    Ok(path)
}

async fn read_body(body: HttpBody, bytes_max: u64, limit: &'static str) -> Result<Bytes, Problem> {
    let mut read = BytesMut::new();
    let mut stream = body.into_data_stream();
    while let Some(part) = stream.next().await {
        let part = part.map_err(|error| Problem::invalid("body", error.to_string()))?;
        if (read.len() + part.len()) as u64 > bytes_max {
            return Err(Problem::TooLarge { limit, bytes_max });
        }
        read.extend_from_slice(&part);
    }
    Ok(read.freeze())
}

fn object(fields: &'static [Field], bytes: &[u8]) -> Result<Values, Problem> {
    let object = if bytes.is_empty() {
        serde_json::Map::new()
    } else {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(object)) => object,
            Ok(_) => return Err(Problem::invalid("body", "must be a JSON object")),
            Err(error) => return Err(Problem::invalid("body", format!("is no JSON: {error}"))),
        }
    };
    Values::of_object(fields, object).map_err(Problem::Invalid)
}

fn media_type(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next().unwrap_or(text).trim())
}

fn text_header(headers: &HeaderMap, name: HeaderName) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(&name) else { return Ok(None) };
    let wrong = || WrongField { field: name.to_string(), problem: "is no text".to_owned() };
    let text = value.to_str().map_err(|_| Problem::Invalid(vec![wrong()]))?;
    Ok(Some(text.to_owned()))
}

fn reply_response(reply: Reply) -> Response {
    let (media_type, bytes) = match reply.body {
        ReplyBody::Empty => (None, Bytes::new()),
        ReplyBody::Json(bytes) => (Some("application/json"), Bytes::from(bytes)),
        ReplyBody::Text(media_type, text) => (Some(media_type), Bytes::from(text)),
    };
    let mut response = response(reply.status, media_type, bytes);
    if let Some(version) = reply.etag {
        response.headers_mut().insert(header::ETAG, value(&format!("\"{version}\"")));
    }
    response
}

fn problem_response(problem: &Problem, instance: &str, status: &Status) -> Response {
    let body = problem.body(&Circumstances { instance, leader: status.leader });
    let bytes = Bytes::from(body.to_string());
    let mut response = response(problem.code().status(), Some("application/problem+json"), bytes);
    if let Some(seconds) = problem.retry_after_s() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    if let Problem::MethodNotAllowed { allow } = problem {
        response.headers_mut().insert(header::ALLOW, value(allow));
    }
    response
}

fn response(status: u16, media_type: Option<&'static str>, bytes: Bytes) -> Response {
    let mut response = Response::new(HttpBody::from(bytes));
    let ours = StatusCode::from_u16(status);
    *response.status_mut() = ours.expect("statuses are written in this program");
    let headers = response.headers_mut();
    if let Some(media_type) = media_type {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    // Answers are about now; values may be secrets of others.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn tell_place(headers: &mut HeaderMap, status: &Status, local: bool) {
    headers.insert(NODE, value(&status.node.to_string()));
    headers.insert(INDEX, status.applied_index.into());
    if let Some(leader) = status.leader {
        headers.insert(LEADER, value(&leader.to_string()));
    }
    if let (true, Some(silent_for)) = (local, status.leader_silent_for) {
        let ms = u64::try_from(silent_for.as_millis()).unwrap_or(u64::MAX);
        headers.insert(STALENESS_MS, ms.into());
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("numbers, methods and quotes are visible characters")
}
