//! `statekeeper node`: who belongs to the cluster, and one change of that at a time.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::answer;
use super::api::Ask;
use super::error::CliError;
use super::output::Table;
use super::session::Session;

/// Arguments of `node`.
#[derive(Args, Debug)]
pub(super) struct NodeArgs {
    #[command(subcommand)]
    verb: NodeVerb,
}

#[derive(Debug, Subcommand)]
enum NodeVerb {
    /// All nodes with role, lag and addresses.
    List,
    /// Add a node as learner; give it a vote with `promote` once it has caught up.
    Add {
        /// The node's id, as its own `/v1/info` tells.
        id: String,
        /// `host:port` of its Raft port.
        raft_address: String,
    },
    /// Give a learner a vote.
    Promote {
        /// The node's id.
        id: String,
    },
    /// Remove a node from the cluster.
    Remove {
        /// The node's id.
        id: String,
    },
    /// Hand leadership over.
    TransferLeader {
        /// The voter that shall lead; without it, the one that lacks the least.
        #[arg(long)]
        to: Option<String>,
    },
}

/// Runs the verb.
pub(super) async fn run(session: &Session, arguments: NodeArgs) -> Result<(), CliError> {
    match arguments.verb {
        NodeVerb::List => {
            let nodes = session.list(&["nodes"], usize::MAX, None).await?;
            session.print(&nodes, table)
        }
        NodeVerb::Add { id, raft_address } => {
            let body = json!({ "node_id": id, "raft_address": raft_address });
            session.change(Ask::new(Method::POST, ["nodes"]).body(body)).await
        }
        NodeVerb::Promote { id } => {
            let body = json!({ "voter": true });
            session.change(Ask::new(Method::PATCH, ["nodes", &id]).body(body)).await
        }
        NodeVerb::Remove { id } => {
            let what = format!("removing node {id}");
            session.destroy(&what, &id, || Ask::new(Method::DELETE, ["nodes", &id])).await
        }
        NodeVerb::TransferLeader { to } => {
            let body = to.map_or_else(|| json!({}), |to| json!({ "to": to }));
            session.change(Ask::new(Method::POST, ["leader:transfer"]).body(body)).await
        }
    }
}

/// Nodes in columns; also for `status`.
pub(super) fn table(nodes: &Value) -> Table {
    let columns = [
        ("NODE", "node_id"),
        ("VOTER", "voter"),
        ("LEADER", "leader"),
        ("LAG", "lag_entries"),
        ("SILENT MS", "silent_ms"),
        ("CLIENTS", "client_address"),
        ("RAFT", "raft_address"),
        ("ADMIN", "admin_address"),
        ("VERSION", "version"),
    ];
    answer::rows(nodes, columns)
}
