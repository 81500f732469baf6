//! Founding: the first membership and the first command of a cluster.
//!
//! Every step may be done twice, so that a founder that died on the way does all of it again. What
//! it had decided is kept by bootstrap, in the data directory.

use std::collections::BTreeMap;

use openraft::errors::{InitializeError, RaftError as OpenraftError};
use statekeeper_machine::{ClusterCommand, Command, Rejection, SubmitError};

use super::assembly::Core;
use super::error::RaftError;
use super::limits;
use super::settings::Founding;
use super::type_config::Peer;

/// Brings a founding into the log, and goes on until it is there or the token ends.
pub(crate) async fn finish(core: &Core, founding: Founding) -> Result<(), RaftError> {
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
            Ok(_) | Err(SubmitError::Rejected(Rejection::AlreadyFounded)) => return Ok(()),
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
}
