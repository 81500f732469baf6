//! `/v1/maps` and `/v1/maps/{name}`: counts and settings of maps, and clearing them.

use std::sync::Arc;

use statekeeper_machine::{
    Answer as StateAnswer, Caller, Command, Eviction, MapChange, MapSettings, MapView, Name, Query,
};

use super::app::App;
use super::call::Call;
use super::paging;
use super::problem::Problem;
use super::reply::Reply;
use super::route::{Answer, Body, DRY_RUN, Field, Kind, LIST, Method, READ, Route};
use super::schema::{Page, Schema, api_object};
use super::table;
use crate::consensus::Consistency;

/// The routes of this file.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::Get,
        path: "/v1/maps",
        tag: table::DATA,
        summary: "All maps with counts and settings.",
        query: LIST,
        headers: &[],
        body: Body::None,
        answer: Answer::Json(Page::<Map>::schema),
        handler: |app, call| Box::pin(list(app, call)),
    },
    Route {
        method: Method::Get,
        path: "/v1/maps/{name}",
        tag: table::DATA,
        summary: "One map.",
        query: READ,
        headers: &[],
        body: Body::None,
        answer: Answer::Json(Map::schema),
        handler: |app, call| Box::pin(show(app, call)),
    },
    Route {
        method: Method::Patch,
        path: "/v1/maps/{name}",
        tag: table::DATA,
        summary: "Changes settings; what is left out stays. A map that is not there is made.",
        query: &[],
        headers: &[],
        body: Body::Object(&[
            TIME_TO_LIVE,
            Field {
                name: "max_idle_ms",
                kind: Kind::Integer(0, u64::MAX),
                required: false,
                doc: "Idle time of records written without one; 0: without end.",
            },
            Field {
                name: "max_entries",
                kind: Kind::Integer(0, u64::MAX),
                required: false,
                doc: "Most records; 0: no limit.",
            },
            Field {
                name: "eviction",
                kind: Kind::Choice(&["none", "lru", "lfu"]),
                required: false,
                doc: "What goes when there are more.",
            },
        ]),
        answer: Answer::Json(Map::schema),
        handler: |app, call| Box::pin(configure(app, call)),
    },
    Route {
        method: Method::Post,
        path: "/v1/maps/{name}:clear",
        tag: table::DATA,
        summary: "Removes all records but those of locked keys.",
        query: &[DRY_RUN],
        headers: &[],
        body: Body::None,
        answer: Answer::Json(Cleared::schema),
        handler: |app, call| Box::pin(clear(app, call)),
    },
];

const TIME_TO_LIVE: Field = Field {
    name: "time_to_live_ms",
    kind: Kind::Integer(0, u64::MAX),
    required: false,
    doc: "Time to live of records written without one; 0: without end.",
};

api_object! {
    /// A map.
    pub(super) struct Map {
        /// Its name.
        name: String,
        /// Records.
        records: u64,
        /// Accounted bytes.
        bytes: u64,
        /// Time to live of records written without one; 0: without end.
        time_to_live_ms: u64,
        /// Idle time of records written without one; 0: without end.
        max_idle_ms: u64,
        /// Most records; 0: no limit.
        max_entries: u64,
        /// What goes when there are more: none, lru or lfu.
        eviction: String,
        /// Records that expired since the map exists.
        expirations: u64,
        /// Records that were evicted since the map exists.
        evictions: u64,
        /// Keys locked now.
        locked_keys: u64,
    }
}

api_object! {
    /// What clearing a map does.
    pub(super) struct Cleared {
        /// The map.
        name: String,
        /// Records that were there just before.
        records_before: u64,
        /// Locked keys just before; their records stay.
        locked_keys: u64,
        /// False for a dry run.
        done: bool,
    }
}

async fn list(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let StateAnswer::Maps(maps) = app.read(Query::Maps, call.consistency()).await? else {
        return Err(Problem::UnexpectedAnswer { question: "maps" });
    };
    let identity = |map: &MapView| map.name.as_bytes().to_vec();
    Reply::json(&paging::page(&call, "maps", maps, identity, row)?)
}

async fn show(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let name = map_name(&app, &call)?;
    Reply::json(&row(summary(&app, &name, call.consistency()).await?))
}

async fn configure(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let name = map_name(&app, &call)?;
    let before = match summary(&app, &name, Consistency::Linearizable).await {
        Ok(map) => map.settings,
        Err(Problem::NotFound { .. }) => MapSettings::default(),
        Err(problem) => return Err(problem),
    };
    let or = |field: &str, before| call.body.integer(field).unwrap_or(before);
    let settings = MapSettings {
        time_to_live_ms: or("time_to_live_ms", before.time_to_live_ms),
        max_idle_ms: or("max_idle_ms", before.max_idle_ms),
        max_entries: or("max_entries", before.max_entries),
        eviction: match call.body.text("eviction") {
            Some("none") => Eviction::None,
            Some("lru") => Eviction::Lru,
            Some("lfu") => Eviction::Lfu,
            Some(_) | None => before.eviction,
        },
    };
    if settings.max_entries > 0 && settings.eviction == Eviction::None {
        let problem = "must be lru or lfu when max_entries is not 0";
        return Err(Problem::invalid("eviction", problem));
    }
    app.submit(change(&name, MapChange::Configure(settings))).await?;
    Reply::json(&row(summary(&app, &name, Consistency::Linearizable).await?))
}

async fn clear(app: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let name = map_name(&app, &call)?;
    let before = summary(&app, &name, Consistency::Linearizable).await?;
    if !call.dry_run() {
        app.submit(change(&name, MapChange::Clear)).await?;
    }
    Reply::json(&Cleared {
        name: name.to_string(),
        records_before: before.records,
        locked_keys: before.locked_keys,
        done: !call.dry_run(),
    })
}

/// The map in the path.
pub(super) fn map_name(app: &App, call: &Call) -> Result<Name, Problem> {
    call.name("name", app.context.limits.name_bytes_max)
}

/// A change of a map by nobody's client.
pub(super) fn change(map: &Name, change: MapChange) -> Command {
    Command::Map { map: map.clone(), caller: Caller::default(), change }
}

/// A map that must be there.
pub(super) async fn summary(
    app: &App,
    name: &Name,
    consistency: Consistency,
) -> Result<MapView, Problem> {
    let answer = app.read(Query::MapSummary { map: name.clone() }, consistency).await?;
    let StateAnswer::Maps(maps) = answer else {
        return Err(Problem::UnexpectedAnswer { question: "one map" });
    };
    let missing = || Problem::NotFound { what: "map", name: name.to_string() };
    maps.into_iter().next().ok_or_else(missing)
}

fn row(map: MapView) -> Map {
    let settings = map.settings;
    Map {
        name: map.name.to_string(),
        records: map.records,
        bytes: map.bytes,
        time_to_live_ms: settings.time_to_live_ms,
        max_idle_ms: settings.max_idle_ms,
        max_entries: settings.max_entries,
        eviction: match settings.eviction {
            Eviction::None => "none",
            Eviction::Lru => "lru",
            Eviction::Lfu => "lfu",
        }
        .to_owned(),
        expirations: map.expirations,
        evictions: map.evictions,
        locked_keys: map.locked_keys,
    }
}
