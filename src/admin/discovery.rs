//! `GET /v1/discovery`: how this node found the others, and which coordinator is announced.

use std::sync::Arc;

use statekeeper_machine::{Answer as StateAnswer, Name, Query};

use super::app::App;
use super::blob_view::{Detail, view};
use super::call::Call;
use super::clients::ms;
use super::limits;
use super::problem::Problem;
use super::reply::Reply;
use super::route::{Answer, Body, Method, READ, Route};
use super::schema::{Schema, api_object};
use super::table;

/// Where openLooKeng's nodes look for their coordinator.
const COORDINATOR_MAP: &str = "discovery-service";

/// The routes of this file.
pub(super) const ROUTES: &[Route] = &[Route {
    method: Method::Get,
    path: "/v1/discovery",
    tag: table::CLIENTS,
    summary: "Mode, attempts with their results, and the announced coordinator.",
    query: READ,
    headers: &[],
    body: Body::None,
    answer: Answer::Json(Discovery::schema),
    handler: |app, call| Box::pin(show(app, call)),
}];

api_object! {
    /// How nodes and coordinators find each other.
    pub(super) struct Discovery {
        /// `none`, `tcp-ip`, `seed-directory` or `multicast`.
        mode: String,
        /// What this node waits for; null once it belongs to a cluster.
        waiting_for: Option<String>,
        /// The last attempt at each address.
        attempts: Vec<Attempt>,
        /// Records of the map `discovery-service`: one, or none without a live coordinator.
        coordinators: Vec<Coordinator>,
    }
}

api_object! {
    /// An attempt to reach a node.
    pub(super) struct Attempt {
        /// `host:port` as it was found.
        address: String,
        /// Milliseconds since it was tried.
        tried_ms: u64,
        /// A node answered.
        answered: bool,
        /// Who answered, or why nobody did.
        result: String,
    }
}

api_object! {
    /// An announced coordinator.
    pub(super) struct Coordinator {
        /// Its host; null when the key is no text.
        host: Option<String>,
        /// Its HTTP port as written; null when the value is no text.
        port: Option<String>,
    }
}

async fn show(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let report = (app.context.discovery)();
    let map = Name::from(COORDINATOR_MAP);
    let query = Query::MapPage { map, after: None, limit: call.limit() };
    let StateAnswer::Records { records, .. } = app.read(query, call.consistency()).await? else {
        return Err(Problem::UnexpectedAnswer { question: "a page of records" });
    };
    let detail = Detail {
        bytes_max: limits::LISTED_VALUE_BYTES_MAX,
        base64_values: app.context.info.base64_values,
    };
    let text = |blob| view(blob, detail).value.as_str().map(str::to_owned);
    let coordinators = records
        .iter()
        .map(|record| Coordinator { host: text(&record.key), port: text(&record.value) });
    Reply::json(&Discovery {
        mode: report.mode.to_owned(),
        waiting_for: report.waiting_for,
        attempts: report
            .attempts
            .into_iter()
            .map(|row| Attempt {
                address: row.address,
                tried_ms: ms(row.tried_for),
                answered: row.answered,
                result: row.result,
            })
            .collect(),
        coordinators: coordinators.collect(),
    })
}
