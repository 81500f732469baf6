//! Unique ids in batches, as members give them out.

use serde_json::json;
use statekeeper_protocol::messages::flake_id_generator::new_id_batch;
use tokio::time::Instant;

use super::connection::Connection;
use crate::client::{Failure, Op, Outcome, answer};

/// What other clients ask for at a time when nobody says otherwise.
const BATCH: i32 = 100;

/// Asks for a batch; all of its ids are the answer.
pub(super) async fn call(
    connection: &Connection,
    op: &Op,
    deadline: Instant,
) -> Result<Outcome, Failure> {
    if op.f != "generate" {
        return Err(Failure::NotSent(format!("ids have no operation {}", op.f)));
    }
    let wanted = op.value.as_ref().and_then(serde_json::Value::as_i64).map(i32::try_from);
    let batch_size = match wanted {
        None => BATCH,
        Some(Ok(size)) => size,
        Some(Err(_)) => return Err(Failure::NotSent("a batch of more than 32 bits".to_owned())),
    };
    let request = new_id_batch::Request { name: op.name.clone(), batch_size };
    let batch = connection.call(&request, deadline).await?;
    if batch.batch_size < 1 || batch.batch_size > batch_size {
        let what = format!("{} ids where {batch_size} were asked for", batch.batch_size);
        return Err(Failure::OutsideProtocol(what));
    }
    let ids: Option<Vec<i64>> = (0..i64::from(batch.batch_size))
        .map(|nth| nth.checked_mul(batch.increment)?.checked_add(batch.base))
        .collect();
    match ids {
        Some(ids) => Ok(answer::ok(op, json!(ids))),
        None => Err(Failure::OutsideProtocol("ids beyond 64 bits".to_owned())),
    }
}
