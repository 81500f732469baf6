//! `statekeeper status`: the cluster in one look, also while it has no quorum.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::api::{Api, Ask};
use super::error::CliError;
use super::node;
use super::output::{Format, Table, cell, line};
use super::session::Session;

/// How often `--watch` looks.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

/// Arguments of `status`.
#[derive(Args, Debug)]
pub(super) struct StatusArgs {
    /// Look again every two seconds until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

/// Runs the verb.
pub(super) async fn run(session: &Session, arguments: &StatusArgs) -> Result<(), CliError> {
    if !arguments.watch {
        return print(session, &look(&session.api).await?);
    }
    loop {
        match look(&session.api).await {
            Ok(status) => {
                if session.format == Format::Table && std::io::stdout().is_terminal() {
                    // Clears the screen, so that one state is seen and not a roll of them.
                    line("\x1b[2J\x1b[H")?;
                }
                print(session, &status)?;
            }
            // The cluster is watched because it may be in trouble: trouble does not end it.
            Err(error) => error.print(session.format),
        }
        tokio::select! {
            () = tokio::time::sleep(WATCH_INTERVAL) => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

/// What one node says; the leader instead, if it can be reached, since it alone knows who answers.
pub(super) async fn look(api: &Api) -> Result<Value, CliError> {
    let first = look_at(api).await?;
    let leader = &first["cluster"]["leader"];
    if leader.is_null() || *leader == first["cluster"]["node_id"] {
        return Ok(first);
    }
    let address = first["cluster"]["leader_admin_address"].as_str();
    let Some(at_leader) = address.and_then(|address| api.at(address)) else { return Ok(first) };
    match look_at(&at_leader).await {
        // A loopback address of another machine leads to somebody else.
        Ok(second) if second["cluster"]["node_id"] == *leader => Ok(second),
        Ok(_) | Err(_) => Ok(first),
    }
}

async fn look_at(api: &Api) -> Result<Value, CliError> {
    let cluster = api.ask(&Ask::get(["cluster"]).with("consistency", "local")).await?;
    let nodes = Ask::get(["nodes"]).with("consistency", "local").with("limit", 1_000);
    let nodes = api.ask(&nodes).await?;
    Ok(json!({ "cluster": cluster, "nodes": nodes["items"] }))
}

fn print(session: &Session, status: &Value) -> Result<(), CliError> {
    match session.format {
        Format::Json => line(&status.to_string())?,
        Format::Table => {
            line(&summary(&status["cluster"]).text())?;
            line(&node::table(&json!({ "items": status["nodes"] })).text())?;
        }
    }
    Ok(())
}

fn summary(cluster: &Value) -> Table {
    let mut table = Table::pairs();
    let mut say = |name: &str, value: String| table.row([name.to_owned(), value]);
    say("cluster", format!("{} {}", cell(&cluster["cluster_name"]), cell(&cluster["cluster_id"])));
    say("quorum", cell(&cluster["summary"]));
    say("leader", format!("{}, term {}", cell(&cluster["leader"]), cell(&cluster["term"])));
    let index = |name: &str| cell(&cluster[name]);
    say("seen by", format!("{}, {}", index("node_id"), index("role")));
    let (committed, applied) = (index("committed_index"), index("applied_index"));
    say("index", format!("committed {committed}, applied {applied}"));
    let (bytes, bytes_max) = (index("state_bytes"), index("state_bytes_max"));
    say("state", format!("{bytes} of {bytes_max} bytes"));
    let alarms: Vec<&Value> = cluster["alarms"].as_array().into_iter().flatten().collect();
    if alarms.is_empty() {
        say("alarms", "none".to_owned());
    }
    for alarm in alarms {
        say("ALARM", format!("{}: {}", cell(&alarm["alarm"]), cell(&alarm["detail"])));
    }
    table
}
