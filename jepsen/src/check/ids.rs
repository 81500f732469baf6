//! Generated ids: none twice, none below the least.

use serde_json::{Map, Value};

use super::models::number_of;
use super::operation::Operation;
use crate::history::Malformed;

/// What is wrong with the ids of a generator.
pub(crate) struct Ids {
    /// How many were told.
    pub(crate) told: u64,
    /// Wrong ones, in words, with the operations that told them; the first few.
    pub(crate) wrong: Vec<(String, Vec<usize>)>,
}

/// How many wrong ids are told.
const WRONG_MAX: usize = 8;

/// Looks at all ids of one generator.
///
/// # Errors
/// An operation that is not `generate`, or a parameter that is no number.
pub(crate) fn judge(
    operations: &[Operation<'_>],
    params: &Map<String, Value>,
) -> Result<Ids, Malformed> {
    let least = number_of(params, "min", i64::MIN)?;
    let mut ids: Vec<(i64, usize)> = Vec::new();
    let mut wrong: Vec<(String, Vec<usize>)> = Vec::new();
    for (at, operation) in operations.iter().enumerate() {
        if operation.f() != "generate" {
            return Err(operation.malformed("is not an operation of an id generator"));
        }
        let told = match operation.answer() {
            None => continue,
            Some(Value::Array(batch)) => batch.as_slice(),
            Some(single) => std::slice::from_ref(single),
        };
        for id in told {
            match id.as_i64() {
                Some(id) if id < least => {
                    wrong.push((format!("id {id} is below {least}"), vec![at]));
                }
                Some(id) => ids.push((id, at)),
                None => wrong.push((format!("{id} is no id"), vec![at])),
            }
        }
    }
    let told = (ids.len() + wrong.len()) as u64;
    ids.sort_unstable();
    for pair in ids.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        wrong.push((format!("id {} was told twice", pair[0].0), vec![pair[0].1, pair[1].1]));
    }
    wrong.truncate(WRONG_MAX);
    Ok(Ids { told, wrong })
}
