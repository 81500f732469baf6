//! A storm of planned hand-overs of leadership.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::json;

use super::{Arena, Fault, Proof, Started};

const WITHIN: Duration = Duration::from_secs(5);
/// Between the end of a transfer and the next one.
const REST: Duration = Duration::from_millis(150);

pub(super) struct Storm {
    transfers: u64,
}

impl Storm {
    pub(super) fn new() -> Self {
        Self { transfers: 0 }
    }
}

impl Fault for Storm {
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        _draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>> {
        async move {
            if arena.voters().len() < 2 {
                return Ok(None);
            }
            let nodes = arena.leader().await.into_iter().collect();
            Ok(Some(Started { nodes, faulted: Vec::new(), detail: "leader transfers".to_owned() }))
        }
        .boxed()
    }

    fn hold<'a>(&'a mut self, arena: &'a Arena, lasts: Duration) -> BoxFuture<'a, ()> {
        async move {
            let end = tokio::time::Instant::now() + lasts;
            while tokio::time::Instant::now() < end {
                if let Some(leader) = arena.leader().await {
                    let address = arena.cluster().admin_address(leader);
                    let path = "/v1/leader:transfer";
                    let admin = arena.cluster().admin();
                    let asked = admin.ask(Method::POST, address, path, Some(json!({})), WITHIN);
                    // One that is refused, because nobody is fit to take over, is tried again.
                    self.transfers += u64::from(asked.await.is_ok());
                }
                tokio::time::sleep(REST).await;
            }
        }
        .boxed()
    }

    fn stop<'a>(&'a mut self, _arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>> {
        async move { Ok(Proof::counted(self.transfers, "transfers were done")) }.boxed()
    }
}
