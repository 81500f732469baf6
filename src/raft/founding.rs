//! Founding: the first membership and the first command of a cluster.
//!
//! What the founder decided lies in a file until it is in the log, so a founder that dies at any
//! point of it goes on when it is back. Every step may be done twice.

use std::collections::BTreeMap;
use std::path::PathBuf;

use openraft::errors::{InitializeError, RaftError as OpenraftError};
use statekeeper_machine::{ClusterCommand, Command, Rejection, SubmitError};

use super::assembly::Core;
use super::error::RaftError;
use super::limits;
use super::settings::Founding;
use super::small_file;
use super::type_config::Peer;

/// The file of a founding that is not in the log yet.
#[derive(Clone, Debug)]
pub(crate) struct FoundingFile {
    path: PathBuf,
}

impl FoundingFile {
    pub(crate) fn new(data_dir: &std::path::Path) -> Self {
        Self { path: data_dir.join("founding") }
    }

    /// What is still to be done. Blocks.
    pub(crate) fn read(&self) -> Option<Founding> {
        small_file::read(&self.path)
    }

    /// Decides; durable on return. Blocks.
    pub(crate) fn write(&self, founding: &Founding) -> Result<(), RaftError> {
        small_file::write(&self.path, founding)
    }

    /// All is in the log. Blocks.
    pub(crate) fn remove(&self) {
        // One that stays is found done at the next start.
        drop(std::fs::remove_file(&self.path));
    }
}

/// Brings a founding into the log, and goes on until it is there or the token ends.
pub(crate) async fn finish(
    core: &Core,
    file: &FoundingFile,
    founding: Founding,
) -> Result<(), RaftError> {
    let members: BTreeMap<u64, Peer> = founding
        .members
        .iter()
        .map(|(node, address)| (node.0, Peer { raft_address: address.clone() }))
        .collect();
    match core.raft.initialize(members).await {
        // The log begins with a membership already: with this one, since only this node wrote it.
        Ok(()) | Err(OpenraftError::APIError(InitializeError::NotAllowed(_))) => {}
        Err(OpenraftError::APIError(InitializeError::NotInMembers(_))) => {
            return Err(RaftError::NotAMember { node: core.identity.node.0 });
        }
        Err(OpenraftError::Fatal(error)) => {
            return Err(RaftError::Stopped { reason: error.to_string().into() });
        }
    }
    let command = Command::Cluster(ClusterCommand::Found {
        cluster_id: founding.cluster_id,
        cluster_name: founding.cluster_name,
        sessions: founding.sessions,
        maps: founding.maps,
    });
    loop {
        match core.submit(command.clone()).await {
            Ok(_) | Err(SubmitError::Rejected(Rejection::AlreadyFounded)) => break,
            Err(error @ (SubmitError::Rejected(_) | SubmitError::ShuttingDown)) => {
                return Err(RaftError::Founding(error));
            }
            Err(
                SubmitError::NotProposed | SubmitError::Unknown | SubmitError::Overloaded { .. },
            ) => {
                if core.stopping.is_cancelled() {
                    return Err(RaftError::Founding(SubmitError::ShuttingDown));
                }
                tokio::time::sleep(limits::RETRY_PAUSE).await;
            }
        }
    }
    let file = file.clone();
    drop(tokio::task::spawn_blocking(move || file.remove()).await);
    Ok(())
}
