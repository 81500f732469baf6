//! A history of a run holds many objects: each is judged by itself.

use std::collections::BTreeMap;

use crate::history::{Entry, History};

/// The histories of all objects, by name. Lines of the nemesis belong to none.
pub fn by_object(history: &History) -> BTreeMap<String, History> {
    let mut parts: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for entry in &history.entries {
        let Some(object) = entry.more.get("object").and_then(|object| object.as_str()) else {
            continue;
        };
        let entries = parts.entry(object.to_owned()).or_default();
        let index = entries.len() as u64;
        entries.push(Entry { index, ..entry.clone() });
    }
    parts
        .into_iter()
        .map(|(object, entries)| {
            let mut header = history.header.clone();
            header.name = format!("{}: {object}", header.name);
            (object, History { header, entries })
        })
        .collect()
}
