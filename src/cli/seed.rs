//! `statekeeper seed`: the seed directory from outside, with or without a node.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Global;
use super::confirm::confirm;
use super::error::CliError;
use super::exit::Exit;
use super::files::FileArgs;
use super::output::{Format, Table, cell, line};
use crate::config::{Config, Loaded};
use crate::doctor::{
    AddressFound, Expected, Finding, Judged, Level, LockFound, MarkerFound, Reached, SeedFound,
    SeedLook, SeedStore, Sorted, address_finding, seed_folder,
};

const SEEDS: &str = "seeds";

/// Arguments of `seed`.
#[derive(Args, Debug)]
pub(super) struct SeedArgs {
    #[command(subcommand)]
    verb: SeedVerb,
}

#[derive(Debug, Subcommand)]
enum SeedVerb {
    /// The seeds with their age, the marker, and who holds the lock.
    List(FileArgs),
    /// The same, and who answers at each seed.
    Probe(FileArgs),
    /// Remove the seeds that are older than the heartbeat time-out and at which nobody answers.
    Prune(FileArgs),
}

/// Runs the verb.
pub(super) async fn run(
    global: &Global,
    format: Format,
    arguments: &SeedArgs,
) -> Result<Exit, CliError> {
    let (SeedVerb::List(files) | SeedVerb::Probe(files) | SeedVerb::Prune(files)) = &arguments.verb;
    let Loaded { config, .. } = match files.load() {
        Err(exit) => return Ok(exit),
        Ok(Err(error)) => {
            eprintln!("{error}");
            return Ok(Exit::CheckFailed);
        }
        Ok(Ok(loaded)) => loaded,
    };
    let store = find(&config).await?;
    let look = store.look().await.map_err(|error| refused(&error))?;
    match &arguments.verb {
        SeedVerb::List(_) => {
            print(format, &look, &[])?;
            Ok(Exit::Done)
        }
        SeedVerb::Probe(_) => probe(format, &look, &config).await,
        SeedVerb::Prune(_) => prune(global, format, &store, &look).await,
    }
}

async fn find(config: &Config) -> Result<SeedStore, CliError> {
    let Some(directory) = seed_folder(config) else {
        let text = "the configuration names no seed directory: nodes are found in another way";
        let fix = "set hazelcast.discovery.mode=tcp-ip without hazelcast.discovery.tcp-ip.seeds, \
                   or see statekeeper doctor";
        return Err(CliError::Local(Finding::failure(SEEDS, text, fix)));
    };
    let config = config.clone();
    let found = tokio::task::spawn_blocking(move || SeedStore::find(&config)).await;
    match found {
        Ok(Ok(Some(store))) => Ok(store),
        Ok(Ok(None)) => {
            let text = format!("{directory} is absent");
            let fix = "start a node, which makes it, or correct seed-store.filesystem.seed-dir";
            Err(CliError::Local(Finding::failure(SEEDS, text, fix)))
        }
        Ok(Err(error)) => Err(refused(&error)),
        Err(error) => Err(refused(&error)),
    }
}

fn refused(error: &dyn std::error::Error) -> CliError {
    CliError::Local(Finding::from_error(SEEDS, error))
}

async fn probe(format: Format, look: &SeedLook, config: &Config) -> Result<Exit, CliError> {
    let expected = Expected {
        cluster_name: look.cluster_name.clone(),
        cluster_id: match &look.marker {
            MarkerFound::Present(marker) => Some(marker.founding.cluster_id),
            MarkerFound::Absent | MarkerFound::Unusable(_) => None,
        },
        expect: u16::try_from(config.raft.bootstrap_expect).unwrap_or(u16::MAX),
        ..Expected::default()
    };
    let found = look.probe().await;
    let verdicts: Vec<Verdict> = found
        .into_iter()
        .map(|found| Verdict { finding: address_finding(&found, &expected), found })
        .collect();
    print(format, look, &verdicts)?;
    let well = verdicts.iter().all(|verdict| verdict.finding.level == Level::Ok);
    Ok(if well { Exit::Done } else { Exit::CheckFailed })
}

/// Who answered at a seed, and whether that is right.
struct Verdict {
    found: AddressFound,
    finding: Finding,
}

fn print(format: Format, look: &SeedLook, verdicts: &[Verdict]) -> Result<(), CliError> {
    match format {
        Format::Json => line(&format!("{:#}", answer(look, verdicts)))?,
        Format::Table => {
            line(&summary(look).text())?;
            line(rows(look, verdicts).text().trim_end())?;
        }
    }
    Ok(())
}

fn answer(look: &SeedLook, verdicts: &[Verdict]) -> Value {
    let items = look.seeds.iter().enumerate().map(|(index, found)| {
        let mut item = json!({
            "location": found.seed.location,
            "timestamp_ms": found.seed.timestamp_ms,
            "age_ms": found.age.map(ms),
            "old": found.old,
        });
        if let Some(verdict) = verdicts.get(index) {
            item["verdict"] = json!(verdict.finding);
            item["node"] = node(&verdict.found.reached);
        }
        item
    });
    let marker = match &look.marker {
        MarkerFound::Absent => Value::Null,
        MarkerFound::Present(marker) => json!({
            "cluster_name": marker.cluster_name,
            "cluster_id": marker.founding.cluster_id.to_string(),
            "founder": marker.founding.founder.to_string(),
        }),
        MarkerFound::Unusable(why) => json!({ "problem": why }),
    };
    json!({
        "directory": look.directory,
        "cluster_name": look.cluster_name,
        "heartbeat_timeout_ms": ms(look.heartbeat_timeout),
        "marker": marker,
        "lock": lock(&look.lock),
        "items": items.collect::<Vec<_>>(),
    })
}

fn node(reached: &Reached) -> Value {
    let Reached::Node(node) = reached else { return Value::Null };
    json!({
        "node_id": node.answer.node.to_string(),
        "cluster_name": node.answer.cluster_name,
        "cluster_id": node.answer.cluster_id.map(|id| id.to_string()),
        "round_trip_us": us(node.round_trip),
        "clock_ahead_ms": node.clock.map(|clock| clock.ahead_ms),
    })
}

fn lock(lock: &LockFound) -> Value {
    match lock {
        LockFound::Free => json!({ "state": "free" }),
        LockFound::Held { holder, age } => {
            json!({ "state": "held", "holder": holder, "age_ms": age.map(ms) })
        }
        LockFound::LeftBehind { holder } => json!({ "state": "left_behind", "holder": holder }),
        LockFound::Unknown(why) => json!({ "state": "unknown", "problem": why }),
    }
}

fn summary(look: &SeedLook) -> Table {
    let mut table = Table::pairs();
    let mut say = |name: &str, value: String| table.row([name.to_owned(), value]);
    say("directory", look.directory.clone());
    say(
        "marker",
        match &look.marker {
            MarkerFound::Absent => "none".to_owned(),
            MarkerFound::Present(marker) => {
                let id = marker.founding.cluster_id;
                format!("cluster {} {id}", marker.cluster_name)
            }
            MarkerFound::Unusable(why) => format!("cannot be used: {why}"),
        },
    );
    say(
        "lock",
        match &look.lock {
            LockFound::Free => "free".to_owned(),
            LockFound::Held { holder, age } => {
                let age = age.map_or("just taken".to_owned(), |age| format!("{} ms old", ms(age)));
                format!("held by {holder}, {age}")
            }
            LockFound::LeftBehind { holder } => format!("left behind by {holder}"),
            LockFound::Unknown(why) => format!("cannot be looked at: {why}"),
        },
    );
    say("time-out", format!("{} s", look.heartbeat_timeout.as_secs()));
    table
}

fn rows(look: &SeedLook, verdicts: &[Verdict]) -> Table {
    if verdicts.is_empty() {
        let mut table = Table::new(["LOCATION", "AGE", "OLD"]);
        for found in &look.seeds {
            table.row([found.seed.location.clone(), age(found), yes(found.old)]);
        }
        return table;
    }
    let mut table = Table::new(["LOCATION", "AGE", "OLD", "VERDICT", ""]);
    for (found, Verdict { finding, .. }) in look.seeds.iter().zip(verdicts) {
        let code = finding.code.as_ref().map_or(String::new(), |code| format!(" ({code})"));
        // The location stands in the first column already.
        let text = finding.text.strip_prefix(&found.seed.location).unwrap_or(&finding.text);
        let text = format!("{}{code}", text.trim_start());
        let level = finding.level.word().to_owned();
        table.row([found.seed.location.clone(), age(found), yes(found.old), level, text]);
        if let Some(fix) = &finding.fix {
            let blank = String::new;
            table.row([blank(), blank(), blank(), blank(), format!("do: {fix}")]);
        }
    }
    table
}

fn age(found: &SeedFound) -> String {
    found.age.map_or("in the future".to_owned(), |age| format!("{} s", age.as_secs()))
}

fn yes(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

async fn prune(
    global: &Global,
    format: Format,
    store: &SeedStore,
    look: &SeedLook,
) -> Result<Exit, CliError> {
    let sorted = Sorted::of(look).await;
    let dead = sorted.dead();
    let planned: Vec<String> = dead.iter().map(|seed| seed.location.clone()).collect();
    let mut removed = planned.clone();
    let does = !global.dry_run && !dead.is_empty();
    if does {
        if !global.yes {
            let plan = pruned(look, &sorted, &planned, false);
            eprint!("{}", pruned_table(&plan).text());
            let what = format!("removing {} seeds from {}", dead.len(), look.directory);
            confirm(&what, &look.cluster_name)?;
        }
        let gone = store.remove(dead).await.map_err(|error| refused(&error))?;
        removed.retain(|location| gone.contains(location));
    }
    let answer = pruned(look, &sorted, &removed, !global.dry_run);
    format.print(&answer, pruned_table)?;
    Ok(Exit::Done)
}

fn pruned(look: &SeedLook, sorted: &Sorted, removed: &[String], done: bool) -> Value {
    let items = sorted.seeds.iter().map(|sorted| {
        let goes = removed.contains(&sorted.seed.location);
        let why = match &sorted.judged {
            Judged::Keep(why) => why,
            Judged::Remove(why) if goes => why,
            Judged::Remove(_) => "it was refreshed meanwhile",
        };
        json!({
            "location": sorted.seed.location,
            "timestamp_ms": sorted.seed.timestamp_ms,
            "remove": goes,
            "why": why,
        })
    });
    let items: Vec<Value> = items.collect();
    json!({ "directory": look.directory, "removed": removed.len(), "done": done, "items": items })
}

fn pruned_table(answer: &Value) -> Table {
    let done = answer["done"] == true;
    let (gone, kept) = if done { ("removed", "kept") } else { ("would remove", "would keep") };
    let mut table = Table::new(["LOCATION", "", "WHY"]);
    for item in answer["items"].as_array().into_iter().flatten() {
        let word = if item["remove"] == true { gone } else { kept };
        table.row([cell(&item["location"]), word.to_owned(), cell(&item["why"])]);
    }
    table
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
