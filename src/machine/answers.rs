//! `Machine::query`: what each question is answered. Nothing here changes the state.

use crate::blob::Blob;
use crate::ids::Name;
use crate::limits;
use crate::machine::Machine;
use crate::map::Map;
use crate::outcome::Answer;
use crate::query::Query;

impl Machine {
    /// Answers a query; changes nothing and looks at no clock.
    #[must_use]
    pub fn query(&self, query: &Query) -> Answer {
        match query {
            Query::MapGet { map, key } => Answer::Value(self.value(map, key).cloned()),
            Query::MapGetAll { map, keys } => Answer::Entries(self.entries_of(map, keys)),
            Query::MapContainsKey { map, key } => Answer::Flag(self.value(map, key).is_some()),
            Query::MapContainsValue { map, value } => {
                let found =
                    |map: &Map| map.records.iter().any(|(_, record)| record.value == *value);
                Answer::Flag(self.map(map).is_some_and(found))
            }
            Query::MapSize { map } => {
                Answer::Count(self.map(map).map_or(0, |map| map.records.len() as u64))
            }
            Query::MapEntries { map } => {
                let records = self.map(map).into_iter().flat_map(|map| map.records.iter());
                Answer::Entries(records.map(|(k, r)| (k.clone(), r.value.clone())).collect())
            }
            Query::MapPage { map, after, limit } => self.page(map, after.as_ref(), *limit),
            Query::MapRecord { map, key } => {
                let record = self.map(map).and_then(|map| {
                    map.records.find(key).ok().map(|place| {
                        let (key, record) = map.records.at(place);
                        record.view(key)
                    })
                });
                Answer::Record(record)
            }
            Query::MapIsLocked { map, key } => {
                Answer::Flag(self.maps.locks.holder(map, key).is_some())
            }
            Query::NearCacheSequences { maps } => {
                let floor = self.maps.sequence_floor;
                let sequence = |name| self.map(name).map_or(floor, |map| map.sequence);
                Answer::Sequences(maps.iter().map(|name| (name.clone(), sequence(name))).collect())
            }
            Query::MapSummary { map } => Answer::Maps(self.maps.view(map).into_iter().collect()),
            Query::Maps => Answer::Maps(self.maps.views()),
            Query::SetContainsAll { set, items } => {
                Answer::Flag(self.sets.contains_all(set, items))
            }
            Query::SetItems { set } => Answer::Values(self.sets.items(set)),
            Query::SetSize { set } => Answer::Count(self.sets.size(set)),
            Query::Sets => Answer::Sets(self.sets.views()),
            Query::LockOwnership { group, name } => {
                self.cp.ownership(group, name).map_or_else(Answer::Refused, Answer::Ownership)
            }
            Query::Locks => Answer::Locks(self.cp.lock_views()),
            Query::Sessions => Answer::Sessions(self.cp.session_views()),
            Query::Group { group } => Answer::Group(self.cp.group_of(group)),
            Query::Objects => Answer::Objects(self.objects.objects.iter().cloned().collect()),
            Query::ObjectsExist { objects } => {
                Answer::Flag(objects.iter().all(|object| self.objects.objects.contains(object)))
            }
            Query::Schema { id } => Answer::Schema(self.objects.schemas.get(id).cloned()),
            Query::IdGenerators => {
                let rows = self.ids.next.iter();
                Answer::IdGenerators(rows.map(|(name, next)| (name.clone(), *next)).collect())
            }
            Query::Barrier => Answer::Nothing,
        }
    }

    fn map(&self, name: &str) -> Option<&Map> {
        self.maps.maps.get(name)
    }

    fn value(&self, map: &str, key: &Blob) -> Option<&Blob> {
        Some(&self.map(map)?.records.get(key)?.value)
    }

    fn entries_of(&self, map: &str, keys: &[Blob]) -> Vec<(Blob, Blob)> {
        let Some(map) = self.map(map) else { return Vec::new() };
        let found = |key| Some((key, map.records.get(key)?));
        let rows = keys.iter().filter_map(found);
        rows.map(|(key, record)| (key.clone(), record.value.clone())).collect()
    }

    fn page(&self, map: &Name, after: Option<&Blob>, limit: usize) -> Answer {
        let Some(map) = self.map(map) else {
            return Answer::Records { records: Vec::new(), more: false };
        };
        let limit = limit.min(limits::PAGE_MAX);
        let mut rows = map.records.iter_after(after);
        let records = rows.by_ref().take(limit).map(|(key, record)| record.view(key)).collect();
        Answer::Records { records, more: rows.next().is_some() }
    }
}
