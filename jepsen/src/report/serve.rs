//! `serve`: a store in a browser. It reads only, and answers this machine only.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path as UrlPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::io::ReaderStream;

use super::markup::{Page, escaped};
use super::overview::{cell_page, overview};
use super::run::{StoredRuns, stored_runs};

/// Pages hold their styles and scripts, and ask for nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'";

/// Serves a store until the future is dropped.
///
/// # Errors
/// The address is not one of the loopback, or cannot be bound; the store is missing.
pub async fn serve(store: &Path, address: SocketAddr) -> anyhow::Result<()> {
    ensure!(address.ip().is_loopback(), "{address} is not a loopback address: there are no users");
    let listener = TcpListener::bind(address).await.with_context(|| address.to_string())?;
    serve_on(store, listener).await
}

/// Serves a store on a bound listener until the future is dropped.
///
/// # Errors
/// The store is missing.
pub async fn serve_on(store: &Path, listener: TcpListener) -> anyhow::Result<()> {
    let store =
        tokio::fs::canonicalize(store).await.with_context(|| store.display().to_string())?;
    let router = Router::new()
        .route("/", get(first_page))
        .route("/{*path}", get(stored))
        .with_state(Arc::new(store))
        .layer(from_fn(guard));
    axum::serve(listener, router).await.context("the server of reports")
}

/// A page of another site that got this machine's address by a name of its own reads nothing.
async fn guard(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let mut response = match host.is_some_and(is_local) {
        true => next.run(request).await,
        false => {
            (StatusCode::FORBIDDEN, "only by localhost or a loopback address\n").into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

async fn first_page(State(store): State<Arc<PathBuf>>) -> Response {
    match runs_of(store).await {
        Ok(runs) => html(overview(&runs)),
        Err(error) => failed(&error),
    }
}

async fn stored(State(store): State<Arc<PathBuf>>, UrlPath(path): UrlPath<String>) -> Response {
    let Some(file) = resolved(&store, &path).await else { return missing() };
    if !file.is_dir() {
        return sent(&file).await.unwrap_or_else(|error| failed(&error));
    }
    if !path.ends_with('/') {
        // Links of a page are relative to its folder.
        let name = path.rsplit('/').next().unwrap_or_default();
        return Redirect::permanent(&format!("{name}/")).into_response();
    }
    let page = file.join("index.html");
    if page.is_file() {
        return sent(&page).await.unwrap_or_else(|error| failed(&error));
    }
    let told = match file.parent() == Some(store.as_path()) {
        true => {
            let cell = path.trim_end_matches('/').to_owned();
            runs_of(store).await.map(|runs| cell_page(&cell, &runs))
        }
        false => listing(&path, &file).await,
    };
    told.map_or_else(|error| failed(&error), html)
}

async fn runs_of(store: Arc<PathBuf>) -> anyhow::Result<StoredRuns> {
    tokio::task::spawn_blocking(move || stored_runs(&store)).await?
}

/// The file of a path: below the store, also behind every link, and of no hidden name.
async fn resolved(store: &Path, path: &str) -> Option<PathBuf> {
    let mut file = store.to_owned();
    for part in path.trim_end_matches('/').split('/') {
        let refused = part.is_empty() || part.starts_with('.') || part.contains(['\\', '\0']);
        if refused {
            return None;
        }
        file.push(part);
    }
    let file = tokio::fs::canonicalize(file).await.ok()?;
    file.starts_with(store).then_some(file)
}

async fn sent(path: &Path) -> anyhow::Result<Response> {
    let named = || path.display().to_string();
    let file = tokio::fs::File::open(path).await.with_context(named)?;
    let about = file.metadata().await.with_context(named)?;
    if !about.is_file() {
        return Ok(missing());
    }
    let head = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type(path))),
        (header::CONTENT_LENGTH, HeaderValue::from(about.len())),
    ];
    Ok((head, Body::from_stream(ReaderStream::new(file))).into_response())
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("jsonl" | "edn" | "log" | "txt" | "md" | "properties") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

async fn listing(path: &str, folder: &Path) -> anyhow::Result<String> {
    let mut names = Vec::new();
    let mut entries = tokio::fs::read_dir(folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        let slash = if entry.file_type().await?.is_dir() { "/" } else { "" };
        names.push(format!("{}{slash}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    let rows: String = names
        .iter()
        .map(|name| format!("<li><a href=\"./{0}\">{0}</a></li>\n", escaped(name)))
        .collect();
    let body = format!("<ul>\n{rows}</ul>\n");
    let trail = [("/", "all runs"), ("../", "up")];
    Ok(Page { title: path, trail: &trail, body: &body, style: "", scripts: "" }.html())
}

fn html(page: String) -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "not found\n").into_response()
}

fn failed(error: &anyhow::Error) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response()
}

#[cfg(test)]
mod tests;
