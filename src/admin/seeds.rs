//! `GET /v1/seeds`: what openLooKeng's nodes find in the seed directory.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::app::App;
use super::call::Call;
use super::problem::Problem;
use super::reply::Reply;
use super::rfc3339;
use super::route::{Answer, Body, Method, Route};
use super::schema::{Schema, api_object};
use super::table;

/// The routes of this file.
pub(super) const ROUTES: &[Route] = &[Route {
    method: Method::Get,
    path: "/v1/seeds",
    tag: table::CLIENTS,
    summary: "The seeds as they are in the seed directory now, and who holds its lock.",
    query: &[],
    headers: &[],
    body: Body::None,
    answer: Answer::Json(Seeds::schema),
    handler: |app, call| Box::pin(show(app, call)),
}];

api_object! {
    /// The seed directory.
    pub(super) struct Seeds {
        /// Where the seeds lie; null without a seed directory.
        directory: Option<String>,
        /// Who holds its lock now.
        lock_holder: Option<String>,
        /// The seeds.
        items: Vec<Seed>,
    }
}

api_object! {
    /// A seed.
    pub(super) struct Seed {
        /// `host:port` as written.
        location: String,
        /// Its time stamp, by the clock of whoever wrote it; null before 1970.
        timestamp: Option<String>,
        /// Milliseconds since then by this node's clock; null when that is in the future.
        age_ms: Option<u64>,
        /// It is this node's own.
        own: bool,
    }
}

async fn show(app: Arc<App>, _: Call) -> Result<Reply, Problem> {
    let report = (app.context.seeds)().await;
    let report =
        report.map_err(|why| Problem::SourceFailed { what: "the seeds cannot be read", why })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let items = report.seeds.into_iter().map(|seed| {
        let timestamp_ms = u64::try_from(seed.timestamp_ms).ok();
        Seed {
            location: seed.location,
            timestamp: timestamp_ms.map(rfc3339::epoch_ms),
            age_ms: timestamp_ms.and_then(|stamp| now_ms.checked_sub(stamp)),
            own: seed.own,
        }
    });
    Reply::json(&Seeds {
        directory: report.directory,
        lock_holder: report.lock_holder,
        items: items.collect(),
    })
}
