//! The HTTP admin API: one file per resource, and one table of routes from which the router, the
//! checks of requests and the OpenAPI description all come.
//!
//! Invariants: nothing here knows how a node is built; it asks through `AdminContext`. Every answer
//! that is not a success is `application/problem+json` from `problem.rs`, save the two probes. A
//! write that may have happened is never told as a plain failure.
//!
//! Not here: users, tokens and TLS, the event stream, backups and the console.

mod alarms;
mod app;
mod blob_input;
mod blob_type;
mod blob_view;
mod bounded_listener;
mod call;
mod clients;
mod cluster;
mod context;
mod cp_sessions;
mod discovery;
mod dispatch;
mod entries;
mod entry_condition;
mod errors;
mod exposition;
mod guard;
mod health;
mod id_generators;
mod info;
mod java_stream;
mod leader;
mod limits;
mod locks;
mod maps;
mod metrics;
mod nodes;
mod objects;
mod openapi;
mod paging;
mod plan;
mod problem;
mod problem_code;
mod process;
mod quorum;
mod reply;
mod rfc3339;
mod route;
mod rows;
mod schema;
mod seeds;
mod sets;
mod table;

use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use bounded_listener::BoundedListener;

pub use context::{AdminContext, AdminLimits, NodeInfo, Source};
pub use exposition::{Exposition, Family, MetricKind, Number};
pub use rows::{AttemptRow, ClientRow, DiscoveryReport, SeedReport, SeedRow, StorageRow};

/// The API as a service of axum.
pub fn router(context: AdminContext) -> axum::Router {
    dispatch::router(Arc::new(app::App::new(context)))
}

/// Serves the API until the token ends, then finishes the requests in work.
pub async fn serve(
    listener: TcpListener,
    context: AdminContext,
    stop: CancellationToken,
) -> io::Result<()> {
    let bounded = BoundedListener::new(listener, limits::CONNECTIONS_MAX, limits::IDLE_MAX);
    axum::serve(bounded, router(context))
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await
}

/// Method and path template of every route, for tests that walk them all.
pub fn routes() -> Vec<(&'static str, &'static str)> {
    table::routes().map(|route| (route.method.as_str(), route.path)).collect()
}
