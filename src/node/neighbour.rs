//! Keeps the cluster told of the coordinator beside this node.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::config::CoordinatorConfig;
use crate::consensus::{Consensus, CoordinatorReport};
use crate::coordinator::CoordinatorCheck;

/// Checks the coordinator and reports after every check until the token ends.
pub(super) async fn watch_coordinator(
    config: CoordinatorConfig,
    consensus: Arc<dyn Consensus>,
    stop: CancellationToken,
) {
    let (host, port) = (config.host.clone(), config.port);
    let interval = config.check_interval;
    let check = match CoordinatorCheck::new(config) {
        Ok(check) => check,
        Err(error) => {
            tracing::error!(%error, "the coordinator cannot be checked: no HTTP client");
            return;
        }
    };
    let mut state = check.subscribe();
    let report = async {
        let mut was_up = None;
        loop {
            let up = state.borrow_and_update().up_since.is_some();
            if was_up != Some(up) {
                was_up = Some(up);
                tracing::info!(%host, port, up, "coordinator beside this node");
            }
            consensus.coordinator_seen(CoordinatorReport { host: host.as_str().into(), port, up });
            // A check that changes nothing is told as well: silence means that this node is gone.
            let changed = tokio::time::timeout(interval, state.changed()).await;
            if matches!(changed, Ok(Err(_))) {
                return;
            }
        }
    };
    tokio::select! {
        () = check.run(&stop) => {}
        () = report => {}
    }
}
