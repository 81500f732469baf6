//! The operations of a set.

use serde_json::{Value, json};
use statekeeper_protocol::messages::set;
use tokio::time::Instant;

use super::connection::Connection;
use super::value::{decode, encode};
use crate::client::{Failure, Op, Outcome, answer};

/// Performs one operation.
pub(super) async fn call(
    connection: &Connection,
    op: &Op,
    deadline: Instant,
) -> Result<Outcome, Failure> {
    let name = op.name.clone();
    let value = || encode(answer::value(op));
    let told = match op.f.as_str() {
        "add" => {
            let request = set::add::Request { name, value: value()? };
            json!(connection.call(&request, deadline).await?.response)
        }
        "remove" => {
            let request = set::remove::Request { name, value: value()? };
            json!(connection.call(&request, deadline).await?.response)
        }
        "contains" => {
            let request = set::contains::Request { name, value: value()? };
            json!(connection.call(&request, deadline).await?.response)
        }
        "read" => {
            let items = connection.call(&set::get_all::Request { name }, deadline).await?.response;
            items.iter().map(decode).collect::<Result<_, Failure>>()?
        }
        "size" => json!(connection.call(&set::size::Request { name }, deadline).await?.response),
        "is-empty" => {
            json!(connection.call(&set::is_empty::Request { name }, deadline).await?.response)
        }
        "clear" => {
            connection.call(&set::clear::Request { name }, deadline).await?;
            Value::Null
        }
        other => return Err(Failure::NotSent(format!("a set has no operation {other}"))),
    };
    Ok(answer::ok(op, told))
}
