//! `statekeeper map`: counts, records, and changes of them.

use std::time::Duration;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::answer;
use super::api::Ask;
use super::duration;
use super::error::CliError;
use super::output::{Format, Table, cell, line};
use super::session::Session;

/// Arguments of `map`.
#[derive(Args, Debug)]
pub(super) struct MapArgs {
    #[command(subcommand)]
    verb: MapVerb,
}

#[derive(Debug, Subcommand)]
enum MapVerb {
    /// All maps with counts.
    List,
    /// Counts and settings of a map.
    Stats {
        /// The map.
        name: String,
    },
    /// Records of a map in the order of their keys.
    Entries {
        /// The map.
        name: String,
        /// At most so many.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
        limit: u64,
        /// Go on behind an earlier page.
        #[arg(long)]
        cursor: Option<String>,
        /// Show serialised bytes instead of values.
        #[arg(long)]
        raw: bool,
    },
    /// One record.
    Get {
        /// The map.
        name: String,
        /// The key: text, or `base64:` and its serialised bytes.
        key: String,
        /// Print nothing but the value's serialised bytes in hexadecimal.
        #[arg(long)]
        raw: bool,
    },
    /// Write a record.
    Set(SetArgs),
    /// Remove a record.
    Remove {
        /// The map.
        name: String,
        /// The key, as for `get`.
        key: String,
        /// Only if this is its version.
        #[arg(long)]
        if_version: Option<u64>,
    },
    /// Remove all records.
    Clear {
        /// The map.
        name: String,
    },
}

#[derive(Args, Debug)]
struct SetArgs {
    /// The map.
    name: String,
    /// The key, as for `get`.
    key: String,
    /// The value.
    #[arg(allow_hyphen_values = true)]
    value: String,
    /// How the value is serialised.
    #[arg(
        long = "type",
        default_value = "string",
        value_parser = ["string", "long", "int", "double", "boolean", "json", "base64-raw"]
    )]
    kind: String,
    /// How long the record lives; the map's setting without it.
    #[arg(long, value_parser = duration::parse)]
    ttl: Option<Duration>,
    /// Only if this is its version.
    #[arg(long, conflicts_with = "if_absent")]
    if_version: Option<u64>,
    /// Only if there is no record.
    #[arg(long)]
    if_absent: bool,
}

/// Runs the verb.
pub(super) async fn run(session: &Session, arguments: MapArgs) -> Result<(), CliError> {
    match arguments.verb {
        MapVerb::List => {
            let maps = session.list(&["maps"], usize::MAX, None).await?;
            session.print(&maps, maps_table)
        }
        MapVerb::Stats { name } => {
            let map = session.api.ask(&Ask::get(["maps", &name])).await?;
            session.print(&map, answer::pairs)
        }
        MapVerb::Entries { name, limit, cursor, raw } => {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let page = session.list(&["maps", &name, "entries"], limit, cursor).await?;
            session.print(&page, |page| entries_table(page, raw))?;
            if let (Format::Table, Some(cursor)) = (session.format, page["next_cursor"].as_str()) {
                eprintln!("there are more: --cursor {cursor}");
            }
            Ok(())
        }
        MapVerb::Get { name, key, raw } => {
            let ask = Ask::get(["maps", &name, "entries", &key]);
            let entry = session.api.ask(&ask).await?;
            if raw {
                return Ok(line(&hex(entry["value"]["raw"].as_str().unwrap_or_default()))?);
            }
            session.print(&entry, entry_table)
        }
        MapVerb::Set(arguments) => set(session, arguments).await,
        MapVerb::Remove { name, key, if_version } => {
            let mut ask = Ask::new(Method::DELETE, ["maps", &name, "entries", &key]);
            ask.headers.extend(if_version.map(|version| ("If-Match", format!("\"{version}\""))));
            session.write(ask).await
        }
        MapVerb::Clear { name } => {
            let what = format!("clearing map {name}");
            let ask = || Ask::new(Method::POST, ["maps", &format!("{name}:clear")]);
            session.destroy(&what, &name, ask).await
        }
    }
}

async fn set(session: &Session, arguments: SetArgs) -> Result<(), CliError> {
    let SetArgs { name, key, value, kind, ttl, if_version, if_absent } = arguments;
    let value = match kind.as_str() {
        "string" | "base64-raw" => Value::String(value),
        _ => serde_json::from_str(&value)
            .map_err(|error| CliError::usage(format!("the value is no {kind}: {error}")))?,
    };
    let mut body = json!({ "value": value, "type": kind });
    if let Some(ttl) = ttl {
        body["ttl_ms"] = json!(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
    }
    let mut ask = Ask::new(Method::PUT, ["maps", &name, "entries", &key]).body(body);
    ask.headers.extend(if_version.map(|version| ("If-Match", format!("\"{version}\""))));
    ask.headers.extend(if_absent.then(|| ("If-None-Match", "*".to_owned())));
    session.write(ask).await
}

fn maps_table(maps: &Value) -> Table {
    let columns = [
        ("NAME", "name"),
        ("RECORDS", "records"),
        ("BYTES", "bytes"),
        ("TTL MS", "time_to_live_ms"),
        ("IDLE MS", "max_idle_ms"),
        ("LOCKED", "locked_keys"),
    ];
    answer::rows(maps, columns)
}

fn entries_table(page: &Value, raw: bool) -> Table {
    let last = if raw { "RAW" } else { "VALUE" };
    let mut table = Table::new(["KEY", "TYPE", "BYTES", "VERSION", "EXPIRES", last]);
    for entry in page["items"].as_array().into_iter().flatten() {
        let value = &entry["value"];
        table.row([
            cell(&entry["key_in_path"]),
            cell(&value["type"]),
            cell(&value["bytes"]),
            cell(&entry["version"]),
            cell(&entry["expires_at"]),
            if raw {
                hex(value["raw"].as_str().unwrap_or_default())
            } else {
                cell(&value["value"])
            },
        ]);
    }
    table
}

fn entry_table(entry: &Value) -> Table {
    let mut table = Table::pairs();
    for (name, value) in entry.as_object().into_iter().flatten() {
        match name.as_str() {
            "key" | "value" => {
                table.row([name.clone(), cell(&value["value"])]);
                table.row([format!("{name} type"), cell(&value["type"])]);
                table.row([format!("{name} bytes"), cell(&value["bytes"])]);
            }
            _ => table.row([name.clone(), cell(value)]),
        }
    }
    table
}

/// Base64 of the API as hexadecimal.
fn hex(base64: &str) -> String {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64).unwrap_or_default();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
