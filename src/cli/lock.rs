//! `statekeeper lock`: who holds and who waits, and the release of one hold.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::api::Ask;
use super::error::CliError;
use super::output::{Table, cell};
use super::session::Session;

/// Arguments of `lock`.
#[derive(Args, Debug)]
pub(super) struct LockArgs {
    #[command(subcommand)]
    verb: LockVerb,
}

#[derive(Debug, Subcommand)]
enum LockVerb {
    /// All locks with owner, fence and waiters.
    List,
    /// End the hold with this fence, as `list` shows it.
    Release {
        /// The lock.
        name: String,
        /// The fence that was shown; another hold is not ended.
        #[arg(long)]
        fence: String,
        /// The lock's CP group.
        #[arg(long, default_value = "default")]
        group: String,
    },
}

/// Runs the verb.
pub(super) async fn run(session: &Session, arguments: LockArgs) -> Result<(), CliError> {
    match arguments.verb {
        LockVerb::List => {
            let locks = session.list(&["locks"], usize::MAX, None).await?;
            session.print(&locks, table)
        }
        LockVerb::Release { name, fence, group } => {
            let what = format!("releasing lock {name} from its owner");
            let ask = || {
                let path = ["locks", &format!("{name}:release")];
                Ask::new(Method::POST, path).body(json!({ "fence": fence, "group": group }))
            };
            session.destroy(&what, &name, ask).await
        }
    }
}

fn table(locks: &Value) -> Table {
    let mut table =
        Table::new(["NAME", "GROUP", "FENCE", "HOLDS", "OWNER", "THREAD", "SINCE", "WAITERS"]);
    for lock in locks["items"].as_array().into_iter().flatten() {
        let owner = &lock["owner"];
        let waiters = lock["waiters"].as_array().into_iter().flatten();
        let waiters = waiters.map(|row| cell(&row["waiter"]["client_name"]));
        table.row([
            cell(&lock["name"]),
            cell(&lock["group"]),
            cell(&lock["fence"]),
            cell(&lock["hold_count"]),
            cell(&owner["client_name"]),
            cell(&owner["thread_id"]),
            cell(&lock["held_since"]),
            waiters.collect::<Vec<_>>().join(" "),
        ]);
    }
    table
}
