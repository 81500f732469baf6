//! `statekeeper doctor`: one command for "it does not come up".

use std::net::SocketAddr;

use clap::Args;
use serde_json::{Value, json};

use super::Global;
use super::api::{Api, Ask};
use super::error::CliError;
use super::exit::Exit;
use super::files::FileArgs;
use super::output::{Format, Table, line};
use super::status;
use crate::doctor::{self, AlarmFound, Counts, Finding, Level, NodeState, NodeUp};

/// Arguments of `doctor`.
#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    files: FileArgs,
}

/// Looks at everything and tells it; a failure gives exit code 6.
pub(super) async fn run(
    global: &Global,
    format: Format,
    arguments: &DoctorArgs,
) -> Result<Exit, CliError> {
    let findings = match arguments.files.load() {
        Err(exit) => return Ok(exit),
        Ok(Err(error)) => {
            let mut findings: Vec<Finding> =
                error.findings.iter().map(Finding::of_configuration).collect();
            let text = "nothing else was looked at: no node starts with these files";
            findings.push(Finding::warning("config", text, "correct them, and ask again"));
            findings
        }
        Ok(Ok(loaded)) => {
            let ask = async |address| ask_node(address, global).await;
            doctor::findings(&doctor::observe(&loaded, ask).await)
        }
    };
    let counts = Counts::of(&findings);
    match format {
        Format::Json => line(&format!("{:#}", answer(&findings, counts)))?,
        Format::Table => {
            line(table(&findings).text().trim_end())?;
            let Counts { ok, warnings, failures } = counts;
            line(&format!("{ok} ok, {warnings} warnings, {failures} failures"))?;
        }
    }
    Ok(if counts.failures == 0 { Exit::Done } else { Exit::CheckFailed })
}

fn answer(findings: &[Finding], counts: Counts) -> Value {
    let Counts { ok, warnings, failures } = counts;
    json!({ "ok": ok, "warnings": warnings, "failures": failures, "findings": findings })
}

fn table(findings: &[Finding]) -> Table {
    let mut table = Table::pairs();
    for finding in findings {
        let word = finding.level.word().to_owned();
        let text = match &finding.code {
            Some(code) => format!("{} ({code})", finding.text),
            None => finding.text.clone(),
        };
        table.row([word, finding.check.to_owned(), text]);
        if let Some(fix) = finding.fix.as_ref().filter(|_| finding.level != Level::Ok) {
            table.row([String::new(), String::new(), format!("do: {fix}")]);
        }
    }
    table
}

/// What the node at its admin address says; never an error, since this is what is asked for.
async fn ask_node(address: SocketAddr, global: &Global) -> NodeState {
    let asked = match Api::new(&[format!("http://{address}")], global.timeout) {
        Ok(api) => node_up(&api, address).await,
        Err(error) => Err(error),
    };
    let why = match asked {
        Ok(node) => return NodeState::Up(Box::new(node)),
        Err(CliError::Unreachable { tried }) => tried.join("; "),
        Err(CliError::NotOurs { why, .. }) => why,
        Err(error) => error.to_string(),
    };
    NodeState::Mute { address: address.to_string(), why }
}

async fn node_up(api: &Api, address: SocketAddr) -> Result<NodeUp, CliError> {
    let info = api.ask(&Ask::get(["info"])).await?;
    let discovery = api.ask(&Ask::get(["discovery"]).with("consistency", "local")).await?;
    let here = api.ask(&Ask::get(["cluster"]).with("consistency", "local")).await?;
    // The leader alone knows who answers.
    let look = status::look(api).await?;
    let words = |value: &Value| value.as_str().map(str::to_owned);
    let alarms = look["cluster"]["alarms"].as_array().into_iter().flatten();
    let alarms = alarms.map(|alarm| AlarmFound {
        name: words(&alarm["alarm"]).unwrap_or_default(),
        detail: words(&alarm["detail"]).unwrap_or_default(),
    });
    Ok(NodeUp {
        address: address.to_string(),
        node_id: words(&info["node_id"]).unwrap_or_default(),
        cluster_name: words(&info["cluster_name"]).unwrap_or_default(),
        cluster_id: words(&here["cluster_id"]),
        role: words(&here["role"]).unwrap_or_default(),
        ready: here["ready"] == true,
        leader: words(&here["leader"]),
        isolated: here["isolated"] == true,
        summary: words(&look["cluster"]["summary"]).unwrap_or_default(),
        quorum_margin: look["cluster"]["quorum_margin"].as_i64(),
        voters: here["voters"].as_array().map_or(0, Vec::len),
        waiting_for: words(&discovery["waiting_for"]),
        alarms: alarms.collect(),
    })
}
