//! `/v1/maps/{name}/entries`: the records of a map, one page or one key at a time.
//!
//! A record's version is its `ETag`: it grows with every write of the map's keys and is never given
//! twice, so `If-Match` is compare-and-set.

use std::sync::Arc;

use statekeeper_machine::{
    Answer as StateAnswer, Blob, Lifetime, MapChange, Outcome, PutMode, Query, RecordView,
};

use super::app::App;
use super::blob_input;
use super::blob_view::{BlobView, Detail, key_in_path, view};
use super::call::Call;
use super::entry_condition::Condition;
use super::limits;
use super::maps::{change, map_name, summary};
use super::paging;
use super::problem::Problem;
use super::reply::Reply;
use super::rfc3339::cluster_time;
use super::route::{Answer, Body, Field, Kind, LIST, Method, READ, Route};
use super::schema::{Page, Schema, api_object};
use super::table;

const ENTRY: &str = "/v1/maps/{name}/entries/{key}";

const IF_MATCH: Field = Field {
    name: "If-Match",
    kind: Kind::Text,
    required: false,
    doc: "The version that must be there, as `ETag` told it, or `*` for any.",
};
const IF_NONE_MATCH: Field = Field {
    name: "If-None-Match",
    kind: Kind::Text,
    required: false,
    doc: "`*`: there must be no record.",
};
const TTL_MS: Field = Field {
    name: "ttl_ms",
    kind: Kind::Integer(0, u64::MAX),
    required: false,
    doc: "Time to live; 0: without end. Without it, the map's setting.",
};

/// The routes of this file.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::Get,
        path: "/v1/maps/{name}/entries",
        tag: table::DATA,
        summary: "Records in the order of their keys; large ones by type and size only.",
        query: LIST,
        headers: &[],
        body: Body::None,
        answer: Answer::Json(Page::<Entry>::schema),
        handler: |app, call| Box::pin(list(app, call)),
    },
    Route {
        method: Method::Get,
        path: ENTRY,
        tag: table::DATA,
        summary: "One record. The key is text, or `base64:` and its serialised bytes.",
        query: READ,
        headers: &[],
        body: Body::None,
        answer: Answer::Json(Entry::schema),
        handler: |app, call| Box::pin(show(app, call)),
    },
    Route {
        method: Method::Put,
        path: ENTRY,
        tag: table::DATA,
        summary: "Writes a record; with a condition, only if it holds.",
        query: &[TTL_MS],
        headers: &[IF_MATCH, IF_NONE_MATCH],
        body: Body::MapValue(&[
            Field { name: "value", kind: Kind::Any, required: true, doc: "The value." },
            Field {
                name: "type",
                kind: Kind::Choice(blob_input::TYPES),
                required: false,
                doc: "How it is serialised; guessed from the value when missing. `base64-raw`: \
                      the value is serialised bytes, as `raw` shows them.",
            },
            TTL_MS,
        ]),
        answer: Answer::NoContent,
        handler: |app, call| Box::pin(put(app, call)),
    },
    Route {
        method: Method::Delete,
        path: ENTRY,
        tag: table::DATA,
        summary: "Removes a record; with `If-Match`, only that version.",
        query: &[],
        headers: &[IF_MATCH],
        body: Body::None,
        answer: Answer::NoContent,
        handler: |app, call| Box::pin(remove(app, call)),
    },
];

api_object! {
    /// A record of a map.
    pub(super) struct Entry {
        /// The key as it stands in a path, before percent-encoding.
        key_in_path: String,
        /// The key.
        key: BlobView,
        /// The value.
        value: BlobView,
        /// Grows with every write; the `ETag` of the record.
        version: String,
        /// Accounted bytes.
        bytes: u64,
        /// When the record was made.
        created_at: String,
        /// When the value was written last.
        updated_at: String,
        /// When it was read last, where reads are counted.
        accessed_at: Option<String>,
        /// Reads, where they are counted.
        hits: u64,
        /// When it expires.
        expires_at: Option<String>,
        /// Its time to live.
        time_to_live_ms: Option<u64>,
        /// Its idle time.
        max_idle_ms: Option<u64>,
    }
}

async fn list(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let map = map_name(&app, &call)?;
    let list = format!("entries/{map}");
    let wrong = || Problem::invalid("cursor", "is not a cursor of this list; begin without one");
    let after = match paging::after(&call, &list)? {
        Some(last) => Some(Blob::new(last.into()).ok_or_else(wrong)?),
        None => None,
    };
    let query = Query::MapPage { map: map.clone(), after, limit: call.limit() };
    let StateAnswer::Records { records, more } = app.read(query, call.consistency()).await? else {
        return Err(Problem::UnexpectedAnswer { question: "a page of records" });
    };
    if records.is_empty() {
        // Empty and missing maps look the same here; only one of them is an answer.
        summary(&app, &map, call.consistency()).await?;
    }
    let next_cursor = match records.last() {
        Some(last) if more => Some(paging::cursor(&list, last.key.bytes())),
        Some(_) | None => None,
    };
    let bytes_max = limits::LISTED_VALUE_BYTES_MAX;
    let items = records.into_iter().map(|record| entry(&app, record, bytes_max)).collect();
    Reply::json(&Page { items, next_cursor })
}

async fn show(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let (map, key) = (map_name(&app, &call)?, key(&app, &call)?);
    let answer = app.read(Query::MapRecord { map, key }, call.consistency()).await?;
    let StateAnswer::Record(record) = answer else {
        return Err(Problem::UnexpectedAnswer { question: "a record" });
    };
    let record = record.ok_or_else(|| no_entry(&call))?;
    let etag = Some(record.version);
    Ok(Reply { etag, ..Reply::json(&entry(&app, record, usize::MAX))? })
}

async fn put(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let (map, key) = (map_name(&app, &call)?, key(&app, &call)?);
    let value = value(&app, &call)?;
    let ttl = call.body.integer("ttl_ms").or_else(|| call.query.integer("ttl_ms"));
    let ttl = match ttl {
        None => Lifetime::Default,
        Some(0) => Lifetime::Unlimited,
        Some(ms) => Lifetime::Ms(ms),
    };
    let put = |mode| MapChange::Put {
        key: key.clone(),
        value: value.clone(),
        ttl,
        max_idle: Lifetime::Default,
        mode,
    };
    let if_version = |expected| MapChange::PutIfVersion {
        key: key.clone(),
        value: value.clone(),
        ttl,
        expected,
    };
    let condition = Condition::of(&call)?;
    let wanted = match condition {
        Condition::None => put(PutMode::Try { timeout_ms: limits::LOCKED_KEY_PATIENCE_MS }),
        Condition::Absent => if_version(None),
        Condition::Present => put(PutMode::IfPresent),
        Condition::Version(version) => if_version(Some(version)),
    };
    match (app.submit(change(&map, wanted)).await?, condition) {
        (Outcome::Flag(false), Condition::None) => Err(Problem::Refused {
            rule: "a client has locked the key: wait, or let it unlock the key".to_owned(),
        }),
        (Outcome::Flag(false), _) | (Outcome::Value(None), Condition::Present) => {
            Err(condition.unmet())
        }
        (_, _) => Ok(Reply::no_content()),
    }
}

async fn remove(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let (map, key) = (map_name(&app, &call)?, key(&app, &call)?);
    let condition = Condition::of(&call)?;
    let wanted = match condition {
        Condition::None | Condition::Present => MapChange::Remove { key },
        Condition::Version(expected) => MapChange::RemoveIfVersion { key, expected },
        Condition::Absent => {
            let problem = "has no meaning for a removal; use If-Match";
            return Err(Problem::invalid("If-None-Match", problem));
        }
    };
    match (app.submit(change(&map, wanted)).await?, condition) {
        (Outcome::Value(None), Condition::None) => Err(no_entry(&call)),
        (Outcome::Value(None) | Outcome::Flag(false), _) => Err(condition.unmet()),
        (_, _) => Ok(Reply::no_content()),
    }
}

fn key(app: &App, call: &Call) -> Result<Blob, Problem> {
    blob_input::key(call.parameter("key"), app.context.limits.key_bytes_max)
}

fn value(app: &App, call: &Call) -> Result<Blob, Problem> {
    let (base64_values, bytes_max) =
        (app.context.info.base64_values, app.context.limits.value_bytes_max);
    match (&call.text, call.body.any("value")) {
        (Some(bytes), _) => {
            let text = std::str::from_utf8(bytes)
                .map_err(|_| Problem::invalid("body", "is no text in UTF-8"))?;
            blob_input::string(text, base64_values, bytes_max)
        }
        (None, Some(value)) => {
            blob_input::value(value, call.body.text("type"), base64_values, bytes_max)
        }
        (None, None) => Err(Problem::invalid("value", "is required")),
    }
}

fn no_entry(call: &Call) -> Problem {
    Problem::NotFound { what: "entry", name: call.parameter("key").to_owned() }
}

fn entry(app: &App, record: RecordView, bytes_max: usize) -> Entry {
    let detail = Detail { bytes_max, base64_values: false };
    let value_detail = Detail { base64_values: app.context.info.base64_values, ..detail };
    Entry {
        key_in_path: key_in_path(&record.key),
        key: view(&record.key, detail),
        value: view(&record.value, value_detail),
        version: record.version.to_string(),
        bytes: record.cost_bytes,
        created_at: cluster_time(record.created_at),
        updated_at: cluster_time(record.updated_at),
        accessed_at: record.accessed_at.map(cluster_time),
        hits: record.hits,
        expires_at: record.expires_at.map(cluster_time),
        time_to_live_ms: record.time_to_live_ms,
        max_idle_ms: record.max_idle_ms,
    }
}
