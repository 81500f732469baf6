//! A map that servers keep at exactly one record: openLooKeng's `discovery-service`. Nobody of a
//! history writes it, so no order of writes is searched for: what reads told must be what one
//! record that seldom moves looks like.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::models::number_of;
use super::operation::Operation;
use crate::history::Malformed;

/// The judgement on all reads.
pub(crate) struct Record {
    /// Moves from one owner to another that reads show.
    pub(crate) moves: u64,
    /// What is wrong, in words, with the operations that show it; the first few.
    pub(crate) wrong: Vec<(String, Vec<usize>)>,
}

const WRONG_MAX: usize = 8;
const NANOS_PER_MS: u64 = 1_000_000;

/// A read that told something.
struct Read<'a> {
    at: usize,
    invoked: u64,
    returned: u64,
    records: u64,
    /// The one that is registered, if the read told it.
    owner: Option<&'a Value>,
}

/// Looks at all reads of the map: at most one record, never none after there was one, and no owner
/// that comes back sooner than a record stays (`stays-ms`), or a read was stale.
///
/// # Errors
/// An operation that does not read the whole map, or a parameter that is no number.
pub(crate) fn judge(
    operations: &[Operation<'_>],
    params: &Map<String, Value>,
) -> Result<Record, Malformed> {
    let stay = u64::try_from(number_of(params, "stays-ms", 0)?).unwrap_or(0) * NANOS_PER_MS;
    let mut wrong: Vec<(String, Vec<usize>)> = Vec::new();
    let mut reads = Vec::new();
    for (at, operation) in operations.iter().enumerate() {
        if !matches!(operation.f(), "entries" | "size") {
            return Err(operation.malformed("is not a read of the whole record map"));
        }
        let (Some(answered), Some(told)) = (operation.answered, operation.answer()) else {
            continue;
        };
        let (records, owner) = match told {
            Value::Object(records) => (records.len() as u64, Some(told)),
            size => match size.as_u64() {
                Some(size) => (size, None),
                None => return Err(operation.malformed("tells no records")),
            },
        };
        if records > 1 {
            wrong.push((format!("{records} owners are registered at once: {told}"), vec![at]));
        }
        let (invoked, returned) = (operation.asked.time, answered.time);
        let owner = owner.filter(|_| records > 0);
        reads.push(Read { at, invoked, returned, records, owner });
    }
    // In the order of their ends: what ended before another began is told for certain.
    reads.sort_by_key(|read| read.returned);
    let first = reads.iter().find(|read| read.records > 0);
    if let Some(first) = first {
        let empty = reads.iter().find(|read| read.records == 0 && read.invoked > first.returned);
        if let Some(empty) = empty {
            let what = "nobody is registered, although somebody was".to_owned();
            wrong.push((what, vec![first.at, empty.at]));
        }
    }
    let moves = returns(&reads, stay, &mut wrong);
    wrong.truncate(WRONG_MAX);
    Ok(Record { moves, wrong })
}

/// Finds reads of one owner with a read of another one in between, all within `stay`; gives how
/// often the owner was another than before.
fn returns(reads: &[Read<'_>], stay: u64, wrong: &mut Vec<(String, Vec<usize>)>) -> u64 {
    let mut moves = 0;
    // By owner, the read of it that ended last before the owner was another one.
    let mut left: BTreeMap<String, &Read<'_>> = BTreeMap::new();
    let mut last: Option<(&Read<'_>, &Value)> = None;
    for read in reads {
        let Some(owner) = read.owner else { continue };
        let Some((before, before_owner)) = last.replace((read, owner)) else { continue };
        if before_owner == owner || read.invoked < before.returned {
            // Those that overlap tell nothing of their order.
            if before_owner != owner {
                last = Some((before, before_owner));
            }
            continue;
        }
        moves += 1;
        left.insert(before_owner.to_string(), before);
        if let Some(earlier) = left.get(&owner.to_string())
            && read.returned - earlier.invoked < stay
        {
            let what = format!("{owner} is the owner again so soon after {before_owner} was");
            wrong.push((what, vec![earlier.at, before.at, read.at]));
        }
    }
    moves
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Budget, Judgement, Verdict, judge};
    use crate::history::{Entry, EntryType, Header, History, Process};

    /// Reads one after the other, each a millisecond long, at these milliseconds.
    fn judged(reads: &[(u64, serde_json::Value)]) -> Judgement {
        let params = serde_json::Map::from_iter([("stays-ms".to_owned(), json!(1_000))]);
        let (name, model) = ("record".to_owned(), "record".to_owned());
        let header = Header { history: 1, name, model, params };
        let mut entries = Vec::new();
        for (process, (at, told)) in reads.iter().enumerate() {
            for (kind, time) in [(EntryType::Invoke, *at), (EntryType::Ok, at + 1)] {
                let mut entry = Entry::new(Process::Client(process as u64), kind, "entries");
                entry.time = time * 1_000_000;
                if kind == EntryType::Ok {
                    entry.result = Some(told.clone());
                }
                entries.push(entry);
            }
        }
        entries.sort_by_key(|entry| entry.time);
        let mut history = History { header, entries };
        history.number();
        judge(&history, &Budget::default())
    }

    fn says(reads: &[(u64, serde_json::Value)]) -> String {
        let judgement = judged(reads);
        assert_eq!(judgement.verdict, Verdict::Invalid, "{judgement:?}");
        judgement.violations().map(|(_, violation)| violation.what.clone()).collect()
    }

    #[test]
    fn one_record_that_moves_now_and_then_is_right() {
        let reads = [
            (0, json!({})),
            (10, json!({"a": "1"})),
            (500, json!({"a": "1"})),
            (600, json!({"b": "1"})),
            (1_700, json!({"a": "1"})),
            // These two overlap, so either may be the older one.
            (3_000, json!({"b": "1"})),
            (3_000, json!({"a": "1"})),
            (3_100, json!({"b": "1"})),
        ];
        let judgement = judged(&reads);
        assert_eq!(judgement.verdict, Verdict::Valid, "{judgement:?}");
        assert_eq!(judgement.checkers["record"].counts["moves"], 3);
    }

    #[test]
    fn two_owners_none_and_one_that_is_back_at_once_are_told() {
        assert!(says(&[(0, json!({"a": "1", "b": "1"}))]).contains("2 owners"));
        assert!(says(&[(0, json!({"a": "1"})), (10, json!({}))]).contains("nobody"));
        let flips = [(0, json!({"a": "1"})), (10, json!({"b": "1"})), (20, json!({"a": "1"}))];
        assert!(says(&flips).contains("again"));
        // Another port is another owner.
        let ports = [(0, json!({"a": "1"})), (10, json!({"a": "2"})), (20, json!({"a": "1"}))];
        assert!(says(&ports).contains("again"));
    }
}
