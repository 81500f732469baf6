//! What the operations do.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::refused;
use super::spoil::Wrong;
use super::state::{Applied, Record, State};
use crate::client::{Op, Outcome, answer};

/// How much longer than it may a record lives on a server that is spoilt so.
const OUTLIVES: Duration = Duration::from_millis(1500);
/// Ids of a batch when nobody says how many.
const BATCH: i64 = 100;

impl State {
    pub(super) fn perform(&mut self, client: u64, op: &Op, now: Instant) -> Applied {
        match op.object.as_str() {
            "map" => Applied::Done(self.on_map(op, now)),
            "set" => Applied::Done(self.on_set(op)),
            "lock" => self.on_lock(client, op),
            "flake" => Applied::Done(self.new_ids(op)),
            _ => Applied::Done(answer::cannot(op, "no such kind of object")),
        }
    }

    fn on_map(&mut self, op: &Op, now: Instant) -> Outcome {
        let key = answer::key(op);
        let present = self.present(op, key);
        let value = answer::value(op).clone();
        let told = match op.f.as_str() {
            "get" | "read" => {
                let before = self.map(op).before.get(&key.to_string()).cloned();
                match before.filter(|before| *before != present) {
                    Some(before) if self.goes_wrong(Wrong::StaleRead) => before,
                    _ => present,
                }
            }
            "contains" => json!(!present.is_null()),
            "put" | "set" | "write" => {
                if let Some(refusal) = self.write(op, key, value, now) {
                    return refusal;
                }
                present
            }
            "put-if-absent" if !present.is_null() => present,
            "replace" if present.is_null() => present,
            "put-if-absent" | "replace" => {
                if let Some(refusal) = self.write(op, key, value, now) {
                    return refusal;
                }
                present
            }
            "remove" | "delete" => {
                if let Some(refusal) = self.write(op, key, Value::Null, now) {
                    return refusal;
                }
                present
            }
            "replace-if" | "cas" | "remove-if" => {
                let pair = match op.f.as_str() {
                    "remove-if" => Some((&value, &Value::Null)),
                    _ => answer::pair(op),
                };
                let Some((old, new)) = pair else {
                    return answer::cannot(op, "the value must be two values");
                };
                if present != *old && !self.goes_wrong(Wrong::WrongMatch) {
                    return answer::ok(op, json!(false));
                }
                if let Some(refusal) = self.write(op, key, new.clone(), now) {
                    return refusal;
                }
                json!(true)
            }
            _ => return self.on_whole_map(op),
        };
        answer::ok(op, told)
    }

    fn on_whole_map(&mut self, op: &Op) -> Outcome {
        let records = &self.map(op).records;
        let mut entries: Map<String, Value> = records
            .values()
            .map(|record| (answer::key_text(&record.key), record.value.clone()))
            .collect();
        let told = match (op.f.as_str(), &op.value) {
            ("size", _) => json!(entries.len()),
            ("is-empty", _) => json!(entries.is_empty()),
            ("keys", _) => {
                let mut keys: Vec<Value> =
                    records.values().map(|record| record.key.clone()).collect();
                if !keys.is_empty() && self.goes_wrong(Wrong::ShortRead) {
                    keys.pop();
                }
                Value::Array(keys)
            }
            ("entries", _) => {
                if !entries.is_empty() && self.goes_wrong(Wrong::ShortRead) {
                    let first = entries.keys().next().cloned().unwrap_or_default();
                    entries.remove(&first);
                }
                Value::Object(entries)
            }
            ("get-all", Some(Value::Array(keys))) => {
                let wanted: Vec<String> = keys.iter().map(answer::key_text).collect();
                entries.retain(|key, _| wanted.contains(key));
                Value::Object(entries)
            }
            ("put-all", Some(Value::Object(pairs))) => {
                let torn = pairs.len() > 1 && self.goes_wrong(Wrong::TornPutAll);
                for (key, value) in pairs.iter().skip(usize::from(torn)) {
                    self.write_for_certain(op, &json!(key), value.clone(), None);
                }
                Value::Null
            }
            ("clear", _) => {
                let keys: Vec<Value> = records.values().map(|record| record.key.clone()).collect();
                let count = keys.len();
                for key in keys {
                    let record = self.map(op).records.remove(&key.to_string());
                    let value = record.map_or(Value::Null, |record| record.value);
                    self.map(op).before.insert(key.to_string(), value);
                }
                if count > 0 {
                    self.emit(&op.name, "clear-all", &Value::Null, (None, None));
                }
                Value::Null
            }
            (_, _) => {
                return answer::cannot(op, "not an operation of a map, or without its argument");
            }
        };
        answer::ok(op, told)
    }

    /// Writes a value, or removes it with null; what is given back is told instead of success.
    fn write(&mut self, op: &Op, key: &Value, value: Value, now: Instant) -> Option<Outcome> {
        let changes = self.present(op, key) != value;
        if changes && self.goes_wrong(Wrong::LostWrite) {
            return None;
        }
        let ends = op.ttl.filter(|ms| *ms > 0).map(|ms| {
            let lives = Duration::from_millis(ms);
            if self.goes_wrong(Wrong::EarlyEnd) {
                now + lives / 2
            } else if self.goes_wrong(Wrong::LateEnd) {
                now + lives + OUTLIVES
            } else {
                now + lives
            }
        });
        self.write_for_certain(op, key, value, ends);
        if changes && self.goes_wrong(Wrong::RefusedAndDone) {
            return Some(refused("refused, as a spoilt server says"));
        }
        None
    }

    fn write_for_certain(&mut self, op: &Op, key: &Value, value: Value, ends: Option<Instant>) {
        let text = key.to_string();
        let map = self.map(op);
        let old = map.records.remove(&text).map(|record| record.value);
        map.before.insert(text.clone(), old.clone().unwrap_or(Value::Null));
        let gone = value.is_null();
        if !gone {
            map.records.insert(text, Record { key: key.clone(), value: value.clone(), ends });
        }
        let f = match (&old, gone) {
            (None, true) => return,
            (Some(_), true) => "removed",
            (None, false) => "added",
            (Some(_), false) => "updated",
        };
        self.emit(&op.name, f, key, (old.as_ref(), (!gone).then_some(&value)));
    }

    fn present(&mut self, op: &Op, key: &Value) -> Value {
        let record = self.map(op).records.get(&key.to_string());
        record.map_or(Value::Null, |record| record.value.clone())
    }

    fn map(&mut self, op: &Op) -> &mut super::state::MapObject {
        self.maps.entry(op.name.clone()).or_default()
    }

    fn on_set(&mut self, op: &Op) -> Outcome {
        let value = answer::value(op).clone();
        let text = value.to_string();
        let there = self.set(op).contains_key(&text);
        let told = match op.f.as_str() {
            "add" => {
                if there || !self.goes_wrong(Wrong::LostItem) {
                    self.set(op).insert(text, value);
                }
                json!(!there)
            }
            "remove" => json!(self.set(op).remove(&text).is_some()),
            "contains" => json!(there),
            "read" => {
                let mut items: Vec<Value> = self.set(op).values().cloned().collect();
                if !items.is_empty() && self.goes_wrong(Wrong::ShortRead) {
                    items.pop();
                }
                Value::Array(items)
            }
            "size" => json!(self.set(op).len()),
            "is-empty" => json!(self.set(op).is_empty()),
            "clear" => {
                self.set(op).clear();
                Value::Null
            }
            _ => return answer::cannot(op, "not an operation of a set"),
        };
        answer::ok(op, told)
    }

    fn set(&mut self, op: &Op) -> &mut std::collections::BTreeMap<String, Value> {
        self.sets.entry(op.name.clone()).or_default()
    }

    fn on_lock(&mut self, client: u64, op: &Op) -> Applied {
        let holder = self.locks.entry(op.name.clone()).or_default().holder;
        let told = match (op.f.as_str(), holder) {
            ("acquire" | "try-acquire", None) => json!(self.grant(op, Some(client))),
            ("acquire" | "try-acquire", Some((holder, holds, fence))) if holder == client => {
                self.hold(op, Some((client, holds + 1, fence)));
                json!(fence)
            }
            ("acquire" | "try-acquire", Some(_)) if self.goes_wrong(Wrong::DoubleGrant) => {
                json!(self.grant(op, None))
            }
            ("acquire" | "try-acquire", Some(_)) => return Applied::Waits,
            ("release", Some((holder, holds, fence))) if holder == client => {
                self.hold(op, (holds > 1).then(|| (client, holds - 1, fence)));
                Value::Null
            }
            ("release", _) => return Applied::Done(refused("not the owner")),
            ("is-locked", _) => json!(holder.is_some()),
            ("lock-count", _) => json!(holder.map_or(0, |(_, holds, _)| holds)),
            ("get-fence", _) => json!(holder.map_or(0, |(_, _, fence)| fence)),
            (_, _) => return Applied::Done(answer::cannot(op, "not an operation of a lock")),
        };
        Applied::Done(answer::ok(op, told))
    }

    /// A new hold's fence; without a client nobody remembers the hold.
    fn grant(&mut self, op: &Op, client: Option<u64>) -> i64 {
        let first = self.locks.get(&op.name).is_none_or(|lock| lock.last_fence == 0);
        let repeats = !first && self.goes_wrong(Wrong::RepeatedFence);
        let lock = self.locks.entry(op.name.clone()).or_default();
        lock.last_fence += i64::from(!repeats);
        if let Some(client) = client {
            lock.holder = Some((client, 1, lock.last_fence));
        }
        lock.last_fence
    }

    fn hold(&mut self, op: &Op, holder: Option<(u64, u32, i64)>) {
        self.locks.entry(op.name.clone()).or_default().holder = holder;
    }

    fn new_ids(&mut self, op: &Op) -> Outcome {
        if op.f != "generate" {
            return answer::cannot(op, "not an operation of ids");
        }
        let count = op.value.as_ref().and_then(Value::as_i64).unwrap_or(BATCH).max(1);
        let next = self.ids.get(&op.name).copied().unwrap_or(1);
        let again = next > count && self.goes_wrong(Wrong::RepeatedIds);
        let base = if again { next - count } else { next };
        self.ids.insert(op.name.clone(), base + count);
        answer::ok(op, json!((base..base + count).collect::<Vec<_>>()))
    }
}
